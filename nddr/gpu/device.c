/* Devices: listing, opening, importing.  See nddr-device.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/gpu/device.h>

#include <nddr/gpu/matrix.h>
#include <nddr/gpu/pipeline.h>
#include <nddr/gpu/tuning-cache.h>

#include <math.h>
#include <string.h>

#define PORTABILITY_SUBSET "VK_KHR_portability_subset" /* of a header of its own, for what is in beta */

static const char *
result_name (VkResult result)
{
  switch (result) {
    case VK_ERROR_OUT_OF_HOST_MEMORY: return "out of host memory";
    case VK_ERROR_OUT_OF_DEVICE_MEMORY: return "out of device memory";
    case VK_ERROR_INITIALIZATION_FAILED: return "initialization failed";
    case VK_ERROR_DEVICE_LOST: return "device lost";
    case VK_ERROR_MEMORY_MAP_FAILED: return "memory map failed";
    case VK_ERROR_LAYER_NOT_PRESENT: return "layer not present";
    case VK_ERROR_EXTENSION_NOT_PRESENT: return "extension not present";
    case VK_ERROR_FEATURE_NOT_PRESENT: return "feature not present";
    case VK_ERROR_INCOMPATIBLE_DRIVER: return "incompatible driver";
    case VK_ERROR_TOO_MANY_OBJECTS: return "too many objects";
    case VK_ERROR_OUT_OF_POOL_MEMORY: return "out of pool memory";
    case VK_TIMEOUT: return "timeout";
    default: return "Vulkan error";
  }
}

gboolean
nddr_vk_check (VkResult result, const char *doing, GError **error)
{
  NddrError code = NDDR_ERROR_FAILED;

  if (result == VK_SUCCESS)
    return TRUE;
  if (result == VK_ERROR_OUT_OF_HOST_MEMORY || result == VK_ERROR_OUT_OF_DEVICE_MEMORY || result == VK_ERROR_TOO_MANY_OBJECTS)
    code = NDDR_ERROR_NO_MEMORY;
  else if (result == VK_ERROR_DEVICE_LOST)
    code = NDDR_ERROR_DEVICE_LOST;
  else if (result == VK_ERROR_INCOMPATIBLE_DRIVER)
    code = NDDR_ERROR_NO_DEVICE;
  g_set_error (error, NDDR_ERROR, code, "%s: %s (VkResult %d)", doing, result_name (result), result);
  return FALSE;
}

gboolean
nddr_vk_has_extension (VkPhysicalDevice physical, const char *name)
{
  g_autofree VkExtensionProperties *extensions = NULL;
  guint32 n = 0;

  if (vkEnumerateDeviceExtensionProperties (physical, NULL, &n, NULL) != VK_SUCCESS)
    return FALSE;
  extensions = g_new0 (VkExtensionProperties, n + 1);
  if (vkEnumerateDeviceExtensionProperties (physical, NULL, &n, extensions) != VK_SUCCESS)
    return FALSE;
  for (guint32 i = 0; i < n; i++)
    if (strcmp (extensions[i].extensionName, name) == 0)
      return TRUE;
  return FALSE;
}

/* ---- the instance */

static gboolean
validation_wanted (void)
{
  const char *value = g_getenv ("NDDR_VALIDATION");

  return value && *value && !g_str_equal (value, "0");
}

static VKAPI_ATTR VkBool32 VKAPI_CALL
on_message (VkDebugUtilsMessageSeverityFlagBitsEXT severity, VkDebugUtilsMessageTypeFlagsEXT types,
    const VkDebugUtilsMessengerCallbackDataEXT *data, void *user_data)
{
  g_critical ("Vulkan validation: %s", data->pMessage);
  return VK_FALSE;
}

static const VkDebugUtilsMessengerCreateInfoEXT messenger_info = {
  .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
  .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
  .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
  .pfnUserCallback = on_message,
};

