/* Which tile a convolution on cooperative matrices takes, and which the gradient to its weights: see convolution.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/convolution.h>

#define DEPTH 8 /* octs of channels that go through shared memory at a time: a step */
#define EMULATED_DEPTH 2 /* or a minute goes by in compiling one tile: its loop is unrolled */
#define MAX_PARTS (64u << 20) /* bytes of the parts of split sums */

/* Counted in the device's matrices; the comments say what that is in pixels and channels where those are 16 x 16.  @efficiency is what a tile reaches
 * of the first one's rate, as measured on an NVIDIA H200: larger ones use each oct that they load more often.  Tunings say a row by its number: where
 * rows change, so does the first line in tuning.c. */
static const struct
{
  int subgroups_m, subgroups_n, rows, columns;
  double efficiency;
} tiles[] = {
  { 2, 4, 4, 2, 1.0 },  /* 128 x 128 */
  { 2, 2, 4, 4, 0.95 }, /* the same by half as many subgroups */
  { 4, 2, 3, 4, 1.15 }, /* 192 x 128 */
  { 4, 2, 4, 2, 0.9 },  /* 256 x 64 */
  { 2, 2, 4, 2, 0.72 }, /* 128 x 64 */
  { 2, 2, 2, 4, 0.68 }, /* 64 x 128 */
  { 2, 2, 2, 2, 0.66 }, /* 64 x 64 */
  { 4, 1, 1, 2, 0.4 },  /* 64 x 32 */
  { 2, 2, 1, 1, 0.35 }, /* 32 x 32 */
  { 4, 1, 1, 1, 0.3 },  /* 64 x 16 */
};
static const int splits[] = { 1, 2, 4, 8 };

/* Estimates, in what a core multiplies and adds meanwhile: what a workgroup spends before its first step and after its last, in steps; a
 * dispatch more; and to write and read again one part of a sum. */
#define STEPS_ASIDE 5
#define DISPATCH 6e6
#define PART 4e2

static NddrMatrixTile
make_tile (const NddrTraits *traits, const NddrMatrixShape *shape, int variant)
{
  int t = variant % G_N_ELEMENTS (tiles), n_splits = splits[variant / G_N_ELEMENTS (tiles)];
  int m = tiles[t].subgroups_m * tiles[t].rows * traits->matrix.m, n = tiles[t].subgroups_n * tiles[t].columns * traits->matrix.n;
  int depth = traits->matrix.emulated ? EMULATED_DEPTH : DEPTH;
  int subgroups = tiles[t].subgroups_m * tiles[t].subgroups_n, steps = (shape->octs + depth - 1) / depth;
  guint shared = MAX ((m + n) * (depth + 1) * 16, subgroups * tiles[t].rows * traits->matrix.m * traits->matrix.n * 4);
  guint threads = subgroups * traits->subgroup_size;
  int range = (steps + n_splits - 1) / n_splits * depth;
  guint groups[] = { (shape->pixels + m - 1) / MAX (m, 1), (shape->channels + n - 1) / MAX (n, 1), shape->branches * n_splits };

  if (traits->matrix.m == 0 || threads > traits->max_invocations || threads % depth != 0 || shared > traits->max_shared)
    return (NddrMatrixTile){ 0 };
  for (int i = 0; i < 3; i++)
    if (groups[i] > traits->max_groups[i])
      return (NddrMatrixTile){ 0 };
  if (n_splits > 1 && ((n_splits - 1) * range >= shape->octs /* the last would have nothing to do */ ||
      (guint64) n_splits * shape->branches * shape->pixels * shape->channels * 4 > MIN (MAX_PARTS, traits->max_storage_range)))
    return (NddrMatrixTile){ 0 };
  return (NddrMatrixTile){
    .m = m,
    .n = n,
    .variant = variant + 1,
    .splits = n_splits,
    .range = range,
    .spec = { threads, traits->matrix.m, traits->matrix.n, traits->matrix.k, traits->subgroup_size, tiles[t].subgroups_m,
        tiles[t].subgroups_n, tiles[t].rows, tiles[t].columns, depth },
  };
}

int
nddr_matrix_tiles (void)
{
  return G_N_ELEMENTS (tiles) * G_N_ELEMENTS (splits);
}

/* What a product takes, in multiply-adds of a core: as many rounds as the device needs for all workgroups, each as long as its tile is large
 * and slow and its range deep. */
