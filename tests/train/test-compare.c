/* Runs read again and compared: tables and gains against sums done by hand, and what is said of folders that are no runs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <train/compare.h>
#include <train/run.h>

#include <math.h>
#include <string.h>

static char *folder;

static char *
make_run (const char *name, const char *config, const char *log)
{
  g_autofree char *config_path = fixture_path (folder, "%s/config.ini", name), *log_path = fixture_path (folder, "%s/log.jsonl", name);
  if (config)
    fixture_write (config_path, config, strlen (config));
  if (log)
    fixture_write (log_path, log, strlen (log));
  return g_build_filename (folder, name, NULL);
}

static char *
make_file (const char *name, const char *text)
{
  char *path = fixture_path (folder, "%s", name);
  fixture_write (path, text, strlen (text));
  return path;
}

#define MODEL "[model]\nbackbone=vgg16\nfusion=nddr\nshortcut=true\ntasks=segmentation;normal\n[train]\nsteps=300\n"
#define NORMAL(mean) "\"normal\":{\"mean\":" mean ",\"median\":12.3,\"rmse\":20,\"within_11.25\":0.486,\"within_22.5\":0.7,\"within_30\":0.8}"
#define SEGMENTATION(miou) "\"segmentation\":{\"miou\":" miou ",\"pixel_accuracy\":0.641,\"class_iou\":{\"a.b\":0.25,\"none\":null}}"
#define DEPTH(rmse) "\"depth\":{\"abs\":0.25,\"rmse\":" rmse ",\"rel\":0.125}"

static const char two_tasks[] = "{\"step\":99,\"loss\":3,\"loss.normal\":0.5,\"lr\":0.001,\"images_per_s\":8}\n"
                                "{\"step\":100,\"loss\":2,\"loss.normal\":0.25,\"lr\":0.001,\"images_per_s\":8,\"new\":1}\n"
                                "{\"step\":100,\"val\":{" SEGMENTATION ("0.3") "," NORMAL ("16") "},\"val_loss\":1.5}\n"
                                "{\"step\":200,\"val\":{" SEGMENTATION ("0.36") "," NORMAL ("13.5") "},\"val_loss\":1.25}\n"
                                "{\"step\":300,\"val\":{" SEGMENTATION ("0.375") "," NORMAL ("13.5") "},\"val_loss\":1.375}\n"
                                "{\"step\":301,\"lo";

static void
test_read (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = make_run ("read", MODEL "best=loss\n", two_tasks);
  g_autoptr (NddrRun) run = nddr_run_read (path, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (run->series->len, ==, 5);
  const NddrSeries *normal = nddr_run_find_series (run, "loss.normal"), *new = nddr_run_find_series (run, "new");
  g_assert_cmpuint (normal->values->len, ==, 2);
  g_assert_cmpfloat (g_array_index (normal->values, double, 1), ==, 0.25);
  g_assert_cmpint (g_array_index (new->steps, gint64, 0), ==, 100);
  g_assert_cmpint (nddr_run_last_step (run), ==, 100);
  g_assert_cmpuint (run->validations->len, ==, 3);
  g_autofree char *description = nddr_run_describe (run), *missing = nddr_run_get (run, "train", "missing");
  g_assert_cmpstr (description, ==, "vgg16, nddr, shortcut");
  g_assert_cmpstr (missing, ==, "");
  const NddrValidation *best = nddr_run_best (run);
  g_assert_cmpint (best->step, ==, 200);
  g_assert_cmpfloat (nddr_scores_get (best->scores, "normal.within_11.25"), ==, 0.486);
  g_assert_cmpfloat (nddr_scores_get (best->scores, "segmentation.class_iou.a.b"), ==, 0.25);
  g_assert_true (isnan (nddr_scores_get (best->scores, "segmentation.class_iou.none")));
  g_assert_true (isnan (nddr_scores_get (best->scores, "segmentation.class_iou")));
  g_assert_true (isnan (nddr_scores_get (best->scores, "depth.abs")));
  g_assert_true (isnan (nddr_scores_get (best->scores, "loss")));

  /* the first of equals, as the trainer keeps it; more is better; nothing to choose by */
  static const struct { const char *best; gint64 step; } choices[] = { { "normal.mean", 200 }, { "segmentation.miou", 300 }, { "depth.abs", 0 } };
  for (guint i = 0; i < G_N_ELEMENTS (choices); i++) {
    g_key_file_set_string (run->config, "train", "best", choices[i].best);
    best = nddr_run_best (run);
    g_assert_cmpint (best ? best->step : 0, ==, choices[i].step);
  }
}

