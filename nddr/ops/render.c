/* Render: a head's output becomes a picture of the frame's size.
 *
 * First the head is resized along y, which is cheap: it is narrow.  Then one kernel does the rest, four pixels at a time.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/lanes.h>
#include <nddr/ops/pixels.h>

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

/* how shaders/render.comp finds the columns that pixels lie between */
typedef enum { COLUMNS_OWN, COLUMNS_SHARED, COLUMNS_SPREAD } Columns;

/* Whether @n_columns are enough for every @n_groups groups that lie side by side. */
static gboolean
is_within (NddrResizeMode mode, int in, int out, int n_groups, int n_columns)
{
  if (in < 3)
    return FALSE;
  for (int x = 0; x < out; x += 4 * n_groups) {
    int first, last, unused;
    double weight;

    place (mode, in, out, x, &first, &unused, &weight);
    place (mode, in, out, MIN (x + 4 * n_groups, out) - 1, &unused, &last, &weight);
    if (last - MIN (first, in - 3) >= n_columns)
      return FALSE;
  }
  return TRUE;
}

static Columns
choose_columns (const NddrPlan *plan, NddrResizeMode mode, int in, int out)
{
  if (!is_within (mode, in, out, 1, 3))
    return COLUMNS_OWN;
  /* a group's three columns may begin one or two before its first where the head ends: so eight less two */
  return plan->traits.family == NDDR_FAMILY_SOFTWARE && is_within (mode, in, out, 8, 6) ? COLUMNS_SPREAD : COLUMNS_SHARED;
}

/* For each group of four pixels four texels: left and right columns and weights, or the first column and three columns' weights. */
static NddrTensor *
column_table (NddrPlan *plan, NddrResizeMode mode, int in, int out, Columns columns)
{
  int groups = nddr_pixel_groups (out);
  g_autofree float *table = g_new0 (float, (gsize) 16 * groups);

  for (int g = 0; g < groups; g++) {
    float *t = table + 16 * g;
    int first = 0;

    for (int i = 0; i < 4; i++) {
      int left, right;
      double weight;

      place (mode, in, out, MIN (4 * g + i, out - 1), &left, &right, &weight);
      if (columns != COLUMNS_OWN) {
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

/* On software drivers a workgroup has a price and two or more cores share them: as many rows each as leave some to share. */
static int
rows_per_lane (const NddrPlan *plan, int groups, int height)
{
  return plan->traits.family == NDDR_FAMILY_SOFTWARE ? CLAMP ((groups + 7) / 8 * height / 192, 4, 32) : 1;
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
  int count = head->height * head->width * head->channels;
  NddrStep *step = nddr_plan_step_lanes (plan, NDDR_KERNEL_RENDER_HEAD, (count + 3) / 4, 1);

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
  Columns columns = choose_columns (plan, op->resize, head->width, width);
  gboolean software = plan->traits.family == NDDR_FAMILY_SOFTWARE, overlay = op->view == NDDR_VIEW_OVERLAY;
  int lanes = software ? 8 : 64, block = rows_per_lane (plan, groups, height);
  NddrPacking packing;
  NddrStep *step;

  if (op->view == NDDR_VIEW_HEAD) {
    render_head (plan, op);
    return;
  }
  table_y = row_table (plan, op->resize, head->height, height);
  table_x = column_table (plan, op->resize, head->width, width, columns);
  palette = palette_table (plan, op->classes, op->kind == NDDR_TASK_SEGMENTATION ? op->n_classes : 0);
  rows = nddr_plan_flat (plan, "render.resized", NDDR_SPACE_ARENA, NDDR_F32, (gsize) 4 * height * head->width * quads);
  nddr_packing (&(NddrFrameFormat){ op->format, width, height }, &packing);

  step = nddr_plan_step (plan, NDDR_KERNEL_RENDER_ROWS, (head->width * quads + lanes - 1) / lanes, (height + block - 1) / block, 1);
  nddr_step_read (step, 0, head);
  nddr_step_read (step, 1, table_y);
  nddr_step_write (step, 2, rows);
  nddr_step_push_base (step, head, head_start (op));
  nddr_step_push_base (step, table_y, 0);
  nddr_step_push_i (step, head->width);
  nddr_step_push_i (step, head->stride / 4);
  nddr_step_push_i (step, quads);
  nddr_step_push_i (step, height);
  nddr_step_push_i (step, block);

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
  nddr_step_spec (step, columns);
  nddr_step_spec (step, head->channels);
  nddr_step_push_base (step, rows, 0);
  nddr_step_push_base (step, table_x, 0);
  nddr_step_push_base (step, palette, 0);
  nddr_step_push_i (step, head->width * quads);
  nddr_step_push_i (step, groups);
  nddr_step_push_i (step, height);
  nddr_step_push_i (step, block);
  nddr_step_push_i (step, packing.pitch[0] / 16);
  nddr_step_push_i (step, op->index);
}