static gboolean
instance_has_extension (const char *name)
{
  guint32 n = 0;
  g_autofree VkExtensionProperties *extensions = NULL;

  if (vkEnumerateInstanceExtensionProperties (NULL, &n, NULL) != VK_SUCCESS)
    return FALSE;
  extensions = g_new0 (VkExtensionProperties, n + 1);
  if (vkEnumerateInstanceExtensionProperties (NULL, &n, extensions) < VK_SUCCESS)
    return FALSE;
  for (guint32 i = 0; i < n; i++)
    if (strcmp (extensions[i].extensionName, name) == 0)
      return TRUE;
  return FALSE;
}

static gboolean
create_instance (VkInstance *instance, GError **error)
{
  static const VkValidationFeatureEnableEXT enables[] = { VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT };
  static const char *const layers[] = { "VK_LAYER_KHRONOS_validation" };
  const char *extensions[2];
  VkValidationFeaturesEXT features = {
    .sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
    .pNext = &messenger_info,
    .enabledValidationFeatureCount = G_N_ELEMENTS (enables),
    .pEnabledValidationFeatures = enables,
  };
  VkApplicationInfo application = {
    .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
    .pEngineName = "nddr",
    .apiVersion = VK_API_VERSION_1_1,
  };
  VkInstanceCreateInfo info = { .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pApplicationInfo = &application, .ppEnabledExtensionNames = extensions };
  PFN_vkEnumerateInstanceVersion enumerate_version = (PFN_vkEnumerateInstanceVersion)
      vkGetInstanceProcAddr (NULL, "vkEnumerateInstanceVersion");
  VkResult result;

  if (!enumerate_version) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_UNSUPPORTED, "the Vulkan loader knows Vulkan 1.0 alone; 1.1 is needed: install a newer libvulkan1");
    return FALSE;
  }
  if (validation_wanted ()) {
    info.pNext = &features;
    info.enabledLayerCount = 1;
    info.ppEnabledLayerNames = layers;
    extensions[info.enabledExtensionCount++] = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
  }
  /* loaders hide drivers that stand on another interface, as MoltenVK does on Metal, from those who do not ask */
  if (instance_has_extension (VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME)) {
    info.flags |= VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR;
    extensions[info.enabledExtensionCount++] = VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME;
  }
  result = vkCreateInstance (&info, NULL, instance);
  if (result == VK_ERROR_INCOMPATIBLE_DRIVER) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_NO_DEVICE,
        "no Vulkan driver was found, or none could be loaded: install the GPU's, or mesa-vulkan-drivers for the processor's own (lavapipe)");
    return FALSE;
  }
  if (result == VK_ERROR_LAYER_NOT_PRESENT) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FAILED,
        "NDDR_VALIDATION is set, but there is no validation layer: install vulkan-validationlayers, or unset it");
    return FALSE;
  }
  return nddr_vk_check (result, "creating a Vulkan instance", error);
}

/* Drivers are unloaded with the last instance, and some cannot be loaded again and again: the libraries of one are said to take a little of a process's
 * static thread-local memory each time and to give back less, until no driver is found.  So the first instance that would go stays. */
static void
destroy_instance (VkInstance instance)
{
  static gsize kept;

  if (g_once_init_enter (&kept))
    g_once_init_leave (&kept, 1);
  else
    vkDestroyInstance (instance, NULL);
}

/* (transfer full) physical devices in the loader's order */
static GArray *
physical_devices (VkInstance instance, GError **error)
{
  GArray *devices = g_array_new (FALSE, TRUE, sizeof (VkPhysicalDevice));
  guint32 n = 0;
  VkResult result = vkEnumeratePhysicalDevices (instance, &n, NULL);

  if (result == VK_SUCCESS && n > 0) {
    g_array_set_size (devices, n);
    result = vkEnumeratePhysicalDevices (instance, &n, (VkPhysicalDevice *) devices->data);
    g_array_set_size (devices, n);
  }
  if (result != VK_SUCCESS && result != VK_INCOMPLETE) {
    nddr_vk_check (result, "listing Vulkan devices", error);
    g_array_unref (devices);
    return NULL;
  }
  return devices;
}

