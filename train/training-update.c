/* What becomes of gradients: their totals over batches and ranks, their norm, and the parameters.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/training-private.h>

/* A bucket's bytes: an eighth of the gradients, so that most of them are on their way before the last are computed, but no fewer
 * than a network moves well, nor more than PyTorch's. */
#define BUCKETS 8
#define SMALLEST_BUCKET (256 << 10)
#define LARGEST_BUCKET (25 << 20)

/* Parts of @whole as @count gives them, or itself. */
static NddrTensor *
part_of (NddrWalk *walk, NddrTensor *whole, gsize from, gsize count)
{
  return from == 0 && count == whole->bytes / sizeof (float) ? whole : nddr_plan_part (walk->plan, whole, whole->name, from * sizeof (float), count);
}

void
nddr_walk_append_total (NddrWalk *walk, gsize from, gsize count)
{
  const NddrParameters *p = walk->training->parameters;
  NddrTensor *total = part_of (walk, p->total, from, count), *gradients = part_of (walk, p->gradients, from, count);
  walk->plan->label = g_intern_string ("accumulate");
  walk->plan->phase = NDDR_TRAINING_FIRST;
  nddr_gradients_add (walk->plan, total, gradients, FALSE);
  walk->plan->phase = NDDR_TRAINING_ADD;
  nddr_gradients_add (walk->plan, total, gradients, TRUE);
}

/* ---- among ranks */

/* Gradients that are complete, to be summed over the ranks. */
static void
append_bucket (NddrWalk *walk, gsize from, gsize count)
{
  const NddrParameters *p = walk->training->parameters;
  NddrTensor *exchanged = part_of (walk, p->exchanged, from, count);
  if (walk->options->accumulate)
    nddr_walk_append_total (walk, from, count);
  walk->plan->label = g_intern_string ("exchange");
  walk->plan->phase = NDDR_TRAINING_SEND;
  nddr_gradients_add (walk->plan, exchanged, part_of (walk, p->total, from, count), FALSE);
  nddr_plan_mark (walk->plan, from == 0);
  nddr_walk_add_collective (walk, from > 0 ? NDDR_COLLECTIVE_BUCKET : NDDR_COLLECTIVE_LAST_BUCKET, exchanged, part_of (walk, p->summed, from, count));
  walk->plan->phase = NDDR_TRAINING_BACKWARD;
}

void
nddr_walk_fill_bucket (NddrWalk *walk, int i, gsize *end)
{
  const NddrParameters *p = walk->training->parameters;
  const NddrTensor *weight = p->layers[i].weight; /* a layer's first part */
  gsize least = CLAMP (p->params->bytes / BUCKETS, SMALLEST_BUCKET, LARGEST_BUCKET);
  gsize from = i == 0 ? 0 : weight ? weight->part_offset / sizeof (float) : *end;
  if (i > 0 && (*end - from) * sizeof (float) < least)
    return;
  append_bucket (walk, from, *end - from);
  *end = from;
}

/* ---- the update */

/* The sum of squares of @x.  Returns the factor that brings its norm to @max_norm; NULL where that is 0, or without @x.  In
 * mixed precision gradients have one whatever @max_norm is: it takes the losses' scale out of them, and is 0 where the sum is not
 * finite. */
static NddrTensor *
append_sum (NddrWalk *walk, NddrSum which, NddrTensor *x, double max_norm)
{
  static const char *const names[] = { "sum.gradients", "sum.params", "sum.running" };
  if (!x)
    return NULL;
  walk->training->sums[which] = nddr_plan_flat (walk->plan, names[which], NDDR_SPACE_OUTPUT, NDDR_F32, 1);
  NddrSquares squares = { .x = x, .sum = walk->training->sums[which], .max_norm = max_norm };
  if (which == NDDR_SUM_GRADIENTS && walk->options->mixed) {
    squares.unit = walk->training->unscale = nddr_plan_flat (walk->plan, "unscale", NDDR_SPACE_INPUT, NDDR_F32, 1);
    squares.max_norm = max_norm = max_norm > 0 ? max_norm : G_MAXFLOAT;
  }
  if (max_norm > 0)
    squares.factor = nddr_plan_flat (walk->plan, "clip", NDDR_SPACE_ARENA, NDDR_F32, 1);
  nddr_squares (walk->plan, &squares);
  return squares.factor;
}

/* Where the parameters are more than a binding may span, a part of them at a time. */
void
nddr_walk_append_update (NddrWalk *walk)
{
  const NddrTrainingOptions *o = walk->options;
  const NddrParameters *p = walk->training->parameters;
  gsize n = p->params->bytes / sizeof (float), chunk = walk->plan->traits.max_storage_range / sizeof (float) / 4096 * 4096;
  walk->plan->phase = NDDR_TRAINING_UPDATE;
  if (p->summed) {
    walk->plan->label = g_intern_string ("exchange");
    nddr_gradients_add (walk->plan, p->total, p->summed, FALSE);
  }
  walk->plan->label = g_intern_string ("optimizer");
  NddrTensor *clip = append_sum (walk, NDDR_SUM_GRADIENTS, p->total, o->clip_norm);
  for (gsize from = 0; from < n; from += chunk) {
    gsize count = MIN (chunk, n - from);
#define PART(whole, unit) ((whole) && count < n ? nddr_plan_part (walk->plan, (whole), #whole, from / (unit) * sizeof (float), count / (unit)) : (whole))
    NddrOptimizer optimizer = {
      .params = PART (p->params, 1), .gradients = PART (p->total, 1), .clip = clip, .guarded = o->mixed,
      .moment1 = PART (p->moment1, 1), .moment2 = PART (p->moment2, 1),
      .groups = PART (p->groups, 64), .rates = walk->training->rates, .n_groups = NDDR_N_GROUPS, .adamw = o->adamw,
      .momentum = o->momentum, .beta1 = o->beta1, .beta2 = o->beta2, .adam_eps = o->adam_eps,
    };
#undef PART
    nddr_optimizer_step (walk->plan, &optimizer);
  }
  append_sum (walk, NDDR_SUM_PARAMS, p->params, 0);
  append_sum (walk, NDDR_SUM_RUNNING, p->running, 0);
}
