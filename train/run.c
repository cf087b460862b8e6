/* See run.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/run.h>

#include <math.h>
#include <nddr/error.h>
#include <nddr/json.h>
#include <nddr/whole-file.h>
#include <string.h>
#include <train/metrics.h>

const char *const nddr_run_files[] = { "config.ini", "log.jsonl", "checkpoint.safetensors", "model.safetensors", "best.safetensors", "report.html", NULL };

static void
series_free (gpointer data)
{
  NddrSeries *series = data;
  g_free (series->name);
  g_array_unref (series->steps);
  g_array_unref (series->values);
  g_free (series);
}

static void
validation_free (gpointer data)
{
  NddrValidation *validation = data;
  json_node_unref (validation->scores);
  g_free (validation);
}

void
nddr_run_free (NddrRun *run)
{
  if (!run)
    return;
  g_free (run->folder);
  g_clear_pointer (&run->config, g_key_file_unref);
  g_clear_pointer (&run->series, g_ptr_array_unref);
  g_clear_pointer (&run->validations, g_ptr_array_unref);
  g_free (run);
}

/* ---- numbers in JSON */

static gboolean
is_number (JsonNode *node)
{
  return JSON_NODE_HOLDS_VALUE (node) && (json_node_get_value_type (node) == G_TYPE_DOUBLE || json_node_get_value_type (node) == G_TYPE_INT64);
}

static double
member_number (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);
  return node && is_number (node) ? json_node_get_double (node) : NAN;
}

double
nddr_scores_get (JsonNode *scores, const char *name)
{
  static const char classes[] = "class_iou.";
  const char *dot = strchr (name, '.');
  g_autofree char *task = dot ? g_strndup (name, dot - name) : NULL;
  JsonNode *node = task && JSON_NODE_HOLDS_OBJECT (scores) ? json_object_get_member (json_node_get_object (scores), task) : NULL;
  if (!node || !JSON_NODE_HOLDS_OBJECT (node))
    return NAN;
  const char *metric = dot + 1;
  if (!g_str_has_prefix (metric, classes))
    return member_number (json_node_get_object (node), metric);
  node = json_object_get_member (json_node_get_object (node), "class_iou");
  return node && JSON_NODE_HOLDS_OBJECT (node) ? member_number (json_node_get_object (node), metric + strlen (classes)) : NAN;
}

/* ---- the log */

static NddrSeries *
find_or_add (NddrRun *run, const char *name)
{
  const NddrSeries *found = nddr_run_find_series (run, name);
  if (found)
    return (NddrSeries *) found;
  NddrSeries *series = g_new0 (NddrSeries, 1);
  series->name = g_strdup (name);
  series->steps = g_array_new (FALSE, FALSE, sizeof (gint64));
  series->values = g_array_new (FALSE, FALSE, sizeof (double));
  g_ptr_array_add (run->series, series);
  return series;
}

static void
add_step (NddrRun *run, gint64 step, JsonObject *line)
{
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;
  json_object_iter_init_ordered (&iter, line);
  while (json_object_iter_next_ordered (&iter, &name, &node)) {
    if (g_str_equal (name, "step") || (!is_number (node) && !JSON_NODE_HOLDS_NULL (node)))
      continue;
    NddrSeries *series = find_or_add (run, name);
    double value = is_number (node) ? json_node_get_double (node) : NAN;
    g_array_append_val (series->steps, step);
    g_array_append_val (series->values, value);
  }
}

/* One line. FALSE where it is none of ours. */
static gboolean
add_line (NddrRun *run, const char *text)
{
  g_autoptr (JsonNode) node = nddr_json_parse_object (text, strlen (text), "a line", NULL);
  if (!node)
    return FALSE;
  JsonObject *line = json_node_get_object (node);
  double number = member_number (line, "step");
  if (!(number >= 0 && number < 1e15))
    return FALSE;
  JsonNode *scores = json_object_get_member (line, "val");
  if (!scores) {
    add_step (run, number, line);
    return TRUE;
  }
  if (!JSON_NODE_HOLDS_OBJECT (scores))
    return FALSE;
  NddrValidation *validation = g_new0 (NddrValidation, 1);
  validation->step = number;
  validation->loss = member_number (line, "val_loss");
  validation->scores = json_node_copy (scores);
  validation->is_best = json_object_has_member (line, "best");
  g_ptr_array_add (run->validations, validation);
  return TRUE;
}

static gboolean
read_log (NddrRun *run, const char *path, GError **error)
{
  g_autofree char *text = nddr_read_text (path, error);
  if (!text)
    return FALSE;
  char *line = text, *end;
  for (guint number = 1; (end = strchr (line, '\n')); number++, line = end + 1) {
    *end = '\0';
    if (*line && !add_line (run, line))
      return nddr_fail (error, NDDR_ERROR_FORMAT, "%s, line %u: expected an object with a step, as nddr train writes it, found: %.60s",
          path, number, line);
  }
  return TRUE;
}

