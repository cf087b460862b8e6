/* The pipelines' cache on disk: kept, found again, and never believed where it is not what this driver wrote.
 *
 * The driver under test may keep nothing in its caches, so one with something in them stands before it here.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dlfcn.h>
#include <glib/gstdio.h>
#include <nddr/gpu/device-pipelines.h>

#include <string.h>

#define PAYLOAD 1000 /* bytes that the driver's cache holds behind its header */

static char *folder;
static guint8 header[sizeof (VkPipelineCacheHeaderVersionOne)]; /* of this driver */
static gsize given;                                             /* bytes that the last cache was made with */

VKAPI_ATTR VkResult VKAPI_CALL
vkCreatePipelineCache (VkDevice device, const VkPipelineCacheCreateInfo *info, const VkAllocationCallbacks *allocator, VkPipelineCache *cache)
{
  PFN_vkCreatePipelineCache next = (PFN_vkCreatePipelineCache) dlsym (RTLD_NEXT, __func__);
  VkPipelineCacheCreateInfo empty = *info;
  const guint8 *data = info->pInitialData;

  given = info->initialDataSize;
  if (given) {
    g_assert_cmpuint (given, ==, sizeof header + PAYLOAD);
    g_assert_cmpmem (data, sizeof header, header, sizeof header);
    for (guint i = 0; i < PAYLOAD; i++)
      g_assert_cmpuint (data[sizeof header + i], ==, (guint8) i);
  }
  empty.initialDataSize = 0;
  empty.pInitialData = NULL;
  return next (device, &empty, allocator, cache);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkGetPipelineCacheData (VkDevice device, VkPipelineCache cache, size_t *size, void *data)
{
  VkPipelineCacheHeaderVersionOne *start = data;
  PFN_vkGetPipelineCacheData next = (PFN_vkGetPipelineCacheData) dlsym (RTLD_NEXT, __func__);
  size_t real_size = 0;

  if (data) {
    g_autofree guint8 *real = NULL;

    g_assert_cmpuint (*size, ==, sizeof header + PAYLOAD);
    g_assert_cmpint (next (device, cache, &real_size, NULL), ==, VK_SUCCESS);
    real = g_malloc (real_size);
    g_assert_cmpint (next (device, cache, &real_size, real), ==, VK_SUCCESS);
    g_assert_cmpuint (real_size, >=, sizeof header);
    memcpy (start, real, sizeof header);
    start->headerSize = sizeof header;
    memcpy (header, start, sizeof header);
    for (guint i = 0; i < PAYLOAD; i++)
      ((guint8 *) data)[sizeof header + i] = i;
  }
  *size = sizeof header + PAYLOAD;
  return VK_SUCCESS;
}

/* Opens the device and compiles a kernel; how many bytes of a cache it was given. */
static gsize
compile (void)
{
  NddrStep step = { .kernel = nddr_kernel_find (NDDR_KERNEL_ZERO, NDDR_FAMILY_GPU, NDDR_MAPS_FP32) }, *steps[] = { &step };
  NddrPipeline *pipeline;
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrDevice) device = nddr_device_open (NULL, &error);

  g_assert_no_error (error);
  nddr_device_get_pipelines (device, steps, 1, &pipeline, &error);
  g_assert_no_error (error);
  return given;
}

/* (transfer full): the path of the one file in the cache's folder */
static char *
the_file (void)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name = g_dir_read_name (dir);
  char *path = g_build_filename (folder, name, NULL);

  g_assert_nonnull (name);
  g_assert_null (g_dir_read_name (dir));
  return path;
}

static void
test_kept (void)
{
  GStatBuf before, after;

  g_assert_cmpuint (compile (), ==, 0);
  g_autofree char *path = the_file ();
  g_assert_cmpint (g_stat (path, &before), ==, 0);
  g_assert_cmpint (before.st_mode & 0022, ==, 0);
  g_assert_cmpuint (compile (), ==, sizeof header + PAYLOAD);
  /* nothing new: not written again */
  g_assert_cmpint (g_stat (path, &after), ==, 0);
  g_assert_cmpuint (after.st_ino, ==, before.st_ino);
}

/* Every kind of damage costs the cache, nothing else, and is mended. */
static void
test_damaged (void)
{
  g_autofree char *path = the_file (), *whole = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (path, &whole, &size, NULL));
  for (gsize cut = 0; cut < size; cut += cut < 32 ? 4 : 97) {
    g_autofree char *other = g_memdup2 (whole, size);

    g_assert_true (g_file_set_contents (path, whole, cut, NULL)); /* cut short there */
    g_assert_cmpuint (compile (), ==, 0);
    g_assert_cmpuint (compile (), ==, sizeof header + PAYLOAD);
    other[cut] ^= 0x10; /* another byte there */
    g_assert_true (g_file_set_contents (path, other, size, NULL));
    g_assert_cmpuint (compile (), ==, 0);
  }
  g_autofree char *longer = g_malloc0 (size + 1);
  memcpy (longer, whole, size);
  g_assert_true (g_file_set_contents (path, longer, size + 1, NULL));
  g_assert_cmpuint (compile (), ==, 0);
  g_assert_cmpuint (compile (), ==, sizeof header + PAYLOAD);
}

/* A sound file of another driver, or of another device, is left alone. */
static void
test_foreign (void)
{
  g_autofree char *path = the_file (), *whole = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (path, &whole, &size, NULL));
  for (guint at = 4; at < sizeof header; at += 4) {
    g_autofree char *other = g_memdup2 (whole, size);
    g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
    gsize digest = 32;

    other[at] ^= 0x10;
    g_checksum_update (checksum, (const guint8 *) other, size - digest);
    g_checksum_get_digest (checksum, (guint8 *) other + size - digest, &digest);
    g_assert_true (g_file_set_contents (path, other, size, NULL));
    g_assert_cmpuint (compile (), ==, 0);
  }
}

/* a folder that cannot be made or written costs the cache alone */
static void
test_nowhere (void)
{
  g_autofree char *path = the_file ();

  g_setenv ("NDDR_CACHE", path, TRUE);
  g_assert_cmpuint (compile (), ==, 0);
  g_assert_cmpuint (compile (), ==, 0);
  g_setenv ("NDDR_CACHE", folder, TRUE);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("nddr-cache-XXXXXX", &error);
  g_assert_no_error (error);
  g_setenv ("NDDR_CACHE", folder, TRUE);

  g_test_add_func ("/cache/kept", test_kept);
  g_test_add_func ("/cache/damaged", test_damaged);
  g_test_add_func ("/cache/foreign", test_foreign);
  g_test_add_func ("/cache/nowhere", test_nowhere);
  int status = g_test_run ();
  g_autofree char *path = the_file ();
  g_remove (path);
  g_rmdir (folder);
  g_free (folder);
  return status;
}
