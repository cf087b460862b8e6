/* Pipelines and their cache: see pipeline.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/gpu/pipeline.h>

#include <nddr/gpu/vulkan.h>

#include <string.h>

VkDescriptorType
nddr_kernel_descriptor_type (const NddrKernel *kernel, int binding)
{
  gboolean software = g_str_equal (kernel->variant, "software");

  return software && kernel->bindings[binding] != 'S' ? VK_DESCRIPTOR_TYPE_STORAGE_TEXEL_BUFFER : VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
}

static guint
pipeline_hash (gconstpointer data)
{
  const NddrPipeline *p = data;
  guint hash = g_direct_hash (p->kernel);

  for (int i = 0; i < p->n_spec; i++)
    hash = hash * 31 + p->spec[i];
  return hash;
}

static gboolean
pipeline_equal (gconstpointer a, gconstpointer b)
{
  const NddrPipeline *p = a, *q = b;

  return p->kernel == q->kernel && p->n_spec == q->n_spec && memcmp (p->spec, q->spec, p->n_spec * 4) == 0;
}

static void
pipeline_destroy (NddrDevice *device, NddrPipeline *p)
{
  vkDestroyPipeline (device->device, p->pipeline, NULL);
  vkDestroyPipelineLayout (device->device, p->layout, NULL);
  vkDestroyDescriptorSetLayout (device->device, p->set_layout, NULL);
  g_free (p);
}

static gboolean
create_layouts (NddrDevice *device, NddrPipeline *p, GError **error)
{
  VkDescriptorSetLayoutBinding bindings[NDDR_STEP_MAX_BINDINGS];
  guint32 n = strlen (p->kernel->bindings);
  VkDescriptorSetLayoutCreateInfo set_info = {
    .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
    .bindingCount = n,
    .pBindings = bindings,
  };
  VkPushConstantRange push = { .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT, .size = NDDR_STEP_MAX_PUSH * 4 };
  VkPipelineLayoutCreateInfo layout_info = {
    .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
    .setLayoutCount = 1,
    .pSetLayouts = &p->set_layout,
    .pushConstantRangeCount = 1,
    .pPushConstantRanges = &push,
  };

  g_assert (n <= NDDR_STEP_MAX_BINDINGS);
  for (guint32 i = 0; i < n; i++)
    bindings[i] = (VkDescriptorSetLayoutBinding){
      .binding = i,
      .descriptorType = nddr_kernel_descriptor_type (p->kernel, i),
      .descriptorCount = 1,
      .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
    };
  return nddr_vk_check (vkCreateDescriptorSetLayout (device->device, &set_info, NULL, &p->set_layout), "creating a set layout", error) &&
      nddr_vk_check (vkCreatePipelineLayout (device->device, &layout_info, NULL, &p->layout), "creating a pipeline layout", error);
}

static gboolean
create_pipeline (NddrDevice *device, NddrPipeline *p, GError **error)
{
  g_autofree char *doing = g_strdup_printf ("compiling kernel %s (%s)", p->kernel->name, p->kernel->variant);
  VkSpecializationMapEntry entries[NDDR_STEP_MAX_SPEC];
  VkSpecializationInfo spec = { .mapEntryCount = p->n_spec, .pMapEntries = entries, .dataSize = p->n_spec * 4, .pData = p->spec };
  VkShaderModuleCreateInfo module_info = {
    .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
    .codeSize = p->kernel->spirv_bytes,
    .pCode = p->kernel->spirv,
  };
  VkPipelineShaderStageRequiredSubgroupSizeCreateInfoEXT subgroup = {
    .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO_EXT,
    .requiredSubgroupSize = device->traits.subgroup_size,
  };
  VkComputePipelineCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
    .stage = { .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
        .stage = VK_SHADER_STAGE_COMPUTE_BIT,
        .pName = "main",
        .pSpecializationInfo = &spec },
    .layout = p->layout,
  };
  gboolean ok;

  for (int i = 0; i < p->n_spec; i++)
    entries[i] = (VkSpecializationMapEntry){ .constantID = i, .offset = i * 4, .size = 4 };
  if (g_str_equal (p->kernel->variant, "matrix")) { /* a matrix is spread over a whole subgroup */
    info.stage.pNext = &subgroup;
    info.stage.flags = VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT_EXT;
  }
  if (!nddr_vk_check (vkCreateShaderModule (device->device, &module_info, NULL, &info.stage.module), doing, error))
    return FALSE;
  ok = nddr_vk_check (vkCreateComputePipelines (device->device, device->pipeline_cache, 1, &info, NULL, &p->pipeline), doing, error);
  vkDestroyShaderModule (device->device, info.stage.module, NULL);
  return ok;
}

