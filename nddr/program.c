/* Programs: see program.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/gpu/memory.h>
#include <nddr/gpu/pipeline.h>
#include <nddr/program.h>

#include <string.h>

#define MAX_SLOTS 8
#define BRIEF_US 100000 /* what took less need not be cut */

/* commands recorded once for a set of phases, and replayed */
typedef struct
{
  guint phase_mask;
  gboolean whole;   /* all in one, however much it is */
  GArray *commands; /* of VkCommandBuffer: each submitted by itself */
} Recording;

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

typedef struct
{
  NddrBuffer input, output;
  VkBufferView views[2]; /* of the input: rgba32f, rgba32ui */
  VkDescriptorSet *sets; /* one a step; those that touch no INPUT or OUTPUT are slot 0's */
  GArray *recordings;    /* of Recording */
  VkFence fence;
  VkQueryPool queries;   /* two: before the first step, after the last; none: the device has no timestamps */
  gint64 submitted;      /* by the host's clock */
  guint phase_mask;      /* what was */
  gboolean in_parts;     /* with several submissions */
  gboolean in_flight;
} Slot;

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
  Slot slots[MAX_SLOTS];
  GArray *sequences; /* of Sequence, with slot 0's buffers */
  gint64 ended;      /* when a slot was last found to be finished, by the host's clock */
  gint brief;        /* atomic: phases that ran in parts, and took so little that they need not */
};

static const VkFormat view_formats[2] = { VK_FORMAT_R32G32B32A32_SFLOAT, VK_FORMAT_R32G32B32A32_UINT };

static gboolean
is_per_slot (NddrSpace space)
{
  return space == NDDR_SPACE_INPUT || space == NDDR_SPACE_OUTPUT;
}

/* ---- making */

/* llvmpipe compiles a shader again for texel buffers whose size is a power of two: keep all of them off it */
static gsize
buffer_bytes (const NddrPlan *plan, NddrSpace space)
{
  gsize bytes = MAX (plan->space_bytes[space], 256);

  return (bytes & (bytes - 1)) ? bytes : bytes + 256;
}

static gboolean
create_buffers (NddrProgram *program, GError **error)
{
  for (int s = 0; s < NDDR_N_SPACES; s++)
    if (!is_per_slot (s) && !nddr_buffer_init (program->device, &program->spaces[s], buffer_bytes (program->plan, s),
            s == NDDR_SPACE_EXCHANGE ? NDDR_MEMORY_DOWNLOAD : NDDR_MEMORY_DEVICE, error))
      return FALSE;
  for (guint i = 0; i < program->n_slots; i++) {
    Slot *slot = &program->slots[i];

    if (!nddr_buffer_init (program->device, &slot->input, buffer_bytes (program->plan, NDDR_SPACE_INPUT), NDDR_MEMORY_UPLOAD, error) ||
        !nddr_buffer_init (program->device, &slot->output, buffer_bytes (program->plan, NDDR_SPACE_OUTPUT), NDDR_MEMORY_DOWNLOAD, error))
      return FALSE;
    memset (slot->input.map, 0, slot->input.size);
    memset (slot->output.map, 0, slot->output.size);
  }
  return TRUE;
}

static void
recording_clear (gpointer recording)
{
  g_array_unref (((Recording *) recording)->commands);
}

static gboolean
create_slot_objects (NddrProgram *program, Slot *slot, GError **error)
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

static NddrBuffer *
buffer_of (NddrProgram *program, Slot *slot, NddrSpace space)
{
  return space == NDDR_SPACE_INPUT ? &slot->input : space == NDDR_SPACE_OUTPUT ? &slot->output : &program->spaces[space];
}

/* a view of a whole space */
static gboolean
get_view (NddrProgram *program, Slot *slot, NddrSpace space, gboolean uint_view, VkBufferView *view, GError **error)
{
  VkBufferView *kept = space == NDDR_SPACE_INPUT ? &slot->views[uint_view] : &program->views[space][uint_view];
  VkBufferViewCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO,
    .buffer = buffer_of (program, slot, space)->buffer,
    .format = view_formats[uint_view],
    .range = VK_WHOLE_SIZE,
  };

  g_assert (space != NDDR_SPACE_OUTPUT);
  if (!*kept && !nddr_vk_check (vkCreateBufferView (program->device->device, &info, NULL, kept), "viewing a buffer", error))
    return FALSE;
  *view = *kept;
  return TRUE;
}

