/* See winograd.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/winograd.h>

#define LANES NDDR_WINOGRAD_LANES

static int
tiles_along (int size, int dilation)
{
  int n = 0;
  for (int residue = 0; residue < MIN (dilation, size); residue++)
    n += ((size - residue + dilation - 1) / dilation + 3) / 4;
  return n;
}

NddrWinogradTiling
nddr_winograd_tiling (const NddrTensor *output, int dilation)
{
  NddrWinogradTiling t = { output->batch, output->height, output->width, dilation, 0 };
  t.total = t.images * tiles_along (t.height, t.dilation) * tiles_along (t.width, t.dilation);
  return t;
}

NddrTensor *
nddr_winograd_tiles (NddrPlan *plan, const NddrWinogradTiling *t, int blocks)
{
  g_autofree gint32 (*tiles)[4] = g_malloc0 (blocks * LANES * sizeof *tiles);
  int n = 0;

  for (int image = 0; image < t->images; image++)
    for (int ry = 0; ry < MIN (t->dilation, t->height); ry++)
      for (int rx = 0; rx < MIN (t->dilation, t->width); rx++)
        for (int y = ry; y < t->height; y += 4 * t->dilation)
          for (int x = rx; x < t->width; x += 4 * t->dilation, n++) {
            tiles[n][0] = y;
            tiles[n][1] = x;
            tiles[n][2] = image;
          }
  g_assert (n == t->total);
  for (; n < blocks * LANES; n++)
    tiles[n][0] = tiles[n][1] = 1 << 24;
  return nddr_plan_table (plan, "tiles", tiles, blocks * LANES * sizeof *tiles);
}

void
nddr_winograd_transform (NddrPlan *plan, NddrKernelId kernel, NddrBranches map, int branches, NddrTensor *tiles, int first_block, int blocks,
    int dilation, NddrTensor *patches)
{
  NddrTensor *x = map.tensor;
  gint32 branch_texels = (gint32) nddr_tensor_branch_texels (x);
  int quads = nddr_tensor_texels (x);
  NddrStep *step = nddr_plan_step (plan, kernel, quads, blocks, branches);

  nddr_step_read (step, 0, x);
  nddr_step_read (step, 1, tiles);
  nddr_step_write (step, 2, patches);
  nddr_step_push_base (step, x, map.first * branch_texels);
  nddr_step_push_i (step, map.step * branch_texels);
  nddr_step_push_base (step, tiles, first_block * LANES);
  nddr_step_push_i (step, x->height);
  nddr_step_push_i (step, x->width);
  nddr_step_push_i (step, quads);
  nddr_step_push_i (step, dilation);
  nddr_step_push_i (step, blocks);
  nddr_step_push_base (step, patches, 0);
  nddr_step_push_i (step, 0);
}