static double
number (JsonObject *object, const char *a, const char *b)
{
  JsonNode *node = json_object_get_member (a ? json_object_get_object_member (object, a) : object, b);
  g_assert_nonnull (node);
  return JSON_NODE_HOLDS_NULL (node) ? NAN : json_node_get_double (node);
}

static void
test_gain (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *both = make_run ("both", MODEL "best=loss\n", two_tasks);
  g_autofree char *seg = make_file ("seg.json", "{" SEGMENTATION ("0.32") "}"), *normal = make_file ("normal.json", "{" NORMAL ("15") "}");
  g_autofree char *three = make_file ("three.json", "{" NORMAL ("12") "," DEPTH ("0.5") "," SEGMENTATION ("0.4") "}");
  g_autofree char *depth = make_file ("depth.json", "{" DEPTH ("0.4") "}");
  g_autofree char *slashes = g_strconcat (both, "//", NULL);
  const char *const runs[] = { both, three, depth, slashes, NULL }, *const baselines[] = { seg, normal, NULL };
  g_autoptr (NddrComparison) comparison = nddr_comparison_new (runs, baselines, FALSE, &error);
  g_assert_no_error (error);
  g_autoptr (JsonNode) node = nddr_comparison_to_json (comparison);
  JsonObject *root = json_node_get_object (node);
  JsonArray *array = json_object_get_array_member (root, "runs");
  g_assert_cmpuint (json_array_get_length (array), ==, 5); /* both baselines first; one run given twice is one */
  g_assert_cmpstr (json_object_get_string_member (json_object_get_object_member (root, "baseline"), "normal"), ==, normal);
  g_assert_false (json_object_has_member (json_object_get_object_member (root, "baseline"), "depth"));
  JsonObject *of_seg = json_array_get_object_element (array, 0), *of_both = json_array_get_object_element (array, 2);
  JsonObject *of_three = json_array_get_object_element (array, 3), *of_depth = json_array_get_object_element (array, 4);
  g_assert_cmpfloat (number (of_seg, NULL, "delta_m"), ==, 0);
  g_assert_true (isnan (number (of_seg, "gain", "normal")));
  g_assert_cmpint (json_object_get_int_member (of_both, "step"), ==, 200);
  g_assert_cmpstr (json_object_get_string_member (of_both, "network"), ==, "vgg16, nddr, shortcut");
  g_assert_cmpfloat_with_epsilon (number (of_both, "gain", "segmentation"), (0.36 - 0.32) / 0.32, 1e-12);
  g_assert_cmpfloat_with_epsilon (number (of_both, "gain", "normal"), (15 - 13.5) / 15, 1e-12);
  g_assert_cmpfloat_with_epsilon (number (of_both, NULL, "delta_m"), ((0.36 - 0.32) / 0.32 + (15 - 13.5) / 15) / 2, 1e-12);
  g_assert_cmpfloat_with_epsilon (number (of_three, NULL, "delta_m"), ((0.4 - 0.32) / 0.32 + (15 - 12.0) / 15) / 2, 1e-12);
  g_assert_true (isnan (number (of_depth, NULL, "delta_m")));

  g_autofree char *text = nddr_comparison_to_text (comparison);
  g_assert_nonnull (strstr (text, "  13.5    12.3  20.0      48.6     70.0   80.0    36.0  64.1"));
  g_assert_nonnull (strstr (text, "+11.2*\n"));
  g_assert_nonnull (strstr (text, "*: over those tasks alone"));
  g_autofree char *markdown = nddr_comparison_to_markdown (comparison);
  g_assert_nonnull (strstr (markdown, "| vgg16, nddr, shortcut | 200/300 | 13.5 |"));
  g_assert_nonnull (strstr (markdown, "| **12.0** |"));
  g_assert_nonnull (strstr (markdown, "| normal ≤ 11.25° |"));

  /* the first run as baseline, with the last validations */
  const char *const two[] = { three, both, NULL };
  g_autoptr (NddrComparison) other = nddr_comparison_new (two, NULL, TRUE, &error);
  g_assert_no_error (error);
  g_autoptr (JsonNode) other_node = nddr_comparison_to_json (other);
  of_both = json_array_get_object_element (json_object_get_array_member (json_node_get_object (other_node), "runs"), 1);
  g_assert_cmpint (json_object_get_int_member (of_both, "step"), ==, 300);
  g_assert_cmpfloat_with_epsilon (number (of_both, NULL, "delta_m"), ((0.375 - 0.4) / 0.4 + (12 - 13.5) / 12) / 2, 1e-12);
}

