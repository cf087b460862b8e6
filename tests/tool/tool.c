/* See tool.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool.h"
#include "../network/generator.h"

#include <nddr/model.h>
#include <string.h>
#include <sys/wait.h>

char *tool, *sources, *folder;

int
run (const char *line, char **out, char **err)
{
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) words = NULL;
  g_autofree char *whole = g_strconcat ("nddr ", line, NULL);
  int status;
  g_shell_parse_argv (whole, NULL, &words, &error);
  g_assert_no_error (error);
  g_free (words[0]);
  words[0] = g_strdup (tool);
  g_spawn_sync (folder, words, NULL, G_SPAWN_DEFAULT, NULL, NULL, out, err, &status, &error);
  g_assert_no_error (error);
  g_assert_true (WIFEXITED (status));
  return WEXITSTATUS (status);
}

void
expect (const char *line, int status, const char *part)
{
  g_autofree char *out = NULL, *err = NULL;
  int got = run (line, &out, &err);
  if (got != status || !strstr (status ? err : out, part))
    g_error ("nddr %s: status %d, wanted %d and \"%s\"; it said:\n%s%s", line, got, status, part, out, err);
  if (status)
    g_assert_cmpstr (out, ==, "");
}

char *
in_folder (const char *name)
{
  return g_build_filename (folder, name, NULL);
}

static void
make_model (void)
{
  static const char *json = "{\"backbone\":\"mobilenet_v2\",\"width\":0.25,\"head_width\":0.03125,\"fusion\":\"nddr\",\"shortcut\":true,"
                            "\"output_stride\":16,\"tasks\":[{\"name\":\"segmentation\",\"kind\":\"segmentation\",\"classes\":["
                            "{\"name\":\"wall\",\"color\":\"#102030\"},{\"name\":\"floor\",\"color\":\"#f0e0d0\"},{\"name\":\"other\",\"color\":\"#800080\"}]},"
                            "{\"name\":\"normal\",\"kind\":\"normal\"}],"
                            "\"input\":{\"width\":64,\"height\":48,\"mean\":[0.5,0.5,0.5],\"std\":[0.5,0.5,0.5]}}";
  g_autoptr (GError) error = NULL;
  NddrConfig *config = nddr_config_parse (json, &error);
  g_assert_no_error (error);
  g_autoptr (NddrModel) model = nddr_model_new (config, generate_model (config, TRUNK_NORM, FALSE), &error);
  g_assert_no_error (error);
  g_autofree char *path = in_folder ("model.safetensors");
  nddr_model_save (model, path, NDDR_STORE_F32, &error);
  g_assert_no_error (error);
}

static void
make_folder (void)
{
  static const char recipe[] = "[data]\ntrain = folder:data,train\nval = folder:data,val\n[train]\nlr = 0.00001\nval_every = 0\n";
  static const char broken[] = "[data]\ntrane = folder:data,train\n";
  folder = fixture_folder ();
  make_model ();
  g_autofree char *data = fixture_path (folder, "data"), *picture = in_folder ("picture.png"), *ini = in_folder ("recipe.ini");
  g_autofree char *wrong = in_folder ("broken.ini");
  for (guint i = 0; i < 4; i++) {
    g_autoptr (NddrSample) sample = fixture_sample (60, 44, i);
    g_autofree char *name = g_strdup_printf ("%u", i);
    for (guint p = 0; p < 60 * 44; p++)
      sample->segmentation[p] = sample->segmentation[p] == 255 ? 255 : sample->segmentation[p] % 3;
    fixture_write_sample (data, i < 2 ? "train" : "val", name, sample, FALSE);
    if (i == 0)
      fixture_write_png (picture, 60, 44, 3, 8, sample->rgb);
  }
  static const char classes[] = "wall #102030\nfloor #f0e0d0\nother #800080\n";
  g_autofree char *classes_path = fixture_path (data, "classes.txt");
  fixture_write (classes_path, classes, strlen (classes));
  fixture_write (ini, recipe, strlen (recipe));
  fixture_write (wrong, broken, strlen (broken));
}

/* A data set that has a torn picture. */
static void
make_holed (void)
{
  g_autofree char *data = fixture_path (folder, "holed"), *torn = fixture_path (data, "train/image/1.png");
  for (guint i = 0; i < 4; i++) {
    g_autoptr (NddrSample) sample = fixture_sample (60, 44, i);
    g_autofree char *name = g_strdup_printf ("%u", i);
    fixture_write_sample (data, i < 3 ? "train" : "val", name, sample, FALSE);
  }
  fixture_write (torn, "\x89PNG\r\n\x1a\n", 8); /* cut short */
}

void
tool_init (int *argc, char ***argv)
{
  g_test_init (argc, argv, NULL);
  g_assert_cmpint (*argc, ==, 3);
  tool = g_canonicalize_filename ((*argv)[1], NULL);
  sources = g_canonicalize_filename ((*argv)[2], NULL);
  make_folder ();
  make_holed ();
}

int
tool_run_tests (void)
{
  int status = g_test_run ();
  fixture_remove (folder);
  g_free (tool);
  g_free (sources);
  return status;
}
