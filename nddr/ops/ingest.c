/* Ingest: a frame's bytes become the network's input.
 *
 * Two kernels: one converts and resizes along x, the other resizes along y and normalises.  What resizing weighs is in tables
 * that the plan carries.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/pixels.h>

#include <math.h>

/* One axis resized from @in to @out samples: a triangle as wide as a source sample or, where the axis shrinks, as an output one.
 * Weights come four at a time, for sources first + 4 k .. first + 4 k + 3; where @aligned, first is a multiple of 4.
 * [1 + steps][out] texels: first / (aligned ? 4 : 1), then the weights. */
static NddrTensor *
resize_table (NddrPlan *plan, const char *name, int in, int out, gboolean aligned, int *n_steps)
{
  double scale = (double) in / out, support = MAX (scale, 1);
  g_autofree int *from = g_new (int, out), *to = g_new (int, out);
  g_autofree float *table = NULL;
  int steps = 1;

  for (int o = 0; o < out; o++) {
    double center = (o + .5) * scale;

    from[o] = MAX (0, (int) floor (center - support + .5));
    to[o] = MIN (in, (int) floor (center + support + .5));
    steps = MAX (steps, aligned ? (to[o] - 1) / 4 - from[o] / 4 + 1 : (to[o] - from[o] + 3) / 4);
  }
  table = g_new0 (float, (gsize) 4 * (1 + steps) * out);
  for (int o = 0; o < out; o++) {
    double center = (o + .5) * scale, sum = 0;
    int first = from[o];

    if (aligned)
      first = 4 * MIN (from[o] / 4, (in + 3) / 4 - steps); /* the last step is not beyond the last group */
    table[4 * o] = aligned ? first / 4 : first;
    for (int pass = 0; pass < 2; pass++)
      for (int i = from[o]; i < to[o]; i++) {
        double weight = MAX (0, 1 - fabs (i + .5 - center) / support);

        if (pass == 0)
          sum += weight;
        else
          table[4 * ((gsize) (1 + (i - first) / 4) * out + o) + (i - first) % 4] = weight / sum;
      }
  }
  *n_steps = steps;
  return nddr_plan_table (plan, name, table, (gsize) 16 * (1 + steps) * out);
}

void
nddr_ingest (NddrPlan *plan, NddrTensor *output, NddrTensor *frame, const NddrFrameFormat *format, const double mean[3],
    const double std[3])
{
  int width = output->width, height = output->height, source = format->height, steps_x, steps_y;
  gboolean software = plan->traits.family == NDDR_FAMILY_SOFTWARE;
  int lanes = software ? 8 : 64, pairs = source / 2 + 1, block_x = software ? 4 : 1, block_y = software ? 4 : 1;
  NddrTensor *table_x = resize_table (plan, "ingest.columns", format->width, width, TRUE, &steps_x);
  NddrTensor *table_y = resize_table (plan, "ingest.rows", source, height, FALSE, &steps_y);
  NddrTensor *rows = nddr_plan_flat (plan, "ingest.resized", NDDR_SPACE_ARENA, NDDR_F32, (gsize) 4 * source * width);
  NddrStep *step;

  step = nddr_plan_step (plan, NDDR_KERNEL_INGEST_ROWS, (width + lanes - 1) / lanes, (pairs + block_x - 1) / block_x, 1);
  nddr_step_read (step, 0, frame);
  nddr_step_read (step, 1, table_x);
  nddr_step_write (step, 2, rows);
  nddr_pixels_source (step, frame, format);
  nddr_step_push_base (step, table_x, 0);
  nddr_step_push_i (step, width);
  nddr_step_push_i (step, source);
  nddr_step_push_i (step, steps_x);
  nddr_step_push_i (step, block_x);

  step = nddr_plan_step (plan, NDDR_KERNEL_INGEST_COLUMNS, (width + lanes - 1) / lanes, (height + block_y - 1) / block_y, 1);
  nddr_step_read (step, 0, rows);
  nddr_step_read (step, 1, table_y);
  nddr_step_write (step, 2, output);
  for (int i = 0; i < 4; i++)
    nddr_step_push_f (step, i < 3 ? 1 / std[i] : 0);
  for (int i = 0; i < 4; i++)
    nddr_step_push_f (step, i < 3 ? -mean[i] / std[i] : 0);
  nddr_step_push_base (step, rows, 0);
  nddr_step_push_base (step, table_y, 0);
  nddr_step_push_i (step, source);
  nddr_step_push_i (step, width);
  nddr_step_push_i (step, height);
  nddr_step_push_i (step, steps_y);
  nddr_step_push_i (step, block_y);
  nddr_step_push_i (step, output->stride / 4);
}
