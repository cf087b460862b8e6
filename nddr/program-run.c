/* Running programs: steps become commands, recorded once for a slot and a set of phases, and replayed; and profiling.
 *
 * What is much goes in several submissions, as drivers end those that take seconds, until it turns out to be quick.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/program-private.h>
#include <nddr/error.h>

#define BRIEF_US 100000 /* what took less need not be cut */

/* commands recorded once for a set of phases, and replayed */
typedef struct
{
  guint phase_mask;
  gboolean whole;   /* all in one, however much it is */
  GArray *commands; /* of VkCommandBuffer: each submitted by itself */
} Recording;

static void
recording_clear (gpointer recording)
{
  g_array_unref (((Recording *) recording)->commands);
}

gboolean
nddr_program_init_slot (NddrProgram *program, NddrProgramSlot *slot, GError **error)
{
  VkFenceCreateInfo fence = { .sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO };
  VkQueryPoolCreateInfo queries = {
    .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
    .queryType = VK_QUERY_TYPE_TIMESTAMP,
    .queryCount = 2,
  };

  slot->recordings = g_array_new (FALSE, TRUE, sizeof (Recording));
  g_array_set_clear_func (slot->recordings, recording_clear);
  if (!nddr_vk_check (vkCreateFence (program->device->device, &fence, NULL, &slot->fence), "creating a fence", error))
    return FALSE;
  return program->device->timestamp_bits == 0 ||
      nddr_vk_check (vkCreateQueryPool (program->device->device, &queries, NULL, &slot->queries), "creating a query pool", error);
}

/* ---- commands */

gboolean
nddr_program_begin (NddrProgram *program, VkCommandBuffer *commands, VkCommandBufferUsageFlags flags, GError **error)
{
  VkCommandBufferAllocateInfo allocate = {
    .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
    .commandPool = program->commands,
    .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
    .commandBufferCount = 1,
  };
  VkCommandBufferBeginInfo info = { .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO, .flags = flags };

  return nddr_vk_check (vkAllocateCommandBuffers (program->device->device, &allocate, commands), "allocating commands", error) &&
      nddr_vk_check (vkBeginCommandBuffer (*commands, &info), "recording commands", error);
}

gboolean
nddr_program_run_once (NddrProgram *program, VkCommandBuffer commands, GError **error)
{
  VkSubmitInfo submit = { .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &commands };
  VkFenceCreateInfo fence_info = { .sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO };
  VkFence fence = VK_NULL_HANDLE;
  gboolean ok = nddr_vk_check (vkEndCommandBuffer (commands), "recording commands", error) &&
      nddr_vk_check (vkCreateFence (program->device->device, &fence_info, NULL, &fence), "creating a fence", error) &&
      nddr_device_submit (program->device, &submit, fence, error) &&
      nddr_vk_check (vkWaitForFences (program->device->device, 1, &fence, VK_TRUE, G_MAXUINT64), "waiting for the device", error);

  vkDestroyFence (program->device->device, fence, NULL);
  vkFreeCommandBuffers (program->device->device, program->commands, 1, &commands);
  return ok;
}

void
nddr_program_barrier (VkCommandBuffer commands, VkPipelineStageFlags from, VkAccessFlags from_access, VkPipelineStageFlags to, VkAccessFlags to_access)
{
  VkMemoryBarrier barrier = { .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER, .srcAccessMask = from_access, .dstAccessMask = to_access };

  vkCmdPipelineBarrier (commands, from, to, 0, 1, &barrier, 0, NULL, 0, NULL);
}

/* ---- steps as commands */

static void
record_step (NddrProgram *program, const NddrProgramSlot *slot, guint i, VkCommandBuffer commands)
{
  const NddrStep *step = g_ptr_array_index (program->plan->steps, i);
  const NddrPipeline *pipeline = program->pipelines[i];

  vkCmdBindPipeline (commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline->pipeline);
  vkCmdBindDescriptorSets (commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline->layout, 0, 1, &slot->sets[i], 0, NULL);
  if (step->n_push)
    vkCmdPushConstants (commands, pipeline->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, step->n_push * 4, step->push);
  vkCmdDispatch (commands, step->groups[0], step->groups[1], step->groups[2]);
}

static void
step_barrier (VkCommandBuffer commands)
{
  nddr_program_barrier (commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT,
      VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT);
}

/* What earlier submissions wrote is seen, and what they read is no longer read: slots share the arena. */
static void
first_barrier (VkCommandBuffer commands)
{
  nddr_program_barrier (commands, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT,
      VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT);
}

