/* Copies of a product's sources whose pixels are farther apart in memory, for software drivers.
 *
 * A workgroup of conv_direct.comp goes through 32 pixels at once, a texel of each at a time, and a line of the processor's cache has four texels.
 * Where pixels lie a multiple of 2 KiB apart, as those of 512 and 1024 channels do, the 32 lines share one or two of the first cache's 64 sets,
 * which hold 8 to 12 lines each: so every line is fetched from the second cache four times.  One more line a pixel spreads them over all sets.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/lanes.h>
#include <nddr/ops/product.h>

#define LINE 4            /* texels in a line of cache */
#define SETS 64           /* of lines */
#define PIECE 64          /* texels that a workgroup copies */
#define MAX_PIECES (1 << 22) /* the kernel divides in floating point */

/** How many sets there are for lines that are @lines apart. */
static int
sets_for (int lines)
{
  int sets = SETS;

  for (; lines % 2 == 0 && sets > 1; lines /= 2)
    sets /= 2;
  return sets;
}

static gint64
pieces (const NddrTensor *t)
{
  return (gint64) t->branches * nddr_tensor_branch_texels (t) / PIECE;
}

/** What a sum over @tensor gains by its being spread, in nanoseconds for each of its texels and output channels; 0: nothing. */
static double
gain (const NddrPlan *plan, const NddrProduct *p, const NddrTensor *tensor)
{
  int texels = nddr_tensor_texels (tensor), sets = sets_for (p->in_stride * texels / LINE);

  if (p->empty || texels % PIECE != 0 || sets > 2 || pieces (tensor) > MAX_PIECES
      || (gint64) tensor->branches * tensor->batch * tensor->height * tensor->width * (texels + LINE) * 16 > (gint64) plan->traits.max_storage_range)
    return 0;
  return sets == 2 ? 0.025 : 0.05; /* measured where nothing else is in the way */
}

gboolean
nddr_spread_fits (const NddrPlan *plan, const NddrProduct *p)
{
  for (int s = 0; s < p->n_sources; s++)
    if (gain (plan, p, p->sources[s].tensor) > 0)
      return TRUE;
  return FALSE;
}

/** The first source of source @s's tensor. */
static int
first_of_tensor (const NddrProduct *p, int s)
{
  for (int i = 0; i < s; i++)
    if (p->sources[i].tensor == p->sources[s].tensor)
      return i;
  return s;
}

gboolean
nddr_spread_pays (const NddrPlan *plan, const NddrProduct *p)
{
  double sums = (double) p->branches * p->output.tensor->batch * p->grid_height * p->grid_width * p->y.n * p->x.n * p->output.tensor->channels;
  double gained = 0, spent = 0;

  for (int s = 0; s < p->n_sources; s++) {
    const NddrTensor *tensor = p->sources[s].tensor;
    gained += sums * nddr_tensor_texels (tensor) * gain (plan, p, tensor);
    if (gain (plan, p, tensor) > 0 && first_of_tensor (p, s) == s)
      spent += 6.0 * tensor->branches * nddr_tensor_branch_texels (tensor);
  }
  return gained > spent;
}

/* (transfer none): a copy of @x. */
static NddrTensor *
spread (NddrPlan *plan, NddrTensor *x)
{
  NddrTensor *y = nddr_plan_spread_map (plan, x->name, x, LINE * 4);
  int per_pixel = nddr_tensor_texels (x) / PIECE;
  gint64 n = pieces (x);
  NddrStep *step = nddr_plan_step_lanes (plan, NDDR_KERNEL_SPREAD, n * 8, 1);

  nddr_step_read (step, 0, x);
  nddr_step_write (step, 1, y);
  nddr_step_push_base (step, x, 0);
  nddr_step_push_i (step, per_pixel);
  nddr_step_push_inverse (step, per_pixel);
  nddr_step_push_i (step, n - 1);
  nddr_step_push_i (step, LINE);
  return y;
}

NddrProductSource *
nddr_spread_sources (NddrPlan *plan, const NddrProduct *p)
{
  NddrProductSource *sources = g_memdup2 (p->sources, p->n_sources * sizeof *sources);

  for (int s = 0; s < p->n_sources; s++) {
    int first = first_of_tensor (p, s);
    if (first < s)
      sources[s].tensor = sources[first].tensor;
    else if (gain (plan, p, sources[s].tensor) > 0)
      sources[s].tensor = spread (plan, sources[s].tensor);
  }
  return sources;
}