NddrRun *
nddr_run_read (const char *folder, GError **error)
{
  g_autofree char *config = g_build_filename (folder, "config.ini", NULL), *log = g_build_filename (folder, "log.jsonl", NULL);
  const char *missing = nddr_is_absent (config) ? "config.ini" : nddr_is_absent (log) ? "log.jsonl" : NULL;
  if (missing && !g_file_test (folder, G_FILE_TEST_IS_DIR)) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FILE, "there is no folder %s: expected the folder of a run, given to nddr train with -o", folder);
    return NULL;
  }
  if (missing) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FILE, "%s is no run: it has no %s; expected a folder that was given to nddr train with -o", folder,
        missing);
    return NULL;
  }
  g_autoptr (NddrRun) run = g_new0 (NddrRun, 1);
  run->folder = g_strdup (folder);
  run->config = g_key_file_new ();
  run->series = g_ptr_array_new_with_free_func (series_free);
  run->validations = g_ptr_array_new_with_free_func (validation_free);
  g_autofree char *text = nddr_read_text (config, error);
  if (!text)
    return NULL;
  if (!g_key_file_load_from_data (run->config, text, -1, G_KEY_FILE_NONE, error)) {
    g_prefix_error (error, "%s: ", config);
    return NULL;
  }
  return read_log (run, log, error) ? g_steal_pointer (&run) : NULL;
}

/* ---- what follows from it */

char *
nddr_run_get (const NddrRun *run, const char *section, const char *key)
{
  char *value = g_key_file_get_string (run->config, section, key, NULL);
  return value ? value : g_strdup ("");
}

const NddrSeries *
nddr_run_find_series (const NddrRun *run, const char *name)
{
  for (guint i = 0; i < run->series->len; i++)
    if (g_str_equal (((NddrSeries *) run->series->pdata[i])->name, name))
      return run->series->pdata[i];
  return NULL;
}

gint64
nddr_run_last_step (const NddrRun *run)
{
  const NddrSeries *loss = nddr_run_find_series (run, "loss");
  return loss && loss->steps->len ? g_array_index (loss->steps, gint64, loss->steps->len - 1) : 0;
}

/* Whether a score that is called so is better when it is more. */
static gboolean
is_more_better (const char *name)
{
  guint n;
  const NddrMetric *all_metrics = nddr_metrics_list (&n);
  const char *dot = strchr (name, '.');
  for (guint m = 0; dot && m < n; m++)
    if (g_str_equal (all_metrics[m].name, dot + 1))
      return all_metrics[m].more_is_better;
  return dot && g_str_has_prefix (dot + 1, "class_iou.");
}

/* The last that became best.safetensors.  The key may have changed since: then it was the best by another. */
static const NddrValidation *
last_best (const NddrRun *run)
{
  for (guint i = run->validations->len; i > 0; i--) {
    const NddrValidation *validation = run->validations->pdata[i - 1];
    if (validation->is_best)
      return validation;
  }
  return NULL;
}

const NddrValidation *
nddr_run_best (const NddrRun *run)
{
  const NddrValidation *said = last_best (run);
  if (said)
    return said;
  g_autofree char *name = nddr_run_get (run, "train", "best");
  gboolean by_loss = *name == '\0' || g_str_equal (name, "loss"), more = is_more_better (name);
  const NddrValidation *best = NULL;
  double best_score = NAN;
  for (guint i = 0; i < run->validations->len; i++) {
    const NddrValidation *validation = run->validations->pdata[i];
    double score = by_loss ? validation->loss : nddr_scores_get (validation->scores, name);
    if (!isfinite (score) || (best && (more ? score <= best_score : score >= best_score)))
      continue;
    best = validation;
    best_score = score;
  }
  return best;
}

char *
nddr_run_describe (const NddrRun *run)
{
  g_autofree char *backbone = nddr_run_get (run, "model", "backbone"), *fusion = nddr_run_get (run, "model", "fusion");
  g_autofree char *shortcut = nddr_run_get (run, "model", "shortcut"), *tasks = nddr_run_get (run, "model", "tasks");
  g_auto (GStrv) names = g_strsplit (tasks, ";", -1);
  guint n = 0;
  for (int i = 0; names[i]; i++)
    n += *g_strstrip (names[i]) != '\0';
  return g_strdup_printf ("%s, %s%s", backbone, n == 1 ? "single" : fusion, g_str_equal (shortcut, "true") ? ", shortcut" : "");
}
