/* Flat lanes: see lanes.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/lanes.h>

/* Below these a device idles: a software driver has a core for every few groups of 8, a GPU hides latency with threads. */
#define SOFTWARE_LANES 1024
#define GPU_LANES 65536
/* Above this the software family's quotients are no longer exact. */
#define MOST_LANES (1 << 22)

NddrLanes
nddr_lanes (const NddrTraits *traits, guint64 lines, gint64 length, int longest)
{
  gboolean software = traits->family == NDDR_FAMILY_SOFTWARE;
  gint64 steps = lines * length;
  gint64 run = CLAMP (steps / (software ? SOFTWARE_LANES : GPU_LANES), 1, longest);
  run = CLAMP (run, steps / MOST_LANES, length);

  NddrLanes lanes;
  lanes.segments = (length + run - 1) / run;
  lanes.run = (length + lanes.segments - 1) / lanes.segments;
  lanes.lanes = lines * lanes.segments;
  return lanes;
}

/* Most tiles of a lane (MOST in tiles.glsl), and the lanes of a subgroup, which should be as many columns. */
#define MOST_TILES 6
#define SUBGROUP 8

NddrTiles
nddr_tiles (const NddrTraits *traits, const NddrTensor *map, int longest)
{
  int quads = nddr_quads (map), tiles = 1, most = traits->family == NDDR_FAMILY_SOFTWARE ? MIN (MOST_TILES, quads / SUBGROUP) : 1;
  int pixels = map->batch * map->height * map->width;

  for (int t = 2; t <= most; t++)
    if (quads % t == 0)
      tiles = t;

  int columns = quads / tiles, round = tiles > 2 ? 1 : 4 / tiles; /* pixels that the shader takes at a time */
  NddrLanes lanes = nddr_lanes (traits, (guint64) map->branches * columns, pixels, longest);
  int run = (lanes.run + round - 1) / round * round, runs = (pixels + run - 1) / run;

  return (NddrTiles){
    .quads = quads,
    .columns = columns,
    .tiles = tiles,
    .step = columns % SUBGROUP == 0 ? SUBGROUP : columns,
    .pixels = pixels,
    .run = run,
    .runs = runs,
    .lanes = (guint64) columns * runs,
  };
}

NddrStep *
nddr_plan_step_tiles (NddrPlan *plan, NddrKernelId kernel, const NddrTiles *tiles, guint32 z)
{
  NddrStep *step = nddr_plan_step_lanes (plan, kernel, tiles->lanes, z);

  nddr_step_spec (step, tiles->tiles);
  return step;
}

NddrStep *
nddr_plan_step_lanes (NddrPlan *plan, NddrKernelId kernel, guint64 lanes, guint32 z)
{
  guint64 groups = nddr_lane_groups (plan, lanes);
  guint64 x = MIN (groups, plan->traits.max_groups[0]);
  guint64 y = (groups + x - 1) / x;

  /* even rows, so that few groups are idle */
  x = (groups + y - 1) / y;
  return nddr_plan_step (plan, kernel, x, y, z);
}
