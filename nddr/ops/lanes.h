/* Flat lanes: how kernels that walk along lines of texels split their work (shaders/lanes.glsl is the other side).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/plan.h>

G_BEGIN_DECLS

/** Texels of four channels in a pixel of @t, whatever its type. */
static inline int
nddr_quads (const NddrTensor *t)
{
  return t->stride / 4;
}

/** Texels of four channels in a branch of @t. */
static inline gsize
nddr_branch_quads (const NddrTensor *t)
{
  return (gsize) t->batch * t->height * t->width * nddr_quads (t);
}

/** Lines of texels, each cut into segments that a lane walks. */
typedef struct
{
  int run, segments; /* run * segments >= length */
  guint64 lanes;     /* lines * segments */
} NddrLanes;

/** Cuts @lines lines of @length steps: a lane gets enough to pay for itself (at most @longest steps), and there are enough lanes to keep
 * the device busy. */
NddrLanes nddr_lanes (const NddrTraits *traits, guint64 lines, gint64 length, int longest);

/** How kernels that treat the texels of a pixel alike share them out (shaders/tiles.glsl is the other side): a lane takes @tiles of
 * them, @step apart, of each pixel of a run.  On software drivers a subgroup then walks along long pieces of memory, which are fetched
 * ahead; on GPUs a lane has one. */
typedef struct
{
  int quads, columns, tiles, step; /* columns * tiles == quads: a pixel's texels; lanes to a pixel */
  int pixels, run, runs;           /* run * runs >= pixels */
  guint64 lanes;                   /* columns * runs */
} NddrTiles;

/** Cuts the pixels of a branch of @map, where branches go along z, into runs of at most about @longest. */
NddrTiles nddr_tiles (const NddrTraits *traits, const NddrTensor *map, int longest);

/** Appends a step of a lane for each column and run of @tiles, and its specialization constant 0. */
NddrStep *nddr_plan_step_tiles (NddrPlan *plan, NddrKernelId kernel, const NddrTiles *tiles, guint32 z);

/** Workgroups for @lanes lanes along one axis: of 8 lanes on software drivers, of 64 on GPUs. */
static inline guint32
nddr_lane_groups (const NddrPlan *plan, guint64 lanes)
{
  int local = plan->traits.family == NDDR_FAMILY_SOFTWARE ? 8 : 64;
  return (lanes + local - 1) / local;
}

/** Appends a step of @lanes lanes, @z times. */
NddrStep *nddr_plan_step_lanes (NddrPlan *plan, NddrKernelId kernel, guint64 lanes, guint32 z);

/** Pushes 1 / n for the shaders' QUOTIENT (). */
static inline void
nddr_step_push_inverse (NddrStep *step, int n)
{
  nddr_step_push_f (step, (float) (1.0 / n));
}

G_END_DECLS
