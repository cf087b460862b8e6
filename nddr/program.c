/* Programs: making them, their memory, and the host's access to it.  See program.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/program-private.h>

#include <string.h>

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
            s == NDDR_SPACE_EXCHANGE ? NDDR_MEMORY_EXCHANGE : NDDR_MEMORY_DEVICE, error))
      return FALSE;
  for (guint i = 0; i < program->n_slots; i++) {
    NddrProgramSlot *slot = &program->slots[i];

    if (!nddr_buffer_init (program->device, &slot->input, buffer_bytes (program->plan, NDDR_SPACE_INPUT), NDDR_MEMORY_UPLOAD, error) ||
        !nddr_buffer_init (program->device, &slot->output, buffer_bytes (program->plan, NDDR_SPACE_OUTPUT), NDDR_MEMORY_DOWNLOAD, error))
      return FALSE;
    memset (slot->input.map, 0, slot->input.size);
    memset (slot->output.map, 0, slot->output.size);
    if (!nddr_buffer_flush (program->device, &slot->output, error))
      return FALSE;
  }
  return TRUE;
}

static NddrBuffer *
buffer_of (NddrProgram *program, NddrProgramSlot *slot, NddrSpace space)
{
  return space == NDDR_SPACE_INPUT ? &slot->input : space == NDDR_SPACE_OUTPUT ? &slot->output : &program->spaces[space];
}

/* a view of a whole space */
static gboolean
get_view (NddrProgram *program, NddrProgramSlot *slot, NddrSpace space, gboolean uint_view, VkBufferView *view, GError **error)
{
  VkBufferView *kept = space == NDDR_SPACE_INPUT ? &slot->views[uint_view] : &program->views[space][uint_view];
  VkBufferViewCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO,
    .buffer = buffer_of (program, slot, space)->buffer,
    .format = nddr_view_formats[uint_view],
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
write_set (NddrProgram *program, NddrProgramSlot *slot, const NddrStep *step, VkDescriptorSet set, GError **error)
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
  const GPtrArray *steps = program->plan->steps;

  program->pipelines = g_new0 (NddrPipeline *, MAX (steps->len, 1));
  return nddr_device_get_pipelines (program->device, (NddrStep *const *) steps->pdata, steps->len, program->pipelines, error);
}

/* zeros everywhere, then the tables: padding channels and the zero page are zero from the start */
static gboolean
fill_spaces (NddrProgram *program, GError **error)
{
  VkCommandBuffer commands;

  if (!nddr_program_begin (program, &commands, VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT, error))
    return FALSE;
  for (int s = 0; s < NDDR_N_SPACES; s++)
    if (!is_per_slot (s))
      vkCmdFillBuffer (commands, program->spaces[s].buffer, 0, VK_WHOLE_SIZE, 0);
  nddr_program_barrier (commands, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_ACCESS_TRANSFER_WRITE_BIT,
      VK_PIPELINE_STAGE_ALL_COMMANDS_BIT | VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT);
  if (!nddr_program_run_once (program, commands, error))
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

  g_assert (plan->finished && slots >= 1 && slots <= NDDR_PROGRAM_MAX_SLOTS);
  program->device = nddr_device_ref (device);
  program->plan = plan;
  program->n_slots = slots;
  nddr_program_init_marks (program);
  if (!nddr_vk_check (vkCreateCommandPool (device->device, &pool, NULL, &program->commands), "creating a command pool", error) ||
      !create_buffers (program, error) || !time_pipelines (program, error) || !create_sets (program, error) ||
      !fill_spaces (program, error))
    goto fail;
  for (guint i = 0; i < slots; i++)
    if (!nddr_program_init_slot (program, &program->slots[i], error))
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
    NddrProgramSlot *slot = &program->slots[i];

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
  nddr_program_clear_marks (program);
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
  if (nddr_program_begin (program, &commands, VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT, error)) {
    VkBufferCopy region = { .srcOffset = upload ? 0 : offset, .dstOffset = upload ? offset : 0, .size = bytes };

    nddr_program_barrier (commands, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, VK_ACCESS_MEMORY_WRITE_BIT, VK_PIPELINE_STAGE_TRANSFER_BIT,
        VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT);
    vkCmdCopyBuffer (commands, upload ? staging.buffer : buffer->buffer, upload ? buffer->buffer : staging.buffer, 1, &region);
    nddr_program_barrier (commands, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_ACCESS_TRANSFER_WRITE_BIT,
        VK_PIPELINE_STAGE_ALL_COMMANDS_BIT | VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT);
    ok = nddr_program_run_once (program, commands, error) && (upload || nddr_buffer_invalidate (program->device, &staging, error));
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