static gboolean
step_is_per_slot (const NddrStep *step)
{
  for (int b = 0; b < NDDR_STEP_MAX_BINDINGS; b++)
    if (step->bindings[b].tensor && is_per_slot (step->bindings[b].tensor->space))
      return TRUE;
  return FALSE;
}

static gboolean
create_set_pool (NddrProgram *program, GError **error)
{
  guint32 n[2] = { 1, 1 }, n_sets = 1;
  VkDescriptorPoolSize sizes[2] = { { VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 0 }, { VK_DESCRIPTOR_TYPE_STORAGE_TEXEL_BUFFER, 0 } };
  VkDescriptorPoolCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
    .poolSizeCount = 2,
    .pPoolSizes = sizes,
  };

  for (guint i = 0; i < program->plan->steps->len; i++) {
    const NddrStep *step = g_ptr_array_index (program->plan->steps, i);
    guint32 copies = step_is_per_slot (step) ? program->n_slots : 1;

    n_sets += copies;
    for (int b = 0; step->kernel->bindings[b]; b++)
      n[nddr_kernel_descriptor_type (step->kernel, b) == VK_DESCRIPTOR_TYPE_STORAGE_TEXEL_BUFFER] += copies;
  }
  sizes[0].descriptorCount = n[0];
  sizes[1].descriptorCount = n[1];
  info.maxSets = n_sets;
  return nddr_vk_check (vkCreateDescriptorPool (program->device->device, &info, NULL, &program->sets), "creating a descriptor pool", error);
}

static gboolean
write_set (NddrProgram *program, Slot *slot, const NddrStep *step, VkDescriptorSet set, GError **error)
{
  VkWriteDescriptorSet writes[NDDR_STEP_MAX_BINDINGS];
  VkDescriptorBufferInfo buffers[NDDR_STEP_MAX_BINDINGS];
  VkBufferView views[NDDR_STEP_MAX_BINDINGS];
  guint32 n = 0;

  for (int b = 0; step->kernel->bindings[b]; b++) {
    const NddrBinding *binding = &step->bindings[b];
    NddrSpace space = binding->tensor ? binding->tensor->space : NDDR_SPACE_TABLES;
    VkDescriptorType type = nddr_kernel_descriptor_type (step->kernel, b);

    if (type == VK_DESCRIPTOR_TYPE_STORAGE_TEXEL_BUFFER) {
      if (!get_view (program, slot, space, step->kernel->bindings[b] == 'U', &views[n], error))
        return FALSE;
    } else {
      buffers[n] = (VkDescriptorBufferInfo){ .buffer = buffer_of (program, slot, space)->buffer, .range = 256 };
      if (binding->tensor) {
        buffers[n].offset = binding->tensor->offset + binding->offset;
        buffers[n].range = binding->range ? binding->range : binding->tensor->bytes - binding->offset;
      }
    }
    writes[n] = (VkWriteDescriptorSet){
      .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
      .dstSet = set,
      .dstBinding = b,
      .descriptorCount = 1,
      .descriptorType = type,
      .pBufferInfo = &buffers[n],
      .pTexelBufferView = &views[n],
    };
    n++;
  }
  vkUpdateDescriptorSets (program->device->device, n, writes, 0, NULL);
  return TRUE;
}

static gboolean
create_sets (NddrProgram *program, GError **error)
{
  guint n = program->plan->steps->len;

  if (!create_set_pool (program, error))
    return FALSE;
  for (guint i = 0; i < program->n_slots; i++)
    program->slots[i].sets = g_new0 (VkDescriptorSet, n);
  for (guint s = 0; s < n; s++) {
    const NddrStep *step = g_ptr_array_index (program->plan->steps, s);
    gboolean per_slot = step_is_per_slot (step);

    for (guint i = 0; i < program->n_slots; i++) {
      VkDescriptorSetAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = program->sets,
        .descriptorSetCount = 1,
        .pSetLayouts = &program->pipelines[s]->set_layout,
      };

      if (i > 0 && !per_slot) {
        program->slots[i].sets[s] = program->slots[0].sets[s];
        continue;
      }
      if (!nddr_vk_check (vkAllocateDescriptorSets (program->device->device, &info, &program->slots[i].sets[s]),
              "allocating a descriptor set", error) ||
          !write_set (program, &program->slots[i], step, program->slots[i].sets[s], error))
        return FALSE;
    }
  }
  return TRUE;
}

static gboolean
create_pipelines (NddrProgram *program, GError **error)
{
  guint n = program->plan->steps->len;

  program->pipelines = g_new0 (NddrPipeline *, MAX (n, 1));
  for (guint i = 0; i < n; i++) {
    const NddrStep *step = g_ptr_array_index (program->plan->steps, i);

    program->pipelines[i] = nddr_device_get_pipeline (program->device, step->kernel, step->spec, step->n_spec, error);
    if (!program->pipelines[i])
      return FALSE;
  }
  return TRUE;
}

