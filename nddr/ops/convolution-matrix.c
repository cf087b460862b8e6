/* Which tile a convolution on cooperative matrices takes: see convolution.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/convolution.h>

#define DEPTH 4 /* octs of channels that go through shared memory at a time */

/* Counted in the device's matrices; the comments say what that is in pixels and channels where those are 16 x 16.  @efficiency is what
 * of the device's rate a tile is taken to reach: larger ones use each oct that they load more often. */
static const struct
{
  int subgroups_m, subgroups_n, rows, columns;
  double efficiency;
} tiles[] = {
  { 2, 4, 4, 2, 1.0 },  /* 128 x 128 */
  { 4, 2, 2, 2, 0.85 }, /* 128 x 64 */
  { 2, 2, 2, 2, 0.7 },  /* 64 x 64 */
  { 4, 1, 1, 2, 0.55 }, /* 64 x 32 */
  { 2, 2, 1, 1, 0.45 }, /* 32 x 32 */
  { 4, 1, 1, 1, 0.4 },  /* 64 x 16 */
};

static NddrMatrixTile
make_tile (const NddrTraits *traits, guint t)
{
  int m = tiles[t].subgroups_m * tiles[t].rows * traits->matrix.m, n = tiles[t].subgroups_n * tiles[t].columns * traits->matrix.n;
  int subgroups = tiles[t].subgroups_m * tiles[t].subgroups_n;
  guint shared = MAX (2 * (m + n) * (DEPTH + 1) * 16, subgroups * traits->matrix.m * traits->matrix.n * 4);
  guint threads = subgroups * traits->subgroup_size;

  if (traits->matrix.m == 0 || threads > traits->max_invocations || threads % DEPTH != 0 || shared > traits->max_shared)
    return (NddrMatrixTile){ 0 };
  return (NddrMatrixTile){
    .m = m,
    .n = n,
    .spec = { threads, traits->matrix.m, traits->matrix.n, traits->matrix.k, traits->subgroup_size, tiles[t].subgroups_m,
        tiles[t].subgroups_n, tiles[t].rows, tiles[t].columns, DEPTH },
  };
}

int
nddr_matrix_tiles (void)
{
  return G_N_ELEMENTS (tiles);
}

/* What a product takes: as many rounds as the device needs for all workgroups, each as long as its tile is large and slow. */
static double
cost (const NddrTraits *traits, const NddrMatrixTile *tile, double efficiency, int pixels, int channels, int branches)
{
  guint64 cores = traits->cores ? traits->cores : 32;
  guint64 groups = (guint64) ((pixels + tile->m - 1) / tile->m) * ((channels + tile->n - 1) / tile->n) * branches;

  return (double) ((groups + cores - 1) / cores) * tile->m * tile->n / efficiency;
}

NddrMatrixTile
nddr_matrix_tile (const NddrTraits *traits, int pixels, int channels, int branches, int variant)
{
  NddrMatrixTile best = { 0 };
  double least = G_MAXDOUBLE;

  if (variant > 0)
    return variant <= nddr_matrix_tiles () ? make_tile (traits, variant - 1) : best;
  for (int t = 0; t < nddr_matrix_tiles (); t++) {
    NddrMatrixTile tile = make_tile (traits, t);
    double c = tile.m ? cost (traits, &tile, tiles[t].efficiency, pixels, channels, branches) : G_MAXDOUBLE;

    if (c < least) {
      least = c;
      best = tile;
    }
  }
  return best;
}