/* Pipelines that several threads make, each the next. */
typedef struct
{
  NddrDevice *device;
  NddrPipeline **pipelines;
  GError **errors; /* for each: why it was not made, or NULL */
  guint n;
  gint next;       /* atomic */
} Work;

static gpointer
make_pipelines (gpointer data)
{
  Work *work = data;

  for (guint i; (i = g_atomic_int_add (&work->next, 1)) < work->n;)
    create_pipeline (work->device, work->pipelines[i], &work->errors[i]);
  return NULL;
}

/* Makes all @n, on as many threads as there are processors or, where there are no more threads to be had, on fewer: this one is the first.
 * @error: of the first pipeline that could not be made */
static gboolean
make_side_by_side (NddrDevice *device, NddrPipeline **pipelines, guint n, GError **error)
{
  g_autofree GError **errors = g_new0 (GError *, n);
  Work work = { device, pipelines, errors, n, 0 };
  guint n_others = MIN (n, g_get_num_processors ()) - 1;
  g_autofree GThread **others = g_new0 (GThread *, n_others);
  GError *first = NULL;

  for (guint i = 0; i < n_others; i++)
    others[i] = g_thread_try_new ("pipelines", make_pipelines, &work, NULL);
  make_pipelines (&work);
  for (guint i = 0; i < n_others; i++)
    if (others[i])
      g_thread_join (others[i]);
  for (guint i = 0; i < n; i++)
    if (first == NULL)
      first = errors[i];
    else
      g_clear_error (&errors[i]);
  if (first == NULL)
    return TRUE;
  g_propagate_error (error, first);
  return FALSE;
}

gboolean
nddr_device_get_pipelines (NddrDevice *device, NddrStep *const *steps, guint n, NddrPipeline **pipelines, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&device->pipeline_mutex);
  g_autofree NddrPipeline **made = g_new (NddrPipeline *, n);
  guint n_made = 0;
  gboolean ok = TRUE;

  (void) locker;
  for (guint i = 0; i < n && ok; i++) {
    NddrPipeline key = { .kernel = steps[i]->kernel, .n_spec = steps[i]->n_spec };

    memcpy (key.spec, steps[i]->spec, key.n_spec * sizeof *key.spec);
    pipelines[i] = g_hash_table_lookup (device->pipelines, &key);
    if (pipelines[i])
      continue;
    pipelines[i] = made[n_made++] = g_memdup2 (&key, sizeof key);
    g_hash_table_add (device->pipelines, pipelines[i]);
    ok = create_layouts (device, pipelines[i], error);
  }
  ok = ok && (n_made == 0 || make_side_by_side (device, made, n_made, error));
  for (guint i = 0; i < n_made && !ok; i++) {
    g_hash_table_remove (device->pipelines, made[i]);
    pipeline_destroy (device, made[i]);
  }
  device->pipeline_cache_dirty |= ok && n_made > 0;
  return ok;
}

/* ---- the cache on disk: what the driver gave, and a digest of it */

#define DIGEST 32

static void
digest (const char *data, gsize size, guint8 result[DIGEST])
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  gsize length = DIGEST;

  g_checksum_update (checksum, (const guint8 *) data, size);
  g_checksum_get_digest (checksum, result, &length);
}

/* Whether this driver wrote the first @size bytes of @data (VkPipelineCacheHeaderVersionOne), and they still are what it wrote: a
 * driver may trust them blindly (VUID-VkPipelineCacheCreateInfo-initialDataSize-00769). */
