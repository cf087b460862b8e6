/* Render: a head's output becomes a picture of the frame's size.
 *
 * First the head is resized along y, which is cheap: it is narrow.  Then one kernel does the rest, four pixels at a time.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/pixels.h>

#include <math.h>

#define NEVER -1e30f /* a score that no class has: what padding channels are given, so that they win no arg-max */

/* Where sample @dst of @out lies among @in: between *left and *right, *weight of the right one. */
static void
place (NddrResizeMode mode, int in, int out, int dst, int *left, int *right, double *weight)
{
  double at = 0;

  switch (mode) {
    case NDDR_RESIZE_HALF_PIXEL:
      at = MAX (0, (dst + .5) * in / out - .5);
      break;
    case NDDR_RESIZE_ALIGN_CORNERS:
      at = out > 1 ? (double) dst * (in - 1) / (out - 1) : 0;
      break;
    case NDDR_RESIZE_ASYMMETRIC:
      at = (double) dst * in / out;
      break;
  }
  *left = MIN ((int) at, in - 1);
  *right = MIN (*left + 1, in - 1);
  *weight = *right > *left ? at - *left : 0;
}

static NddrTensor *
row_table (NddrPlan *plan, NddrResizeMode mode, int in, int out)
{
  g_autofree float *table = g_new0 (float, (gsize) 4 * out);

  for (int y = 0; y < out; y++) {
    int top, bottom;
    double weight;

    place (mode, in, out, y, &top, &bottom, &weight);
    table[4 * y] = top;
    table[4 * y + 1] = bottom;
    table[4 * y + 2] = weight;
  }
  return nddr_plan_table (plan, "render.rows", table, (gsize) 16 * out);
}

/* For each group of four pixels four texels, in one of two forms (shaders/render.comp): where three columns are enough for
 * every group, those and their weights, else each pixel's own two columns. */
static NddrTensor *
column_table (NddrPlan *plan, NddrResizeMode mode, int in, int out, gboolean *shared)
{
  int groups = nddr_pixel_groups (out);
  g_autofree float *table = g_new0 (float, (gsize) 16 * groups);

  *shared = in >= 3;
  for (int g = 0; g < groups && *shared; g++) {
    int first, last, unused;
    double weight;

    place (mode, in, out, 4 * g, &first, &unused, &weight);
    place (mode, in, out, MIN (4 * g + 3, out - 1), &unused, &last, &weight);
    *shared = last - MIN (first, in - 3) <= 2;
  }
  for (int g = 0; g < groups; g++) {
    float *t = table + 16 * g;
    int first = 0;

    for (int i = 0; i < 4; i++) {
      int left, right;
      double weight;

      place (mode, in, out, MIN (4 * g + i, out - 1), &left, &right, &weight);
      if (*shared) {
        if (i == 0)
          t[0] = first = MIN (left, in - 3);
        t[4 + 4 * (left - first) + i] += 1 - weight;
        t[4 + 4 * (right - first) + i] += weight;
      } else {
        t[i] = left;
        t[4 + i] = right;
        t[8 + i] = weight;
      }
    }
  }
  return nddr_plan_table (plan, "render.columns", table, (gsize) 64 * groups);
}

static NddrTensor *
palette_table (NddrPlan *plan, const NddrClass *classes, guint n_classes)
{
  g_autofree float *table = g_new0 (float, 4 * MAX (n_classes, 1));

  for (guint i = 0; i < n_classes; i++)
    for (int c = 0; c < 3; c++)
      table[4 * i + c] = classes[i].color >> (16 - 8 * c) & 255;
  return nddr_plan_table (plan, "render.palette", table, 16 * MAX (n_classes, 1));
}

/* texels of four channels before the head's own branch */
static int
head_start (const NddrRender *op)
{
  const NddrTensor *head = op->head.tensor;

  return op->head.first * head->batch * head->height * head->width * (head->stride / 4);
}