/* ---- what a physical device can do */

typedef struct
{
  NddrDeviceInfo info;
  NddrTraits traits;
  gboolean int64;
  guint32 queue_family, timestamp_bits;
} Capabilities;

static char *
driver_name (VkPhysicalDevice physical, const VkPhysicalDeviceProperties *properties)
{
  VkPhysicalDeviceDriverProperties driver = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES };
  VkPhysicalDeviceProperties2 query = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &driver };

  if (properties->apiVersion < VK_API_VERSION_1_2)
    return g_strdup_printf ("driver 0x%x", properties->driverVersion);
  vkGetPhysicalDeviceProperties2 (physical, &query);
  return g_strdup_printf ("%s %s", driver.driverName, driver.driverInfo);
}

/* From family @first to @last, the first one that computes. */
static gboolean
find_queue_family (VkPhysicalDevice physical, guint32 first, guint32 last, guint32 *family, guint32 *timestamp_bits)
{
  VkQueueFamilyProperties families[32];
  guint32 n;

  vkGetPhysicalDeviceQueueFamilyProperties (physical, &n, NULL); /* or SwiftShader fills as many as there is room for */
  n = MIN (n, G_N_ELEMENTS (families));
  vkGetPhysicalDeviceQueueFamilyProperties (physical, &n, families);
  for (guint32 i = first; i < n && i <= last; i++)
    if (families[i].queueFlags & VK_QUEUE_COMPUTE_BIT) {
      *family = i;
      *timestamp_bits = families[i].timestampValidBits;
      return TRUE;
    }
  return FALSE;
}

/* The software family's kernels are made for subgroups of exactly eight lanes that can shuffle, 64-bit words, and rgba32f texel
 * buffers: what llvmpipe offers. */
static gboolean
fits_software_family (VkPhysicalDevice physical, const VkPhysicalDeviceProperties *properties,
    const VkPhysicalDeviceSubgroupProperties *subgroup, gboolean int64)
{
  VkFormatProperties format, uint_format;
  VkSubgroupFeatureFlags needed = VK_SUBGROUP_FEATURE_BASIC_BIT | VK_SUBGROUP_FEATURE_SHUFFLE_BIT;

  vkGetPhysicalDeviceFormatProperties (physical, VK_FORMAT_R32G32B32A32_SFLOAT, &format);
  vkGetPhysicalDeviceFormatProperties (physical, VK_FORMAT_R32G32B32A32_UINT, &uint_format);
  return properties->deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU && subgroup->subgroupSize == 8 && int64 &&
      (subgroup->supportedOperations & needed) == needed && (subgroup->supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) &&
      (format.bufferFeatures & VK_FORMAT_FEATURE_STORAGE_TEXEL_BUFFER_BIT) &&
      (uint_format.bufferFeatures & VK_FORMAT_FEATURE_STORAGE_TEXEL_BUFFER_BIT);
}

/* how many cores take workgroups, where the maker says it */
static guint32
count_cores (VkPhysicalDevice physical)
{
  VkPhysicalDeviceShaderSMBuiltinsPropertiesNV nvidia = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_SM_BUILTINS_PROPERTIES_NV };
  VkPhysicalDeviceShaderCorePropertiesAMD amd = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_CORE_PROPERTIES_AMD };
  VkPhysicalDeviceProperties2 query = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2 };

  if (nddr_vk_has_extension (physical, VK_NV_SHADER_SM_BUILTINS_EXTENSION_NAME))
    query.pNext = &nvidia;
  else if (nddr_vk_has_extension (physical, VK_AMD_SHADER_CORE_PROPERTIES_EXTENSION_NAME))
    query.pNext = &amd;
  else
    return 0;
  vkGetPhysicalDeviceProperties2 (physical, &query);
  return nvidia.shaderSMCount + amd.shaderEngineCount * amd.shaderArraysPerEngineCount * amd.computeUnitsPerShaderArray;
}

