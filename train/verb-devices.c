/* nddr devices: what Vulkan devices there are, and what each can do that matters here.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/measure.h>
#include <train/verb.h>

#include <stdio.h>

static const char *
type_name (VkPhysicalDeviceType type)
{
  switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
      return "discrete";
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
      return "integrated";
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
      return "virtual";
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
      return "CPU";
    default:
      return "other";
  }
}

/* What device @i reaches at most. */
static gboolean
print_measure (guint i, GError **error)
{
  g_autofree char *which = g_strdup_printf ("%u", i);
  g_autoptr (NddrDevice) device = nddr_device_open (which, error);
  NddrDevicePeak measure;
  if (!device || !nddr_measure_device (device, &measure, error)) {
    g_prefix_error (error, "measuring device %u: ", i);
    return FALSE;
  }
  printf ("   measured  %.0f GFLOP/s in fp32, ", measure.fma / 1e9);
  if (measure.matrix > 0)
    printf ("%.0f GFLOP/s on matrices, ", measure.matrix / 1e9);
  printf ("%.1f GB/s read and written\n", measure.memory / 1e9);
  return TRUE;
}

int
nddr_verb_devices (int argc, char **argv)
{
  gboolean measure = FALSE;
  const GOptionEntry entries[] = {
    { "measure", 0, 0, G_OPTION_ARG_NONE, &measure, "Also measure how fast each computes and moves memory", NULL },
    { NULL },
  };
  g_autoptr (GError) error = NULL;
  if (!nddr_verb_parse (&argc, &argv, NULL, "Lists the Vulkan devices, by the index that --device and NDDR_DEVICE take.", entries, 0, 0))
    return NDDR_EXIT_USAGE;
  g_autoptr (GPtrArray) devices = nddr_device_list (&error);
  if (!devices)
    return nddr_verb_fail ("devices", error);
  for (guint i = 0; i < devices->len; i++) {
    const NddrDeviceInfo *info = devices->pdata[i];
    printf ("%u: %s\n", i, info->name);
    printf ("   driver    %s\n", info->driver);
    printf ("   type      %s, Vulkan %u.%u.%u\n", type_name (info->type), VK_API_VERSION_MAJOR (info->api_version),
        VK_API_VERSION_MINOR (info->api_version), VK_API_VERSION_PATCH (info->api_version));
    printf ("   memory    %.1f GiB\n", info->memory / 1073741824.0);
    printf ("   subgroup  %u\n", info->subgroup_size);
    printf ("   kernels   %s\n", info->software ? "for software drivers" : "for GPUs");
    printf ("   fp16      %s\n", info->fp16 ? "storage" : "no");
    if (info->matrix[0])
      printf ("   matrices  %u x %u x %u, fp16 with fp32 sums\n", info->matrix[0], info->matrix[1], info->matrix[2]);
    else
      printf ("   matrices  no\n");
    printf ("   usable    %s%s\n", info->usable ? "yes" : "no: ", info->usable ? "" : info->unusable_because);
    if (measure && info->usable && !print_measure (i, &error))
      return nddr_verb_fail ("devices", error);
  }
  return NDDR_EXIT_DONE;
}