static void
render_head (NddrPlan *plan, const NddrRender *op)
{
  NddrTensor *head = op->head.tensor;
  int count = head->height * head->width * head->channels, lanes = plan->traits.family == NDDR_FAMILY_SOFTWARE ? 8 : 64;
  NddrStep *step = nddr_plan_step (plan, NDDR_KERNEL_RENDER_HEAD, ((count + 3) / 4 + lanes - 1) / lanes, 1, 1);

  nddr_step_read (step, 0, head);
  nddr_step_write (step, 1, op->picture);
  nddr_step_push_base (step, head, head_start (op));
  nddr_step_push_i (step, head->stride / 4);
  nddr_step_push_i (step, head->channels);
  nddr_step_push_i (step, count);
}

void
nddr_render (NddrPlan *plan, const NddrRender *op)
{
  NddrTensor *head = op->head.tensor, *table_x, *table_y, *palette, *rows;
  int width = op->input.width, height = op->input.height, groups = nddr_pixel_groups (width), quads = (head->channels + 3) / 4;
  gboolean software = plan->traits.family == NDDR_FAMILY_SOFTWARE, shared, overlay = op->view == NDDR_VIEW_OVERLAY;
  int lanes = software ? 8 : 64, block = software ? 8 : 1;
  NddrPacking packing;
  NddrStep *step;

  if (op->view == NDDR_VIEW_HEAD) {
    render_head (plan, op);
    return;
  }
  table_y = row_table (plan, op->resize, head->height, height);
  table_x = column_table (plan, op->resize, head->width, width, &shared);
  palette = palette_table (plan, op->classes, op->kind == NDDR_TASK_SEGMENTATION ? op->n_classes : 0);
  rows = nddr_plan_flat (plan, "render.resized", NDDR_SPACE_ARENA, NDDR_F32, (gsize) 4 * height * head->width * quads);
  nddr_packing (op->format, width, height, &packing);

  step = nddr_plan_step (plan, NDDR_KERNEL_RENDER_ROWS, (head->width * quads + lanes - 1) / lanes, (height + block - 1) / block, 1);
  nddr_step_read (step, 0, head);
  nddr_step_read (step, 1, table_y);
  nddr_step_write (step, 2, rows);
  nddr_step_push_base (step, head, head_start (op));
  nddr_step_push_base (step, table_y, 0);
  nddr_step_push_i (step, head->width);
  nddr_step_push_i (step, head->stride / 4);
  nddr_step_push_i (step, quads);
  nddr_step_push_i (step, head->channels);
  nddr_step_push_i (step, height);
  nddr_step_push_i (step, block);
  nddr_step_push_f (step, NEVER);

  step = nddr_plan_step (plan, NDDR_KERNEL_RENDER, (groups + lanes - 1) / lanes, (height + block - 1) / block, 1);
  nddr_step_read (step, 0, rows);
  nddr_step_read (step, 1, table_x);
  nddr_step_read (step, 2, palette);
  if (overlay) {
    nddr_step_read (step, 3, op->frame);
    nddr_step_read (step, 4, op->opacities);
  }
  nddr_step_write (step, 5, op->picture);
  nddr_pixels_source (step, overlay ? op->frame : NULL, &op->input);
  nddr_step_spec (step, op->kind);
  nddr_step_spec (step, op->view);
  nddr_step_spec (step, op->format);
  nddr_step_spec (step, shared);
  nddr_step_push_base (step, rows, 0);
  nddr_step_push_base (step, table_x, 0);
  nddr_step_push_base (step, palette, 0);
  nddr_step_push_i (step, head->width * quads);
  nddr_step_push_i (step, quads);
  nddr_step_push_i (step, groups);
  nddr_step_push_i (step, height);
  nddr_step_push_i (step, block);
  nddr_step_push_i (step, packing.pitch[0] / 16);
  nddr_step_push_i (step, op->index);
}