static gboolean
is_ours (const NddrDevice *device, const char *data, gsize size)
{
  VkPipelineCacheHeaderVersionOne header;
  guint8 expected[DIGEST];

  if (size < sizeof header)
    return FALSE;
  digest (data, size, expected);
  if (memcmp (data + size, expected, DIGEST) != 0)
    return FALSE;
  memcpy (&header, data, sizeof header);
  return header.headerSize >= sizeof header && header.headerSize <= size &&
      header.headerVersion == VK_PIPELINE_CACHE_HEADER_VERSION_ONE && header.vendorID == device->properties.vendorID &&
      header.deviceID == device->properties.deviceID &&
      memcmp (header.pipelineCacheUUID, device->properties.pipelineCacheUUID, VK_UUID_SIZE) == 0;
}

char *
nddr_device_cache_path (const NddrDevice *device, const char *kind)
{
  const VkPhysicalDeviceProperties *p = &device->properties;
  const char *folder = g_getenv ("NDDR_CACHE");
  g_autofree char *user = g_build_filename (g_get_user_cache_dir (), "nddr", NULL);
  g_autoptr (GString) name = g_string_new (NULL);

  g_string_printf (name, "%s-%04x-%04x-%08x-", kind, p->vendorID, p->deviceID, p->driverVersion);
  for (int i = 0; i < VK_UUID_SIZE; i++)
    g_string_append_printf (name, "%02x", p->pipelineCacheUUID[i]);
  return g_build_filename (folder && *folder ? folder : user, name->str, NULL);
}

void
nddr_pipelines_init (NddrDevice *device)
{
  VkPipelineCacheCreateInfo info = { .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO };
  g_autofree char *data = NULL;
  gsize size = 0;

  g_mutex_init (&device->pipeline_mutex);
  device->pipelines = g_hash_table_new (pipeline_hash, pipeline_equal);
  device->pipeline_cache_path = nddr_device_cache_path (device, "pipelines");
  if (g_file_get_contents (device->pipeline_cache_path, &data, &size, NULL) && size > DIGEST && is_ours (device, data, size - DIGEST)) {
    info.initialDataSize = device->pipeline_cache_size = size - DIGEST;
    info.pInitialData = data;
  }
  if (vkCreatePipelineCache (device->device, &info, NULL, &device->pipeline_cache) != VK_SUCCESS) {
    info.initialDataSize = device->pipeline_cache_size = 0;
    if (vkCreatePipelineCache (device->device, &info, NULL, &device->pipeline_cache) != VK_SUCCESS)
      device->pipeline_cache = VK_NULL_HANDLE;
  }
}

static void
save_cache (NddrDevice *device)
{
  g_autofree char *folder = g_path_get_dirname (device->pipeline_cache_path);
  g_autofree char *data = NULL;
  g_autoptr (GError) error = NULL;
  size_t size = 0;

  if (vkGetPipelineCacheData (device->device, device->pipeline_cache, &size, NULL) != VK_SUCCESS || size == 0 ||
      size == device->pipeline_cache_size)
    return;
  data = g_malloc (size + DIGEST);
  if (vkGetPipelineCacheData (device->device, device->pipeline_cache, &size, data) != VK_SUCCESS)
    return;
  digest (data, size, (guint8 *) data + size);
  if (g_mkdir_with_parents (folder, 0700) != 0 || !g_file_set_contents (device->pipeline_cache_path, data, size + DIGEST, &error))
    g_debug ("the pipeline cache was not kept: %s", error ? error->message : folder);
}

void
nddr_pipelines_clear (NddrDevice *device)
{
  GHashTableIter iter;
  gpointer pipeline;

  if (!device->pipelines)
    return;
  if (device->pipeline_cache && device->pipeline_cache_dirty)
    save_cache (device);
  g_hash_table_iter_init (&iter, device->pipelines);
  while (g_hash_table_iter_next (&iter, &pipeline, NULL))
    pipeline_destroy (device, pipeline);
  g_hash_table_unref (device->pipelines);
  vkDestroyPipelineCache (device->device, device->pipeline_cache, NULL);
  g_free (device->pipeline_cache_path);
  g_mutex_clear (&device->pipeline_mutex);
}