static void
query_capabilities (VkInstance instance, VkPhysicalDevice physical, Capabilities *c)
{
  VkPhysicalDeviceProperties properties;
  VkPhysicalDeviceMemoryProperties memory;
  VkPhysicalDeviceSubgroupProperties subgroup = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES };
  VkPhysicalDeviceProperties2 query = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &subgroup };
  VkPhysicalDevice16BitStorageFeatures half = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES };
  VkPhysicalDeviceFeatures2 features = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &half };

  *c = (Capabilities){ 0 };
  vkGetPhysicalDeviceProperties (physical, &properties);
  vkGetPhysicalDeviceMemoryProperties (physical, &memory);
  c->info.name = g_strdup (properties.deviceName);
  c->info.type = properties.deviceType;
  c->info.api_version = properties.apiVersion;
  for (guint32 i = 0; i < memory.memoryHeapCount; i++)
    if (memory.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT)
      c->info.memory = MAX (c->info.memory, memory.memoryHeaps[i].size);
  c->info.driver = g_strdup ("");
  if (properties.apiVersion < VK_API_VERSION_1_1) {
    c->info.unusable_because = g_strdup ("offers Vulkan 1.0 alone; 1.1 is needed");
    return;
  }
  g_free (c->info.driver);
  c->info.driver = driver_name (physical, &properties);
  vkGetPhysicalDeviceProperties2 (physical, &query);
  vkGetPhysicalDeviceFeatures2 (physical, &features);
  c->int64 = features.features.shaderInt64;
  c->info.subgroup_size = subgroup.subgroupSize;
  c->info.fp16 = half.storageBuffer16BitAccess;
  c->info.software = fits_software_family (physical, &properties, &subgroup, c->int64);
  c->traits = (NddrTraits){
    .family = c->info.software ? NDDR_FAMILY_SOFTWARE : NDDR_FAMILY_GPU,
    .fp16 = c->info.fp16,
    .subgroup_size = subgroup.subgroupSize,
    .max_storage_range = properties.limits.maxStorageBufferRange,
    .max_texel_elements = properties.limits.maxTexelBufferElements,
    .max_groups = { properties.limits.maxComputeWorkGroupCount[0], properties.limits.maxComputeWorkGroupCount[1],
        properties.limits.maxComputeWorkGroupCount[2] },
    .max_shared = properties.limits.maxComputeSharedMemorySize,
    .max_invocations = properties.limits.maxComputeWorkGroupInvocations,
    .max_work = properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU ? INFINITY : NDDR_MAX_WORK, /* nobody waits for a processor */
    .matrix = nddr_matrix_query (instance, physical),
    .cores = count_cores (physical),
    .memory = c->info.memory,
  };
  c->info.matrix[0] = c->traits.matrix.m;
  c->info.matrix[1] = c->traits.matrix.n;
  c->info.matrix[2] = c->traits.matrix.k;
  guint buffers = MIN (properties.limits.maxPerStageDescriptorStorageBuffers, properties.limits.maxDescriptorSetStorageBuffers);
  guint needed = nddr_kernel_most_buffers ();
  if (!find_queue_family (physical, 0, G_MAXUINT32, &c->queue_family, &c->timestamp_bits))
    c->info.unusable_because = g_strdup ("has no queue that computes");
  else if (buffers < needed)
    c->info.unusable_because = g_strdup_printf ("lets a shader bind %u storage buffers; %u are needed", buffers, needed);
  c->info.usable = !c->info.unusable_because;
}

static void
info_clear (NddrDeviceInfo *info)
{
  g_free (info->name);
  g_free (info->driver);
  g_free (info->unusable_because);
}

static void
info_free (gpointer data)
{
  info_clear (data);
  g_free (data);
}

/* (transfer full) what there is: of NddrDeviceInfo */
static GPtrArray *
list_of (VkInstance instance, const GArray *devices)
{
  GPtrArray *list = g_ptr_array_new_with_free_func (info_free);

  for (guint i = 0; i < devices->len; i++) {
    Capabilities c;

    query_capabilities (instance, g_array_index (devices, VkPhysicalDevice, i), &c);
    g_ptr_array_add (list, g_memdup2 (&c.info, sizeof c.info));
  }
  return list;
}

