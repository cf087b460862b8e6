/* A program's inside: what its parts share.  program.c makes it and copies between it and the host, program-run.c records and
 * submits its steps, program-marks.c stops at marks.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/gpu/memory.h>
#include <nddr/gpu/device-pipelines.h>
#include <nddr/gpu/vulkan.h>
#include <nddr/program.h>

G_BEGIN_DECLS

/** What runs that are in flight at once have each of their own. */
typedef struct
{
  NddrBuffer input, output;
  VkBufferView views[2]; /* of the input: rgba32f, rgba32ui */
  VkDescriptorSet *sets; /* one a step; those that touch no INPUT or OUTPUT are slot 0's */
  GArray *recordings;    /* program-run.c: what was recorded for sets of phases */
  VkFence fence;
  VkQueryPool queries;   /* two: before the first step, after the last; none: the device has no timestamps */
  gint64 submitted;      /* by the host's clock */
  guint phase_mask;      /* what was */
  gboolean in_parts;     /* with several submissions */
  gboolean in_flight;
} NddrProgramSlot;

struct _NddrProgram
{
  NddrDevice *device;
  NddrPlan *plan;
  NddrBuffer spaces[NDDR_N_SPACES]; /* but for INPUT and OUTPUT */
  VkBufferView views[NDDR_N_SPACES][2];
  NddrPipeline **pipelines; /* one a step */
  VkDescriptorPool sets;
  VkCommandPool commands;
  NddrProgramStart start;
  guint n_slots;
  NddrProgramSlot slots[NDDR_PROGRAM_MAX_SLOTS];
  GArray *sequences; /* program-marks.c: parts of sets of phases, on slot 0's buffers */
  gint64 ended;      /* when a slot was last found to be finished, by the host's clock */
  gint brief;        /* atomic: phases that ran in parts, and took so little that they need not */
};

/** Makes @slot's fence, queries and list of recordings; nddr_program_free() frees what there is of them, after an error, too. */
gboolean nddr_program_init_slot (NddrProgram *program, NddrProgramSlot *slot, GError **error);

/** Allocates @commands of the program's pool and begins to record them. */
gboolean nddr_program_begin (NddrProgram *program, VkCommandBuffer *commands, VkCommandBufferUsageFlags flags, GError **error);
/** Ends @commands, submits, waits and frees them. */
gboolean nddr_program_run_once (NddrProgram *program, VkCommandBuffer commands, GError **error);
/** Records a barrier over all memory. */
void nddr_program_barrier (VkCommandBuffer commands, VkPipelineStageFlags from, VkAccessFlags from_access, VkPipelineStageFlags to,
    VkAccessFlags to_access);
/** Records what of steps @first … @end - 1 is of @phase_mask. */
void nddr_program_record_steps (NddrProgram *program, const NddrProgramSlot *slot, guint phase_mask, guint first, guint end,
    VkCommandBuffer commands);
/** The end of a part that begins with step @first: behind the step that makes it as much as is submitted at once, unless all that
 * follows is nothing. */
guint nddr_program_part_end (const NddrPlan *plan, guint phase_mask, guint first);

/** No parts yet: they are cut when phases first run with marks. */
void nddr_program_init_marks (NddrProgram *program);
/** Frees the parts, none of which may be in flight. */
void nddr_program_clear_marks (NddrProgram *program);

G_END_DECLS