/* A task's baseline is the first that has it, whatever later ones have of it. */
static void
test_first_baseline (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *run = make_file ("gain-run.json", "{" NORMAL ("12") "," SEGMENTATION ("0.4") "}");
  g_autofree char *first = make_file ("gain-first.json", "{" NORMAL ("16") "}");
  g_autofree char *second = make_file ("gain-second.json", "{" NORMAL ("24") "," SEGMENTATION ("0.32") "}");
  const char *const runs[] = { run, NULL }, *const baselines[] = { first, second, NULL };
  g_autoptr (NddrComparison) comparison = nddr_comparison_new (runs, baselines, FALSE, &error);
  g_assert_no_error (error);
  g_autoptr (JsonNode) node = nddr_comparison_to_json (comparison);
  JsonObject *root = json_node_get_object (node), *named = json_object_get_object_member (root, "baseline");
  JsonObject *of_run = json_array_get_object_element (json_object_get_array_member (root, "runs"), 2);
  g_assert_cmpstr (json_object_get_string_member (named, "normal"), ==, first);
  g_assert_cmpstr (json_object_get_string_member (named, "segmentation"), ==, second);
  g_assert_cmpfloat_with_epsilon (number (of_run, "gain", "normal"), (16 - 12.0) / 16, 1e-12);
  g_assert_cmpfloat_with_epsilon (number (of_run, "gain", "segmentation"), (0.4 - 0.32) / 0.32, 1e-12);
}

/* What the published code would say is shown, but is no task of its own. */
static void
test_paper (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *a = make_file ("paper-a.json", "{" NORMAL ("20") ",\"normal_paper\":{\"mean\":10,\"within_11.25\":0.6}}");
  g_autofree char *b = make_file ("paper-b.json", "{" NORMAL ("15") ",\"normal_paper\":{\"mean\":9,\"within_11.25\":0.7}}");
  const char *const runs[] = { a, b, NULL };
  g_autoptr (NddrComparison) comparison = nddr_comparison_new (runs, NULL, FALSE, &error);
  g_assert_no_error (error);
  g_autofree char *text = nddr_comparison_to_text (comparison);
  g_assert_nonnull (strstr (text, "normal_paper"));
  g_assert_nonnull (strstr (text, "+25.0\n"));
  g_assert_null (strstr (text, "over those tasks alone"));
}

/* Names and bars do not leave their cells, nor reach a terminal as more than text. */
static void
test_escaping (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = make_file ("a|b\n\033[31m.json", "{" NORMAL ("20") "}");
  const char *const runs[] = { path, NULL };
  g_autoptr (NddrComparison) comparison = nddr_comparison_new (runs, NULL, FALSE, &error);
  g_assert_no_error (error);
  g_autofree char *text = nddr_comparison_to_text (comparison), *markdown = nddr_comparison_to_markdown (comparison);
  g_assert_null (strchr (text, '\033'));
  g_assert_nonnull (strstr (text, "a|b  [31m.json"));
  g_assert_nonnull (strstr (markdown, "a\\|b  \\[31m.json |"));
}