GPtrArray *
nddr_device_list (GError **error)
{
  VkInstance instance = VK_NULL_HANDLE;
  g_autoptr (GArray) devices = NULL;
  GPtrArray *list = NULL;

  if (!create_instance (&instance, error))
    return NULL;
  devices = physical_devices (instance, error);
  if (devices)
    list = list_of (instance, devices);
  destroy_instance (instance);
  return list;
}

/* ---- choosing */

static int
type_rank (VkPhysicalDeviceType type)
{
  switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU: return 0;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: return 1;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU: return 2;
    case VK_PHYSICAL_DEVICE_TYPE_CPU: return 3;
    default: return 4;
  }
}

/* the usable devices of the best type there is */
static void
match_best (const GPtrArray *list, GArray *matches)
{
  int best = G_MAXINT;

  for (guint i = 0; i < list->len; i++) {
    const NddrDeviceInfo *info = g_ptr_array_index (list, i);

    if (!info->usable || type_rank (info->type) > best)
      continue;
    if (type_rank (info->type) < best)
      g_array_set_size (matches, 0);
    best = type_rank (info->type);
    g_array_append_val (matches, i);
  }
}

/* Whether @name has @part; where that is a number, as one: 15 is no part of 1504. */
static gboolean
has_part (const char *name, const char *part)
{
  gboolean is_number = strspn (part, "0123456789") == strlen (part);

  for (const char *at = strstr (name, part); at; at = strstr (at + 1, part))
    if (!is_number || !((at > name && g_ascii_isdigit (at[-1])) || g_ascii_isdigit (at[strlen (part)])))
      return TRUE;
  return FALSE;
}

static void
match_name (const GPtrArray *list, const char *which, GArray *matches)
{
  g_autofree char *wanted = g_utf8_casefold (which, -1);

  for (guint i = 0; i < list->len; i++) {
    g_autofree char *name = g_utf8_casefold (((NddrDeviceInfo *) g_ptr_array_index (list, i))->name, -1);

    if (has_part (name, wanted))
      g_array_append_val (matches, i);
  }
}

static char *
describe_list (const GPtrArray *list)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < list->len; i++)
    g_string_append_printf (text, "%s%u: %s", i ? "; " : "", i, ((NddrDeviceInfo *) g_ptr_array_index (list, i))->name);
  return g_string_free (text, FALSE);
}

/* (transfer full): the indices of the devices that @which means, the one to take first; NULL with @error where there is none, or the first
 * cannot be used */
static GArray *
match (const GPtrArray *list, const char *which, GError **error)
{
  g_autofree char *there = describe_list (list);
  g_autoptr (GArray) matches = g_array_new (FALSE, FALSE, sizeof (guint));
  const NddrDeviceInfo *first;
  guint64 index;

  if (!which || !*which || g_str_equal (which, "auto"))
    which = g_getenv ("NDDR_DEVICE");
  if (list->len == 0) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_NO_DEVICE,
        "the Vulkan drivers offer no device: install the GPU's driver, or mesa-vulkan-drivers for the processor's own (lavapipe)");
    return NULL;
  }
  if (!which || !*which || g_str_equal (which, "auto")) {
    match_best (list, matches);
    if (matches->len > 0)
      return g_steal_pointer (&matches);
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_UNSUPPORTED, "none of the Vulkan devices can be used (%s): `nddr devices` says why", there);
    return NULL;
  }
  if (g_ascii_string_to_unsigned (which, 10, 0, G_MAXUINT, &index, NULL) && index < list->len)
    g_array_append_vals (matches, &(guint){ index }, 1);
  else /* a number, too, may be part of a name */
    match_name (list, which, matches);
  if (matches->len == 0) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_NO_DEVICE, "no Vulkan device \"%s\"; the devices are %s", which, there);
    return NULL;
  }
  first = g_ptr_array_index (list, g_array_index (matches, guint, 0));
  if (!first->usable) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_UNSUPPORTED, "%s %s", first->name, first->unusable_because);
    return NULL;
  }
  for (guint i = matches->len; i-- > 1;)
    if (!((NddrDeviceInfo *) g_ptr_array_index (list, g_array_index (matches, guint, i)))->usable)
      g_array_remove_index (matches, i);
  return g_steal_pointer (&matches);
}

