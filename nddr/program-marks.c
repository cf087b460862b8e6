/* Running programs with marks: the steps up to each are submitted by themselves, and the host is called when they have run.
 *
 * The parts of a set of phases are cut once, recorded when they are first submitted, and replayed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/program-private.h>

#define IDLE_NS 100000 /* between calls of a handler's idle */

/* steps up to a mark, to where they are as much as is submitted at once, or to the end, with commands and a fence of their own */
typedef struct
{
  guint first, end;
  int mark; /* 0: none */
  gboolean hold;
  VkCommandBuffer commands;
  VkFence fence;
} Part;

typedef struct
{
  guint phase_mask;
  GArray *parts; /* of Part */
} Sequence;

void
nddr_program_init_marks (NddrProgram *program)
{
  program->sequences = g_array_new (FALSE, TRUE, sizeof (Sequence));
}

void
nddr_program_clear_marks (NddrProgram *program)
{
  for (guint i = 0; i < program->sequences->len; i++) {
    GArray *parts = g_array_index (program->sequences, Sequence, i).parts;

    for (guint k = 0; k < parts->len; k++)
      vkDestroyFence (program->device->device, g_array_index (parts, Part, k).fence, NULL);
    g_array_unref (parts);
  }
  g_array_unref (program->sequences);
}

/* The parts of @phase_mask's steps, which end with marks or where they are as much as is submitted at once; the last has no mark, and may be empty. */
static GArray *
cut (const NddrPlan *plan, guint phase_mask)
{
  GArray *parts = g_array_new (FALSE, TRUE, sizeof (Part));
  Part part = { 0 };

  for (guint i = 0, end = nddr_program_part_end (plan, phase_mask, 0); i < plan->steps->len; i++) {
    const NddrStep *step = g_ptr_array_index (plan->steps, i);

    gboolean is_marked = step->mark && (phase_mask & (1u << step->phase)), is_full = i + 1 == end && end < plan->steps->len;
    if (!is_marked && !is_full)
      continue;
    end = nddr_program_part_end (plan, phase_mask, i + 1);
    part.end = i + 1;
    part.mark = step->mark;
    part.hold = step->hold;
    g_array_append_val (parts, part);
    part = (Part){ .first = i + 1 };
  }
  part.end = plan->steps->len;
  g_array_append_val (parts, part);
  return parts;
}

static gboolean
record_part (NddrProgram *program, guint phase_mask, Part *part, GError **error)
{
  VkFenceCreateInfo fence = { .sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO };
  VkCommandBuffer commands;

  if ((!part->fence && !nddr_vk_check (vkCreateFence (program->device->device, &fence, NULL, &part->fence), "creating a fence", error)) ||
      !nddr_program_begin (program, &commands, 0, error))
    return FALSE;
  nddr_program_record_steps (program, &program->slots[0], phase_mask, part->first, part->end, commands);
  if (!nddr_vk_check (vkEndCommandBuffer (commands), "recording commands", error))
    return FALSE;
  part->commands = commands;
  return TRUE;
}

static GArray *
get_sequence (NddrProgram *program, guint phase_mask)
{
  Sequence sequence = { .phase_mask = phase_mask };

  for (guint i = 0; i < program->sequences->len; i++)
    if (g_array_index (program->sequences, Sequence, i).phase_mask == phase_mask)
      return g_array_index (program->sequences, Sequence, i).parts;
  sequence.parts = cut (program->plan, phase_mask);
  g_array_append_val (program->sequences, sequence);
  return sequence.parts;
}

static gboolean
submit_part (NddrProgram *program, guint phase_mask, Part *part, GError **error)
{
  VkSubmitInfo submit = { .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &part->commands };

  return (part->commands || record_part (program, phase_mask, part, error)) &&
      nddr_vk_check (vkResetFences (program->device->device, 1, &part->fence), "resetting a fence", error) &&
      nddr_device_submit (program->device, &submit, part->fence, error);
}

static gboolean
wait_part (NddrProgram *program, const Part *part, const NddrMarkHandler *handler, GError **error)
{
  VkResult result;

  while ((result = vkWaitForFences (program->device->device, 1, &part->fence, VK_TRUE, IDLE_NS)) == VK_TIMEOUT)
    handler->idle (handler->user_data);
  return nddr_vk_check (result, "waiting for the device", error);
}

gboolean
nddr_program_run_marked (NddrProgram *program, guint phase_mask, const NddrMarkHandler *handler, GError **error)
{
  GArray *parts = get_sequence (program, phase_mask);
  guint n_submitted = 0, n_done = 0;
  gboolean fine = TRUE;

  g_assert (!program->slots[0].in_flight);
  for (; fine && n_done < parts->len; n_done++) {
    const Part *part = &g_array_index (parts, Part, n_done);

    while (fine && n_submitted < parts->len && (n_submitted <= n_done || !g_array_index (parts, Part, n_submitted - 1).hold)) {
      fine = submit_part (program, phase_mask, &g_array_index (parts, Part, n_submitted), error);
      n_submitted += fine;
    }
    fine = fine && wait_part (program, part, handler, error) && (part->mark == 0 || handler->reached (part->mark, handler->user_data, error));
  }
  for (guint i = 0; !fine && i < n_submitted; i++)
    vkWaitForFences (program->device->device, 1, &g_array_index (parts, Part, i).fence, VK_TRUE, G_MAXUINT64);
  return fine && nddr_buffer_invalidate (program->device, &program->slots[0].output, error);
}