static void
last_barrier (VkCommandBuffer commands)
{
  nddr_program_barrier (commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_ACCESS_SHADER_WRITE_BIT, VK_PIPELINE_STAGE_HOST_BIT,
      VK_ACCESS_HOST_READ_BIT | VK_ACCESS_HOST_WRITE_BIT);
}

void
nddr_program_record_steps (NddrProgram *program, const NddrProgramSlot *slot, guint phase_mask, guint first, guint end, VkCommandBuffer commands)
{
  g_autofree gboolean *before = g_new0 (gboolean, program->plan->steps->len + 1);

  nddr_plan_barriers (program->plan, phase_mask, before);
  first_barrier (commands);
  for (guint i = first; i < end; i++) {
    const NddrStep *step = g_ptr_array_index (program->plan->steps, i);

    if (!(phase_mask & (1u << step->phase)))
      continue;
    if (before[i])
      step_barrier (commands);
    record_step (program, slot, i, commands);
  }
  last_barrier (commands);
}

guint
nddr_program_part_end (const NddrPlan *plan, guint phase_mask, guint first)
{
  double work = 0;
  guint end = 0;

  for (guint i = first; i < plan->steps->len; i++) {
    const NddrStep *step = g_ptr_array_index (plan->steps, i);

    if (!(phase_mask & (1u << step->phase)))
      continue;
    if (end > 0)
      return end;
    work += step->work;
    if (work >= plan->traits.max_work)
      end = i + 1;
  }
  return plan->steps->len;
}

/* ---- running */

/* Steps @first … @end - 1, with what of the slot's timestamps goes with them. */
static gboolean
record (NddrProgram *program, NddrProgramSlot *slot, guint phase_mask, guint first, guint end, VkCommandBuffer *commands, GError **error)
{
  if (!nddr_program_begin (program, commands, 0, error))
    return FALSE;
  if (slot->queries && first == 0) {
    vkCmdResetQueryPool (*commands, slot->queries, 0, 2);
    /* when what was submitted before has ended, which the first barrier waits for: with TOP_OF_PIPE a frame's time would hold that of the frame before */
    vkCmdWriteTimestamp (*commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, slot->queries, 0);
  }
  nddr_program_record_steps (program, slot, phase_mask, first, end, *commands);
  if (slot->queries && end == program->plan->steps->len)
    vkCmdWriteTimestamp (*commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, slot->queries, 1);
  return nddr_vk_check (vkEndCommandBuffer (*commands), "recording commands", error);
}

/* NULL with @error */
static GArray *
get_recording (NddrProgram *program, NddrProgramSlot *slot, guint phase_mask, GError **error)
{
  gboolean whole = (g_atomic_int_get (&program->brief) & phase_mask) == phase_mask;
  Recording recording = { phase_mask, whole, g_array_new (FALSE, FALSE, sizeof (VkCommandBuffer)) };
  guint first = 0, end, n = program->plan->steps->len;

  for (guint i = 0; i < slot->recordings->len; i++) {
    const Recording *made = &g_array_index (slot->recordings, Recording, i);

    if (made->phase_mask == phase_mask && made->whole == whole) {
      g_array_unref (recording.commands);
      return made->commands;
    }
  }
  do {
    VkCommandBuffer commands;

    end = whole ? n : nddr_program_part_end (program->plan, phase_mask, first);
    if (!record (program, slot, phase_mask, first, end, &commands, error)) {
      g_array_unref (recording.commands);
      return NULL;
    }
    g_array_append_val (recording.commands, commands);
    first = end;
  } while (first < n);
  g_array_append_val (slot->recordings, recording);
  return recording.commands;
}

gboolean
nddr_program_submit (NddrProgram *program, guint index, guint phase_mask, GError **error)
{
  NddrProgramSlot *slot = &program->slots[index];
  GArray *commands;

  g_assert (index < program->n_slots && !slot->in_flight);
  commands = get_recording (program, slot, phase_mask, error);
  if (!commands || !nddr_vk_check (vkResetFences (program->device->device, 1, &slot->fence), "resetting a fence", error))
    return FALSE;
  slot->submitted = g_get_monotonic_time ();
  for (guint i = 0; i < commands->len; i++) {
    VkSubmitInfo submit = { .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1,
      .pCommandBuffers = &g_array_index (commands, VkCommandBuffer, i) };

    if (!nddr_device_submit (program->device, &submit, i + 1 == commands->len ? slot->fence : VK_NULL_HANDLE, error)) {
      if (i > 0) /* nobody would wait for the parts before it */
        nddr_device_wait_idle (program->device);
      return FALSE;
    }
  }
  slot->phase_mask = phase_mask;
  slot->in_parts = commands->len > 1;
  slot->in_flight = TRUE;
  return TRUE;
}