GArray *
nddr_device_match (const char *which, GError **error)
{
  g_autoptr (GPtrArray) list = nddr_device_list (error);

  return list ? match (list, which, error) : NULL;
}

/* ---- opening */

static NddrDevice *
device_alloc (VkInstance instance, VkPhysicalDevice physical)
{
  NddrDevice *device = g_new0 (NddrDevice, 1);
  Capabilities c;

  g_atomic_ref_count_init (&device->refs);
  g_mutex_init (&device->queue_mutex);
  query_capabilities (instance, physical, &c);
  device->physical_device = physical;
  device->info = c.info;
  device->traits = c.traits;
  device->queue_family = c.queue_family;
  device->timestamp_bits = c.timestamp_bits;
  vkGetPhysicalDeviceProperties (physical, &device->properties);
  vkGetPhysicalDeviceMemoryProperties (physical, &device->memory);
  device->timestamp_period = device->properties.limits.timestampPeriod;
  return device;
}

static gboolean
create_device (NddrDevice *device, GError **error)
{
  float priority = 1;
  VkPhysicalDevice16BitStorageFeatures half = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES,
    .storageBuffer16BitAccess = device->info.fp16,
  };
  NddrMatrixFeatures matrix;
  const char *extensions[NDDR_N_MATRIX_EXTENSIONS + 1];
  VkPhysicalDeviceFeatures supported;
  VkPhysicalDeviceFeatures2 features = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &half };
  VkDeviceQueueCreateInfo queue = {
    .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
    .queueFamilyIndex = device->queue_family,
    .queueCount = 1,
    .pQueuePriorities = &priority,
  };
  VkDeviceCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
    .pNext = &features,
    .queueCreateInfoCount = 1,
    .pQueueCreateInfos = &queue,
    .ppEnabledExtensionNames = extensions,
  };

  vkGetPhysicalDeviceFeatures (device->physical_device, &supported);
  features.features.shaderInt64 = supported.shaderInt64;
  if (device->traits.matrix.m) {
    features.pNext = nddr_matrix_features_chain (&matrix, &half);
    nddr_matrix_features_enable (&matrix);
    for (guint i = 0; i < NDDR_N_MATRIX_EXTENSIONS; i++)
      extensions[info.enabledExtensionCount++] = nddr_matrix_extensions[i];
  }
  if (nddr_vk_has_extension (device->physical_device, PORTABILITY_SUBSET)) /* which then must be enabled */
    extensions[info.enabledExtensionCount++] = PORTABILITY_SUBSET;
  if (!nddr_vk_check (vkCreateDevice (device->physical_device, &info, NULL, &device->device), "creating a Vulkan device", error))
    return FALSE;
  vkGetDeviceQueue (device->device, device->queue_family, 0, &device->queue);
  return TRUE;
}

NddrDevice *
nddr_device_open (const char *which, GError **error)
{
  VkInstance instance = VK_NULL_HANDLE;
  g_autoptr (GArray) devices = NULL;
  g_autoptr (GPtrArray) list = NULL;
  g_autoptr (GArray) matches = NULL;
  NddrDevice *device;

  if (!create_instance (&instance, error))
    return NULL;
  devices = physical_devices (instance, error);
  if (devices) {
    list = list_of (instance, devices);
    matches = match (list, which, error);
  }
  if (!matches) {
    destroy_instance (instance);
    return NULL;
  }
  device = device_alloc (instance, g_array_index (devices, VkPhysicalDevice, g_array_index (matches, guint, 0)));
  device->instance = instance;
  if (validation_wanted ()) {
    PFN_vkCreateDebugUtilsMessengerEXT create =
        (PFN_vkCreateDebugUtilsMessengerEXT) vkGetInstanceProcAddr (instance, "vkCreateDebugUtilsMessengerEXT");

    create (instance, &messenger_info, NULL, &device->messenger);
  }
  if (!create_device (device, error)) {
    nddr_device_unref (device);
    return NULL;
  }
  nddr_pipelines_init (device);
  nddr_tuning_cache_init (device);
  return device;
}

