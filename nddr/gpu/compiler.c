/* Compiling ahead: see compiler.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/gpu/compiler.h>

#include <nddr/gpu/cache-file.h>
#include <nddr/gpu/memory.h>
#include <nddr/gpu/vulkan.h>

#include <stdio.h>
#include <string.h>

#define BYTES 272 /* of the buffer that everything is bound to: no power of two, for which llvmpipe compiles another form */

struct _NddrCompiler
{
  NddrDevice *device;
  NddrBuffer buffer;
  VkBufferView views[2]; /* of nddr_view_formats */
  VkDescriptorPool sets; /* one */
  VkCommandPool pool;
  VkCommandBuffer commands;
};

static gboolean
create_views (NddrCompiler *c, GError **error)
{
  VkBufferViewCreateInfo info = { .sType = VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO, .buffer = c->buffer.buffer, .range = VK_WHOLE_SIZE };

  for (int v = 0; v < 2; v++) {
    info.format = nddr_view_formats[v];
    if (!nddr_vk_check (vkCreateBufferView (c->device->device, &info, NULL, &c->views[v]), "viewing a buffer", error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
create_sets (NddrCompiler *c, GError **error)
{
  VkDescriptorPoolSize sizes[] = {
    { VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, NDDR_STEP_MAX_BINDINGS },
    { VK_DESCRIPTOR_TYPE_STORAGE_TEXEL_BUFFER, NDDR_STEP_MAX_BINDINGS },
  };
  VkDescriptorPoolCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
    .maxSets = 1,
    .poolSizeCount = G_N_ELEMENTS (sizes),
    .pPoolSizes = sizes,
  };

  return nddr_vk_check (vkCreateDescriptorPool (c->device->device, &info, NULL, &c->sets), "creating a descriptor pool", error);
}

static gboolean
create_commands (NddrCompiler *c, GError **error)
{
  VkCommandPoolCreateInfo pool_info = { .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO, .queueFamilyIndex = c->device->queue_family };
  VkCommandBufferAllocateInfo info = {
    .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
    .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
    .commandBufferCount = 1,
  };

  if (!nddr_vk_check (vkCreateCommandPool (c->device->device, &pool_info, NULL, &c->pool), "creating a command pool", error))
    return FALSE;
  info.commandPool = c->pool;
  return nddr_vk_check (vkAllocateCommandBuffers (c->device->device, &info, &c->commands), "allocating a command buffer", error);
}

NddrCompiler *
nddr_compiler_new (const NddrDevice *device, GError **error)
{
  NddrCompiler *c = g_new0 (NddrCompiler, 1);

  c->device = nddr_device_open_again (device, error);
  if (c->device && nddr_buffer_init (c->device, &c->buffer, BYTES, NDDR_MEMORY_DEVICE, error) && create_views (c, error) &&
      create_sets (c, error) && create_commands (c, error))
    return c;
  nddr_compiler_free (c);
  return NULL;
}

void
nddr_compiler_free (NddrCompiler *c)
{
  if (!c)
    return;
  if (c->device) {
    VkDevice device = c->device->device;

    vkDestroyCommandPool (device, c->pool, NULL);
    vkDestroyDescriptorPool (device, c->sets, NULL);
    for (int v = 0; v < 2; v++)
      vkDestroyBufferView (device, c->views[v], NULL);
    nddr_buffer_clear (c->device, &c->buffer);
    nddr_device_unref (c->device);
  }
  g_free (c);
}

/* a set for @pipeline with the one buffer at each binding */
static gboolean
write_set (NddrCompiler *c, const NddrPipeline *pipeline, VkDescriptorSet *set, GError **error)
{
  VkDevice device = c->device->device;
  VkDescriptorSetAllocateInfo info = {
    .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
    .descriptorPool = c->sets,
    .descriptorSetCount = 1,
    .pSetLayouts = &pipeline->set_layout,
  };
  VkDescriptorBufferInfo buffer = { .buffer = c->buffer.buffer, .range = VK_WHOLE_SIZE };

  vkResetDescriptorPool (device, c->sets, 0);
  if (!nddr_vk_check (vkAllocateDescriptorSets (device, &info, set), "allocating a descriptor set", error))
    return FALSE;
  for (int b = 0; pipeline->kernel->bindings[b]; b++) {
    VkWriteDescriptorSet write = {
      .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
      .dstSet = *set,
      .dstBinding = b,
      .descriptorCount = 1,
      .descriptorType = nddr_kernel_descriptor_type (pipeline->kernel, b),
      .pBufferInfo = &buffer,
      .pTexelBufferView = &c->views[pipeline->kernel->bindings[b] == 'U'],
    };

    vkUpdateDescriptorSets (device, 1, &write, 0, NULL);
  }
  return TRUE;
}

/* over no workgroups; returns when the driver is done with it */
static gboolean
dispatch (NddrCompiler *c, const NddrPipeline *pipeline, VkDescriptorSet set, GError **error)
{
  VkCommandBufferBeginInfo begin = { .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO, .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT };
  VkSubmitInfo submit = { .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &c->commands };
  VkCommandBuffer commands = c->commands;
  guint32 push[NDDR_STEP_MAX_PUSH] = { 0 };

  if (!nddr_vk_check (vkResetCommandPool (c->device->device, c->pool, 0), "resetting a command pool", error) ||
      !nddr_vk_check (vkBeginCommandBuffer (commands, &begin), "recording commands", error))
    return FALSE;
  vkCmdBindPipeline (commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline->pipeline);
  vkCmdBindDescriptorSets (commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline->layout, 0, 1, &set, 0, NULL);
  vkCmdPushConstants (commands, pipeline->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof push, push);
  vkCmdDispatch (commands, 0, 0, 0);
  if (!nddr_vk_check (vkEndCommandBuffer (commands), "recording commands", error) ||
      !nddr_device_submit (c->device, &submit, VK_NULL_HANDLE, error))
    return FALSE;
  nddr_device_wait_idle (c->device);
  return TRUE;
}

gboolean
nddr_compiler_compile (NddrCompiler *c, const NddrPipeline *pipeline, GError **error)
{
  NddrPipeline *own = nddr_pipeline_new (pipeline->kernel, pipeline->spec, pipeline->n_spec);
  VkDescriptorSet set;
  gboolean ok = nddr_pipeline_create (c->device, own, error) && write_set (c, own, &set, error) && dispatch (c, own, set, error);

  nddr_pipeline_free (c->device, own);
  return ok;
}

/* ---- the record on disk: a line for each pipeline, the digest of what it is made of and of who compiled it */

/* What a processor can do, by Linux's word: drivers compile for that.  Nothing elsewhere. */
static void
add_processor (GChecksum *checksum)
{
  FILE *file = fopen ("/proc/cpuinfo", "re");
  char line[8192];

  if (!file)
    return;
  while (fgets (line, sizeof line, file) && *line != '\n') /* of the first alone */
    if (g_str_has_prefix (line, "model name") || g_str_has_prefix (line, "flags") || g_str_has_prefix (line, "Features"))
      g_checksum_update (checksum, (const guint8 *) line, -1);
  fclose (file);
}

/* (transfer full): of what all of the device's lines have in common.  Mesa's own key is of the same things; its UUID says no version. */
static GChecksum *
digest_driver (const NddrDevice *device)
{
  GChecksum *checksum = g_checksum_new (G_CHECKSUM_SHA256);

  g_checksum_update (checksum, (const guint8 *) device->info.driver, -1);
  g_checksum_update (checksum, (const guint8 *) device->info.name, -1);
  add_processor (checksum);
  return checksum;
}

/* (transfer full) */
static char *
digest (const GChecksum *driver, const NddrPipeline *pipeline)
{
  g_autoptr (GChecksum) checksum = g_checksum_copy (driver);

  g_checksum_update (checksum, (const guint8 *) pipeline->kernel->spirv, pipeline->kernel->spirv_bytes);
  g_checksum_update (checksum, (const guint8 *) pipeline->spec, pipeline->n_spec * sizeof *pipeline->spec);
  return g_strdup (g_checksum_get_string (checksum));
}

/* (transfer full): empty where there is none */
static GString *
read_record (const char *path)
{
  g_autofree char *text = NULL;

  return g_string_new (g_file_get_contents (path, &text, NULL, NULL) ? text : NULL);
}

guint
nddr_compiler_choose (const NddrDevice *device, NddrPipeline *const *pipelines, guint n, gboolean *wanted)
{
  g_autofree char *path = nddr_cache_file_path (device, "compiled");
  g_autoptr (GString) record = NULL;
  g_autoptr (GChecksum) driver = NULL;
  guint n_wanted = 0;

  memset (wanted, 0, n * sizeof *wanted);
  if (!device->compiles_late)
    return 0;
  record = read_record (path);
  driver = digest_driver (device);
  for (guint i = 0; i < n; i++) {
    g_autofree char *line = digest (driver, pipelines[i]);

    wanted[i] = strstr (record->str, line) == NULL;
    n_wanted += wanted[i];
  }
  if (n_wanted == 0 || nddr_cache_file_write (path, record->str, record->len, NULL))
    return n_wanted;
  memset (wanted, 0, n * sizeof *wanted);
  return 0;
}

void
nddr_compiler_record (const NddrDevice *device, NddrPipeline *const *pipelines, guint n, const gboolean *compiled)
{
  g_autofree char *path = nddr_cache_file_path (device, "compiled");
  g_autoptr (GString) record = read_record (path); /* others may have written there */
  g_autoptr (GChecksum) driver = digest_driver (device);

  for (guint i = 0; i < n; i++) {
    g_autofree char *line = digest (driver, pipelines[i]);

    if (compiled[i] && !strstr (record->str, line))
      g_string_append_printf (record, "%s\n", line);
  }
  nddr_cache_file_write (path, record->str, record->len, NULL);
}