/* ---- one-off commands */

static gboolean
begin (NddrProgram *program, VkCommandBuffer *commands, VkCommandBufferUsageFlags flags, GError **error)
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

/* ends, submits, waits and frees */
static gboolean
run_once (NddrProgram *program, VkCommandBuffer commands, GError **error)
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

static void
memory_barrier (VkCommandBuffer commands, VkPipelineStageFlags from, VkAccessFlags from_access, VkPipelineStageFlags to, VkAccessFlags to_access)
{
  VkMemoryBarrier barrier = { .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER, .srcAccessMask = from_access, .dstAccessMask = to_access };

  vkCmdPipelineBarrier (commands, from, to, 0, 1, &barrier, 0, NULL, 0, NULL);
}

/* zeros everywhere, then the tables: padding channels and the zero page are zero from the start */
static gboolean
fill_spaces (NddrProgram *program, GError **error)
{
  VkCommandBuffer commands;

  if (!begin (program, &commands, VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT, error))
    return FALSE;
  for (int s = 0; s < NDDR_N_SPACES; s++)
    if (!is_per_slot (s))
      vkCmdFillBuffer (commands, program->spaces[s].buffer, 0, VK_WHOLE_SIZE, 0);
  memory_barrier (commands, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_ACCESS_TRANSFER_WRITE_BIT,
      VK_PIPELINE_STAGE_ALL_COMMANDS_BIT | VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT);
  if (!run_once (program, commands, error))
    return FALSE;
  for (guint i = 0; i < program->plan->tensors->len; i++) {
    const NddrTensor *tensor = g_ptr_array_index (program->plan->tensors, i);
    gsize size;
    gconstpointer data;

    if (!tensor->init)
      continue;
    data = g_bytes_get_data (tensor->init, &size);
    if (!nddr_program_write (program, tensor, 0, data, size, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
time_pipelines (NddrProgram *program, GError **error)
{
  gint64 before = g_get_monotonic_time ();
  gboolean ok = create_pipelines (program, error);

  program->start.pipelines = g_get_monotonic_time () - before;
  return ok;
}

NddrProgram *
nddr_program_new (NddrDevice *device, NddrPlan *plan, guint slots, GError **error)
{
  NddrProgram *program = g_new0 (NddrProgram, 1);
  gint64 before = g_get_monotonic_time ();
  VkCommandPoolCreateInfo pool = {
    .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
    .queueFamilyIndex = device->queue_family,
  };

  g_assert (plan->finished && slots >= 1 && slots <= MAX_SLOTS);
  program->device = nddr_device_ref (device);
  program->plan = plan;
  program->n_slots = slots;
  program->sequences = g_array_new (FALSE, TRUE, sizeof (Sequence));
  if (!nddr_vk_check (vkCreateCommandPool (device->device, &pool, NULL, &program->commands), "creating a command pool", error) ||
      !create_buffers (program, error) || !time_pipelines (program, error) || !create_sets (program, error) ||
      !fill_spaces (program, error))
    goto fail;
  for (guint i = 0; i < slots; i++)
    if (!create_slot_objects (program, &program->slots[i], error))
      goto fail;
  program->start.memory = g_get_monotonic_time () - before - program->start.pipelines;
  return program;

fail:
  nddr_program_free (program);
  return NULL;
}

void
nddr_program_free (NddrProgram *program)
{
  VkDevice device;

  if (!program)
    return;
  device = program->device->device;
  for (guint i = 0; i < program->n_slots; i++) {
    Slot *slot = &program->slots[i];

    if (slot->in_flight)
      vkWaitForFences (device, 1, &slot->fence, VK_TRUE, G_MAXUINT64);
    vkDestroyFence (device, slot->fence, NULL);
    vkDestroyQueryPool (device, slot->queries, NULL);
    for (int v = 0; v < 2; v++)
      vkDestroyBufferView (device, slot->views[v], NULL);
    nddr_buffer_clear (program->device, &slot->input);
    nddr_buffer_clear (program->device, &slot->output);
    g_clear_pointer (&slot->recordings, g_array_unref);
    g_free (slot->sets);
  }
  for (guint i = 0; i < program->sequences->len; i++) {
    GArray *parts = g_array_index (program->sequences, Sequence, i).parts;

    for (guint k = 0; k < parts->len; k++)
      vkDestroyFence (device, g_array_index (parts, Part, k).fence, NULL);
    g_array_unref (parts);
  }
  g_array_unref (program->sequences);
  for (int s = 0; s < NDDR_N_SPACES; s++) {
    for (int v = 0; v < 2; v++)
      vkDestroyBufferView (device, program->views[s][v], NULL);
    nddr_buffer_clear (program->device, &program->spaces[s]);
  }
  vkDestroyDescriptorPool (device, program->sets, NULL);
  vkDestroyCommandPool (device, program->commands, NULL);
  g_free (program->pipelines);
  nddr_plan_free (program->plan);
  nddr_device_unref (program->device);
  g_free (program);
}

const NddrPlan *
nddr_program_get_plan (const NddrProgram *program)
{
  return program->plan;
}

const NddrProgramStart *
nddr_program_get_start (const NddrProgram *program)
{
  return &program->start;
}

/* ---- host access */

gpointer
nddr_program_map (NddrProgram *program, const NddrTensor *tensor, guint slot)
{
  g_assert ((is_per_slot (tensor->space) || tensor->space == NDDR_SPACE_EXCHANGE) && slot < program->n_slots);
  return buffer_of (program, &program->slots[slot], tensor->space)->map + tensor->offset;
}

static gboolean
wait_all (NddrProgram *program, GError **error)
{
  for (guint i = 0; i < program->n_slots; i++)
    if (program->slots[i].in_flight &&
        !nddr_vk_check (vkWaitForFences (program->device->device, 1, &program->slots[i].fence, VK_TRUE, G_MAXUINT64), "waiting for the device", error))
      return FALSE;
  return TRUE;
}

/* through a staging buffer, one way or the other */
static gboolean
copy_staged (NddrProgram *program, const NddrBuffer *buffer, gsize offset, gpointer data, gsize bytes, gboolean upload, GError **error)
{
  NddrBuffer staging;
  VkCommandBuffer commands;
  gboolean ok = FALSE;

  if (!nddr_buffer_init (program->device, &staging, bytes, upload ? NDDR_MEMORY_UPLOAD : NDDR_MEMORY_DOWNLOAD, error))
    return FALSE;
  if (upload)
    memcpy (staging.map, data, bytes);
  if (begin (program, &commands, VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT, error)) {
    VkBufferCopy region = { .srcOffset = upload ? 0 : offset, .dstOffset = upload ? offset : 0, .size = bytes };

    memory_barrier (commands, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, VK_ACCESS_MEMORY_WRITE_BIT, VK_PIPELINE_STAGE_TRANSFER_BIT,
        VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT);
    vkCmdCopyBuffer (commands, upload ? staging.buffer : buffer->buffer, upload ? buffer->buffer : staging.buffer, 1, &region);
    memory_barrier (commands, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_ACCESS_TRANSFER_WRITE_BIT,
        VK_PIPELINE_STAGE_ALL_COMMANDS_BIT | VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT);
    ok = run_once (program, commands, error);
  }
  if (ok && !upload)
    memcpy (data, staging.map, bytes);
  nddr_buffer_clear (program->device, &staging);
  return ok;
}

/* Between @data and the tensor. */
static gboolean
copy (NddrProgram *program, const NddrTensor *tensor, gsize offset, gpointer data, gsize bytes, gboolean upload, GError **error)
{
  const NddrBuffer *buffer = &program->spaces[tensor->space];
  guint8 *place;

  g_assert (!is_per_slot (tensor->space) && buffer->buffer && offset + bytes <= tensor->bytes);
  if (bytes == 0)
    return TRUE;
  if (!wait_all (program, error))
    return FALSE;
  if (!buffer->map || (!upload && !buffer->cached))
    return copy_staged (program, buffer, tensor->offset + offset, data, bytes, upload, error);
  place = (guint8 *) buffer->map + tensor->offset + offset;
  memcpy (upload ? place : data, upload ? data : place, bytes);
  return TRUE;
}

gboolean
nddr_program_write (NddrProgram *program, const NddrTensor *tensor, gsize offset, gconstpointer data, gsize bytes, GError **error)
{
  return copy (program, tensor, offset, (gpointer) data, bytes, TRUE, error);
}

gboolean
nddr_program_read (NddrProgram *program, const NddrTensor *tensor, gsize offset, gpointer data, gsize bytes, GError **error)
{
  return copy (program, tensor, offset, data, bytes, FALSE, error);
}

void
nddr_program_release (NddrProgram *program, NddrSpace space)
{
  for (int v = 0; v < 2; v++) {
    vkDestroyBufferView (program->device->device, program->views[space][v], NULL);
    program->views[space][v] = VK_NULL_HANDLE;
  }
  nddr_buffer_clear (program->device, &program->spaces[space]);
}

/* ---- running */

static void
record_step (NddrProgram *program, const Slot *slot, guint i, VkCommandBuffer commands)
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
  memory_barrier (commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT,
      VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT);
}

/* What earlier submissions wrote is seen, and what they read is no longer read: slots share the arena. */
static void
first_barrier (VkCommandBuffer commands)
{
  memory_barrier (commands, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT,
      VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT);
}

static void
last_barrier (VkCommandBuffer commands)
{
  memory_barrier (commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_ACCESS_SHADER_WRITE_BIT, VK_PIPELINE_STAGE_HOST_BIT,
      VK_ACCESS_HOST_READ_BIT | VK_ACCESS_HOST_WRITE_BIT);
}

/* What of steps @first … @end - 1 is of @phase_mask. */
static void
record_steps (NddrProgram *program, const Slot *slot, guint phase_mask, guint first, guint end, VkCommandBuffer commands)
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

/* The end of a part that begins with step @first: behind the step that makes it as much as is submitted at once, unless all that follows is nothing. */
static guint
part_end (const NddrPlan *plan, guint phase_mask, guint first)
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

/* Steps @first … @end - 1, with what of the slot's timestamps goes with them. */
static gboolean
record (NddrProgram *program, Slot *slot, guint phase_mask, guint first, guint end, VkCommandBuffer *commands, GError **error)
{
  if (!begin (program, commands, 0, error))
    return FALSE;
  if (slot->queries && first == 0) {
    vkCmdResetQueryPool (*commands, slot->queries, 0, 2);
    /* when what was submitted before has ended, which the first barrier waits for: with TOP_OF_PIPE a frame's time would hold that of the frame before */
    vkCmdWriteTimestamp (*commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, slot->queries, 0);
  }
  record_steps (program, slot, phase_mask, first, end, *commands);
  if (slot->queries && end == program->plan->steps->len)
    vkCmdWriteTimestamp (*commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, slot->queries, 1);
  return nddr_vk_check (vkEndCommandBuffer (*commands), "recording commands", error);
}

/* NULL with @error */
static GArray *
get_recording (NddrProgram *program, Slot *slot, guint phase_mask, GError **error)
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

    end = whole ? n : part_end (program->plan, phase_mask, first);
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
  Slot *slot = &program->slots[index];
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
  Slot *slot = &program->slots[index];
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

/* ---- running with marks */

#define IDLE_NS 100000 /* between calls of a handler's idle */

/* The parts of @phase_mask's steps, which end with marks or where they are as much as is submitted at once; the last has no mark, and may be empty. */
static GArray *
cut (const NddrPlan *plan, guint phase_mask)
{
  GArray *parts = g_array_new (FALSE, TRUE, sizeof (Part));
  Part part = { 0 };

  for (guint i = 0, end = part_end (plan, phase_mask, 0); i < plan->steps->len; i++) {
    const NddrStep *step = g_ptr_array_index (plan->steps, i);

    gboolean is_marked = step->mark && (phase_mask & (1u << step->phase)), is_full = i + 1 == end && end < plan->steps->len;
    if (!is_marked && !is_full)
      continue;
    end = part_end (plan, phase_mask, i + 1);
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
      !begin (program, &commands, 0, error))
    return FALSE;
  record_steps (program, &program->slots[0], phase_mask, part->first, part->end, commands);
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
  return fine;
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

  if (program->device->timestamp_bits == 0) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_UNSUPPORTED, "%s has no timestamps: layers cannot be timed on it", program->device->info.name);
    return FALSE;
  }
  if (!nddr_vk_check (vkCreateQueryPool (device, &info, NULL, &queries), "creating a query pool", error))
    return FALSE;
  if (begin (program, &commands, VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT, error)) {
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
    ok = run_once (program, commands, error) &&
        nddr_vk_check (vkGetQueryPoolResults (device, queries, 0, n + 1, (n + 1) * 8, ticks, 8, VK_QUERY_RESULT_64_BIT), "reading timestamps", error);
  }
  for (guint i = 0; ok && i < n; i++) {
    const NddrStep *step = g_ptr_array_index (program->plan->steps, i);

    ns[i] = phase_mask & (1u << step->phase) ? ticks_to_ns (program->device, ticks[i], ticks[i + 1]) : 0;
  }
  vkDestroyQueryPool (device, queries, NULL);
  return ok;
}
