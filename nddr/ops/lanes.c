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
nddr_lanes (const NddrTraits *traits, guint64 lines, int length, int longest)
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

NddrStep *
nddr_plan_step_lanes (NddrPlan *plan, NddrKernelId kernel, guint64 lanes, guint32 z)
{
  guint64 local = plan->traits.family == NDDR_FAMILY_SOFTWARE ? 8 : 64;
  guint64 groups = (lanes + local - 1) / local;
  guint64 x = MIN (groups, plan->traits.max_groups[0]);
  guint64 y = (groups + x - 1) / x;

  /* even rows, so that few groups are idle */
  x = (groups + y - 1) / y;
  return nddr_plan_step (plan, kernel, x, y, z);
}