static guint64
ticks_to_ns (const NddrDevice *device, guint64 from, guint64 to)
{
  guint64 mask = device->timestamp_bits >= 64 ? G_MAXUINT64 : (G_GUINT64_CONSTANT (1) << device->timestamp_bits) - 1;

  return (guint64) (((to - from) & mask) * (double) device->timestamp_period);
}

gboolean
nddr_program_wait (NddrProgram *program, guint index, guint64 *ns, GError **error)
{
  NddrProgramSlot *slot = &program->slots[index];
  guint64 ticks[2] = { 0, 0 };

  g_assert (index < program->n_slots && slot->in_flight);
  if (!nddr_vk_check (vkWaitForFences (program->device->device, 1, &slot->fence, VK_TRUE, G_MAXUINT64), "waiting for the device", error))
    return FALSE;
  slot->in_flight = FALSE;
  /* what came before it in the queue is not its own */
  gint64 began = MAX (slot->submitted, program->ended);
  program->ended = g_get_monotonic_time ();
  /* with what it waited for others: the device may have been done with those long before anybody asked */
  if (slot->in_parts && program->ended - slot->submitted < BRIEF_US)
    g_atomic_int_or (&program->brief, slot->phase_mask);
  if (!nddr_buffer_invalidate (program->device, &slot->output, error))
    return FALSE;
  if (ns && !slot->queries)
    *ns = 1000 * MAX (program->ended - began, 1);
  if (!ns || !slot->queries)
    return TRUE;
  if (!nddr_vk_check (vkGetQueryPoolResults (program->device->device, slot->queries, 0, 2, sizeof ticks, ticks, 8, VK_QUERY_RESULT_64_BIT),
          "reading timestamps", error))
    return FALSE;
  *ns = ticks_to_ns (program->device, ticks[0], ticks[1]);
  return TRUE;
}

gboolean
nddr_program_run (NddrProgram *program, guint phase_mask, GError **error)
{
  return nddr_program_submit (program, 0, phase_mask, error) && nddr_program_wait (program, 0, NULL, error);
}

gboolean
nddr_program_profile (NddrProgram *program, guint phase_mask, guint64 *ns, GError **error)
{
  VkDevice device = program->device->device;
  guint n = program->plan->steps->len;
  g_autofree guint64 *ticks = g_new0 (guint64, n + 1);
  VkQueryPoolCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
    .queryType = VK_QUERY_TYPE_TIMESTAMP,
    .queryCount = n + 1,
  };
  VkQueryPool queries;
  VkCommandBuffer commands;
  gboolean ok = FALSE;

  if (program->device->timestamp_bits == 0)
    return nddr_fail (error, NDDR_ERROR_UNSUPPORTED, "%s has no timestamps: layers cannot be timed on it", program->device->info.name);
  if (!nddr_vk_check (vkCreateQueryPool (device, &info, NULL, &queries), "creating a query pool", error))
    return FALSE;
  if (nddr_program_begin (program, &commands, VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT, error)) {
    vkCmdResetQueryPool (commands, queries, 0, n + 1);
    first_barrier (commands);
    vkCmdWriteTimestamp (commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, queries, 0);
    for (guint i = 0; i < n; i++) {
      const NddrStep *step = g_ptr_array_index (program->plan->steps, i);

      if (phase_mask & (1u << step->phase)) {
        step_barrier (commands);
        record_step (program, &program->slots[0], i, commands);
        step_barrier (commands);
      }
      vkCmdWriteTimestamp (commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, queries, i + 1);
    }
    last_barrier (commands);
    ok = nddr_program_run_once (program, commands, error) &&
        nddr_vk_check (vkGetQueryPoolResults (device, queries, 0, n + 1, (n + 1) * 8, ticks, 8, VK_QUERY_RESULT_64_BIT), "reading timestamps", error);
  }
  for (guint i = 0; ok && i < n; i++) {
    const NddrStep *step = g_ptr_array_index (program->plan->steps, i);

    ns[i] = phase_mask & (1u << step->phase) ? ticks_to_ns (program->device, ticks[i], ticks[i + 1]) : 0;
  }
  vkDestroyQueryPool (device, queries, NULL);
  return ok;
}
