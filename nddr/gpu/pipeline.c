/* A pipeline: see pipeline.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/gpu/pipeline.h>

#include <nddr/gpu/vulkan.h>

#include <string.h>

const VkFormat nddr_view_formats[2] = { VK_FORMAT_R32G32B32A32_SFLOAT, VK_FORMAT_R32G32B32A32_UINT };

VkDescriptorType
nddr_kernel_descriptor_type (const NddrKernel *kernel, int binding)
{
  gboolean software = g_str_equal (kernel->variant, "software");

  return software && kernel->bindings[binding] != 'S' ? VK_DESCRIPTOR_TYPE_STORAGE_TEXEL_BUFFER : VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
}

NddrPipeline *
nddr_pipeline_new (const NddrKernel *kernel, const guint32 *spec, int n_spec)
{
  NddrPipeline *p = g_new0 (NddrPipeline, 1);

  g_assert (n_spec <= NDDR_STEP_MAX_SPEC);
  p->kernel = kernel;
  p->n_spec = n_spec;
  memcpy (p->spec, spec, n_spec * sizeof *spec);
  return p;
}

void
nddr_pipeline_free (NddrDevice *device, NddrPipeline *p)
{
  vkDestroyPipeline (device->device, p->pipeline, NULL);
  vkDestroyPipelineLayout (device->device, p->layout, NULL);
  vkDestroyDescriptorSetLayout (device->device, p->set_layout, NULL);
  g_free (p);
}

guint
nddr_pipeline_hash (gconstpointer data)
{
  const NddrPipeline *p = data;
  guint hash = g_direct_hash (p->kernel);

  for (int i = 0; i < p->n_spec; i++)
    hash = hash * 31 + p->spec[i];
  return hash;
}

gboolean
nddr_pipeline_equal (gconstpointer a, gconstpointer b)
{
  const NddrPipeline *p = a, *q = b;

  return p->kernel == q->kernel && p->n_spec == q->n_spec && memcmp (p->spec, q->spec, p->n_spec * 4) == 0;
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

gboolean
nddr_pipeline_create (NddrDevice *device, NddrPipeline *p, GError **error)
{
  return create_layouts (device, p, error) && create_pipeline (device, p, error);
}