NddrDevice *
nddr_device_import (const NddrDeviceImport *import, GError **error)
{
  NddrDevice *device = device_alloc (import->instance, import->physical_device);

  device->lent = TRUE;
  device->import = *import;
  device->instance = import->instance;
  device->device = import->device;
  device->queue = import->queue;
  device->traits.fp16 = device->info.fp16 = import->storage_16bit && device->info.fp16;
  device->traits.matrix = (NddrMatrixSize){ 0 }; /* their features are not enabled there */
  memset (device->info.matrix, 0, sizeof device->info.matrix);
  if (!import->shader_int64 && device->traits.family == NDDR_FAMILY_SOFTWARE) {
    device->traits.family = NDDR_FAMILY_GPU;
    device->info.software = FALSE;
  }
  if (!device->info.usable) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_UNSUPPORTED, "%s %s", device->info.name, device->info.unusable_because);
    nddr_device_unref (device);
    return NULL;
  }
  if (!find_queue_family (import->physical_device, import->queue_family, import->queue_family, &device->queue_family, &device->timestamp_bits)) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_UNSUPPORTED, "%s: the given queue is of family %u, which does not compute", device->info.name, import->queue_family);
    nddr_device_unref (device);
    return NULL;
  }
  nddr_pipelines_init (device);
  nddr_tuning_cache_init (device);
  return device;
}

NddrDevice *
nddr_device_ref (NddrDevice *device)
{
  g_atomic_ref_count_inc (&device->refs);
  return device;
}

static void
lock_queue (NddrDevice *device)
{
  g_mutex_lock (&device->queue_mutex);
  if (device->import.lock_queue)
    device->import.lock_queue (device->import.user_data);
}

static void
unlock_queue (NddrDevice *device)
{
  if (device->import.unlock_queue)
    device->import.unlock_queue (device->import.user_data);
  g_mutex_unlock (&device->queue_mutex);
}

void
nddr_device_wait_idle (NddrDevice *device)
{
  lock_queue (device);
  vkQueueWaitIdle (device->queue);
  unlock_queue (device);
}

void
nddr_device_unref (NddrDevice *device)
{
  if (!device || !g_atomic_ref_count_dec (&device->refs))
    return;
  if (device->device) {
    nddr_device_wait_idle (device);
    nddr_pipelines_clear (device);
  }
  if (!device->lent) {
    vkDestroyDevice (device->device, NULL);
    if (device->messenger) {
      PFN_vkDestroyDebugUtilsMessengerEXT destroy =
          (PFN_vkDestroyDebugUtilsMessengerEXT) vkGetInstanceProcAddr (device->instance, "vkDestroyDebugUtilsMessengerEXT");

      destroy (device->instance, device->messenger, NULL);
    }
    destroy_instance (device->instance);
  }
  nddr_tuning_free (device->tuning);
  info_clear (&device->info);
  g_mutex_clear (&device->queue_mutex);
  g_free (device);
}

const NddrDeviceInfo *
nddr_device_get_info (const NddrDevice *device)
{
  return &device->info;
}

const NddrTraits *
nddr_device_get_traits (const NddrDevice *device)
{
  return &device->traits;
}

gboolean
nddr_device_submit (NddrDevice *device, const VkSubmitInfo *submit, VkFence fence, GError **error)
{
  VkResult result;

  lock_queue (device);
  result = vkQueueSubmit (device->queue, 1, submit, fence);
  unlock_queue (device);
  return nddr_vk_check (result, "submitting to the device", error);
}
