/* The library is loaded, used, unloaded and loaded again, as plugins' hosts do: what it stands on may not be registered twice.
 *
 * This program links GLib alone.  SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dlfcn.h>
#include <glib.h>

static const char *path; /* of the library */

static void
test_reload (void)
{
  g_autofree char *file = g_build_filename (g_getenv ("NDDR_MODELS"), "nddr-small.safetensors", NULL);

  for (guint round = 0; round < 3; round++) {
    g_autoptr (GError) error = NULL;
    void *library = dlopen (path, RTLD_NOW | RTLD_LOCAL);

    if (!library)
      g_error ("%s", dlerror ());
    gpointer (*load) (const char *, GError **) = dlsym (library, "nddr_model_load");
    void (*unref) (gpointer) = dlsym (library, "nddr_model_unref");
    gpointer model = load (file, &error);
    g_assert_no_error (error);
    unref (model);
    g_assert_cmpint (dlclose (library), ==, 0);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  path = argv[1];
  g_test_add_func ("/reload", test_reload);
  return g_test_run ();
}