/* Columns stand below one another where a name's letters are two places wide, or none. */
static void
test_wide_names (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *wide = make_file ("実行.json", "{" NORMAL ("20") "}"), *accent = make_file ("e\314\201.json", "{" NORMAL ("30") "}");
  const char *const runs[] = { wide, accent, NULL };
  g_autoptr (NddrComparison) comparison = nddr_comparison_new (runs, NULL, FALSE, &error);
  g_assert_no_error (error);
  g_autofree char *text = nddr_comparison_to_text (comparison);
  const char *first = strstr (text, "20.0"), *second = strstr (text, "30.0");
  while (first[-1] != '\n')
    first--;
  while (second[-1] != '\n')
    second--;
  g_autofree char *before_first = g_strndup (first, strstr (first, "20.0") - first), *before_second = g_strndup (second, strstr (second, "30.0") - second);
  g_assert_cmpint (g_utf8_strlen (before_first, -1) + 2, ==, g_utf8_strlen (before_second, -1) - 1);
}

static void
expect_failure (const char *path, const char *part)
{
  g_autoptr (GError) error = NULL;
  const char *const runs[] = { path, NULL };
  g_autoptr (NddrComparison) comparison = nddr_comparison_new (runs, NULL, FALSE, &error);
  g_assert_null (comparison);
  if (!strstr (error->message, part))
    g_error ("%s: \"%s\" does not say \"%s\"", path, error->message, part);
}

static void
test_failures (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *no_config = make_run ("no-config", NULL, two_tasks), *no_log = make_run ("no-log", MODEL, NULL);
  g_autofree char *young = make_run ("young", MODEL, "{\"step\":1,\"loss\":2}\n"),
      *broken = make_run ("broken", MODEL, "{\"step\":1,\"loss\":2}\nstep 2\n");
  g_autofree char *unchosen = make_run ("unchosen", MODEL "best=depth.abs\n", two_tasks), *key_file = make_run ("key-file", "model = ", two_tasks);
  g_autofree char *list = make_file ("list.json", "[1]"), *empty = make_file ("empty.json", "{\"a\":1}"), *text = make_file ("text.json", "hello");
  g_autofree char *a = make_file ("kind-a.json", "{" NORMAL ("1") "}"), *b = make_file ("kind-b.json", "{\"normal\":{\"rel\":1}}");
  g_autofree char *nested = g_strnfill (400000, '['), *deep_line = g_strconcat ("{\"step\":1,\"x\":", nested, NULL);
  g_autofree char *deep_lines = g_strconcat (deep_line, "\n{}\n", NULL);
  g_autofree char *deep = make_file ("deep.json", nested), *deep_object = make_file ("deep-object.json", deep_line);
  g_autofree char *deep_run = make_run ("deep", MODEL, deep_lines);
  expect_failure (deep, "neither a run's folder");
  expect_failure (deep_object, "neither a run's folder");
  expect_failure (deep_run, "log.jsonl, line 1");
  expect_failure ("no-such-run", "no-such-run");
  expect_failure (no_config, "it has no config.ini");
  expect_failure (no_log, "it has no log.jsonl");
  expect_failure (young, "no validation in its log yet");
  expect_failure (broken, "log.jsonl, line 2");
  expect_failure (unchosen, "depth.abs");
  expect_failure (key_file, "config.ini");
  expect_failure (list, "neither a run's folder");
  expect_failure (text, "neither a run's folder");
  expect_failure (empty, "no scores of any task");
  const char *const runs[] = { a, b, NULL };
  g_assert_null (nddr_comparison_new (runs, NULL, FALSE, &error));
  g_assert_nonnull (strstr (error->message, "task normal is a normal in"));
  g_assert_nonnull (strstr (error->message, "and a depth in"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  folder = fixture_folder ();
  g_test_add_func ("/compare/read", test_read);
  g_test_add_func ("/compare/gain", test_gain);
  g_test_add_func ("/compare/first-baseline", test_first_baseline);
  g_test_add_func ("/compare/paper", test_paper);
  g_test_add_func ("/compare/escaping", test_escaping);
  g_test_add_func ("/compare/wide-names", test_wide_names);
  g_test_add_func ("/compare/failures", test_failures);
  int status = g_test_run ();
  fixture_remove (folder);
  return status;
}