static double
cost (const NddrTraits *traits, const NddrMatrixShape *shape, const NddrMatrixTile *tile, double efficiency)
{
  guint64 cores = traits->cores ? traits->cores : 32;
  guint64 groups = (guint64) ((shape->pixels + tile->m - 1) / tile->m) * ((shape->channels + tile->n - 1) / tile->n) * shape->branches * tile->splits;
  double cost = (double) ((groups + cores - 1) / cores) * tile->m * tile->n / efficiency * (tile->range + STEPS_ASIDE * DEPTH) * 8;

  if (tile->splits > 1)
    cost += DISPATCH + PART * tile->splits * shape->branches * shape->pixels * shape->channels / cores;
  return cost;
}

NddrMatrixTile
nddr_matrix_tile (const NddrTraits *traits, const NddrMatrixShape *shape, int variant)
{
  NddrMatrixTile best = { 0 };
  double least = G_MAXDOUBLE;

  if (variant > 0)
    return variant <= nddr_matrix_tiles () ? make_tile (traits, shape, variant - 1) : best;
  for (int v = 0; v < nddr_matrix_tiles (); v++) {
    NddrMatrixTile tile = make_tile (traits, shape, v);
    double c = tile.m ? cost (traits, shape, &tile, tiles[v % G_N_ELEMENTS (tiles)].efficiency) : G_MAXDOUBLE;

    if (c < least) {
      least = c;
      best = tile;
    }
  }
  return best;
}

/* ---- the gradient to the weights */

#define PIXELS 64 /* that go through shared memory at a time */
#define EMULATED_PIXELS 16

/* As above: here the comments say output and input channels. */
static const struct
{
  int subgroups_m, subgroups_n, rows, columns;
  double efficiency;
} gradient_tiles[] = {
  { 2, 4, 4, 2, 1.0 },  /* 128 x 128 */
  { 2, 2, 4, 2, 0.65 }, /* 128 x 64 */
  { 2, 2, 2, 4, 0.65 }, /* 64 x 128 */
  { 2, 2, 2, 2, 0.6 },  /* 64 x 64 */
  { 2, 2, 1, 1, 0.3 },  /* 32 x 32 */
};

static NddrMatrixGradientTile
make_gradient_tile (const NddrTraits *traits, int t)
{
  NddrMatrixSize matrix = traits->matrix;
  int pixels = matrix.emulated ? EMULATED_PIXELS : PIXELS;
  guint subgroups = gradient_tiles[t].subgroups_m * gradient_tiles[t].subgroups_n, threads = subgroups * traits->subgroup_size;
  int m = gradient_tiles[t].subgroups_m * gradient_tiles[t].rows * matrix.m, n = gradient_tiles[t].subgroups_n * gradient_tiles[t].columns * matrix.n;
  guint shared = MAX (pixels * (m / 8 + 1 + n / 8 + 1) * 16, (int) (subgroups * matrix.m * matrix.n * 4));

  if (matrix.m == 0 || matrix.m % 8 != 0 || matrix.n % 8 != 0 || pixels % matrix.k != 0 || threads > traits->max_invocations ||
      threads % (m / 8) != 0 || threads % (n / 8) != 0 || shared > traits->max_shared)
    return (NddrMatrixGradientTile){ 0 };
  return (NddrMatrixGradientTile){
    .m = m,
    .n = n,
    .spec = { threads, matrix.m, matrix.n, matrix.k, traits->subgroup_size, gradient_tiles[t].subgroups_m, gradient_tiles[t].subgroups_n,
        gradient_tiles[t].rows, gradient_tiles[t].columns, pixels },
  };
}

NddrMatrixGradientTile
nddr_matrix_gradient_tile (const NddrTraits *traits, int out, int in)
{
  NddrMatrixGradientTile best = { 0 };
  double least = G_MAXDOUBLE;

  for (guint t = 0; t < G_N_ELEMENTS (gradient_tiles); t++) {
    NddrMatrixGradientTile tile = make_gradient_tile (traits, t);

    if (tile.m) {
      double c = (double) ((out + tile.m - 1) / tile.m) * tile.m * ((in + tile.n - 1) / tile.n) * tile.n / gradient_tiles[t].efficiency;
      if (c < least) {
        least = c;
        best = tile;
      }
    }
  }
  return best;
}
