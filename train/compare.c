/* See compare.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/compare-private.h>

#include <math.h>
#include <nddr/error.h>
#include <nddr/json.h>
#include <string.h>
#include <train/run.h>

#define PAPER "_paper" /* behind a task's name: scored as the published code does */
#define N_KINDS 3

static void
entry_free (gpointer data)
{
  NddrComparisonEntry *entry = data;
  g_free (entry->name);
  g_free (entry->network);
  g_clear_pointer (&entry->scores, json_node_unref);
  g_free (entry);
}

static void
task_clear (gpointer data)
{
  NddrComparisonTask *task = data;
  g_free (task->name);
  g_free (task->first);
}

void
nddr_comparison_free (NddrComparison *comparison)
{
  if (!comparison)
    return;
  g_clear_pointer (&comparison->entries, g_ptr_array_unref);
  g_clear_pointer (&comparison->tasks, g_array_unref);
  g_clear_pointer (&comparison->columns, g_array_unref);
  g_clear_pointer (&comparison->baselines, g_array_unref);
  g_free (comparison);
}

/* ---- reading */

static gboolean
read_run (NddrComparisonEntry *entry, gboolean last, GError **error)
{
  g_autoptr (NddrRun) run = nddr_run_read (entry->name, error);
  if (!run)
    return FALSE;
  guint n = run->validations->len;
  const NddrValidation *validation = last && n ? run->validations->pdata[n - 1] : nddr_run_best (run);
  if (!validation) {
    g_autofree char *best = nddr_run_get (run, "train", "best");
    if (n)
      g_set_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT,
          "no validation of %s has the score that its best model is chosen by, %s: --last takes the last one",
          entry->name, best);
    else
      g_set_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT,
          "%s has no validation in its log yet: there is one every val_every steps, where [data] val is given",
          entry->name);
    return FALSE;
  }
  g_autofree char *steps = nddr_run_get (run, "train", "steps");
  entry->network = nddr_run_describe (run);
  entry->step = validation->step;
  entry->steps = g_ascii_strtoll (steps, NULL, 10);
  entry->scores = json_node_ref (validation->scores);
  return TRUE;
}

/* What `nddr eval --json` printed. */
static gboolean
read_scores (NddrComparisonEntry *entry, GError **error)
{
  g_autofree char *text = NULL;
  if (!g_file_get_contents (entry->name, &text, NULL, error))
    return FALSE;
  entry->network = g_strdup ("");
  entry->scores = nddr_json_parse_object (text, strlen (text), entry->name, NULL);
  if (entry->scores)
    return TRUE;
  return nddr_fail (error, NDDR_ERROR_FORMAT, "%s is neither a run's folder nor what nddr eval --json prints", entry->name);
}

/* "a/b/" is "a/b". */
static char *
trim_name (const char *name)
{
  char *trimmed = g_strdup (name);
  for (gsize n = strlen (trimmed); n > 1 && trimmed[n - 1] == '/'; n--)
    trimmed[n - 1] = '\0';
  return trimmed;
}

/* The entry of that name, read now where it is new. */
static gboolean
find_or_read (NddrComparison *comparison, const char *name, gboolean last, guint *index, GError **error)
{
  g_autofree char *trimmed = trim_name (name);
  for (*index = 0; *index < comparison->entries->len; (*index)++)
    if (g_str_equal (nddr_comparison_entry (comparison, *index)->name, trimmed))
      return TRUE;
  NddrComparisonEntry *entry = g_new0 (NddrComparisonEntry, 1);
  entry->name = g_steal_pointer (&trimmed);
  g_ptr_array_add (comparison->entries, entry);
  return g_file_test (name, G_FILE_TEST_IS_REGULAR) ? read_scores (entry, error) : read_run (entry, last, error);
}

/* ---- tasks and columns */

/* A task's kind is seen from its scores. FALSE: none that is known. */
static gboolean
find_kind (JsonNode *node, NddrTaskKind *kind)
{
  static const struct
  {
    const char *member;
    NddrTaskKind kind;
  } signs[] = { { "miou", NDDR_TASK_SEGMENTATION }, { "within_11.25", NDDR_TASK_NORMAL }, { "rel", NDDR_TASK_DEPTH } };
  for (guint i = 0; JSON_NODE_HOLDS_OBJECT (node) && i < G_N_ELEMENTS (signs); i++)
    if (json_object_has_member (json_node_get_object (node), signs[i].member)) {
      *kind = signs[i].kind;
      return TRUE;
    }
  return FALSE;
}

static gboolean
add_task (NddrComparison *comparison, const NddrComparisonEntry *entry, const char *name, NddrTaskKind kind, GError **error)
{
  for (guint t = 0; t < comparison->tasks->len; t++) {
    const NddrComparisonTask *task = nddr_comparison_task (comparison, t);
    if (!g_str_equal (task->name, name))
      continue;
    if (task->kind == kind)
      return TRUE;
    return nddr_fail (error, NDDR_ERROR_ARGUMENT, "task %s is a %s in %s and a %s in %s: they cannot be compared", name,
        nddr_task_kind_name (task->kind), task->first, nddr_task_kind_name (kind), entry->name);
  }
  NddrComparisonTask task = { g_strdup (name), kind, g_strdup (entry->name), FALSE };
  g_array_append_val (comparison->tasks, task);
  return TRUE;
}

static gboolean
collect_tasks (NddrComparison *comparison, GError **error)
{
  for (guint i = 0; i < comparison->entries->len; i++) {
    const NddrComparisonEntry *entry = nddr_comparison_entry (comparison, i);
    JsonObjectIter iter;
    const char *name;
    JsonNode *node;
    NddrTaskKind kind;
    guint known = 0;
    json_object_iter_init_ordered (&iter, json_node_get_object (entry->scores));
    while (json_object_iter_next_ordered (&iter, &name, &node))
      if (find_kind (node, &kind)) {
        known++;
        if (!add_task (comparison, entry, name, kind, error))
          return FALSE;
      }
    if (known == 0)
      return nddr_fail (error, NDDR_ERROR_FORMAT, "%s has no scores of any task: expected such as nddr eval --json prints", entry->name);
  }
  return TRUE;
}

/* Whether @name is another task's with PAPER behind it. */
static gboolean
is_published (const NddrComparison *comparison, const char *name)
{
  for (guint t = 0; t < comparison->tasks->len; t++) {
    const char *other = nddr_comparison_task (comparison, t)->name;
    if (g_str_has_prefix (name, other) && g_str_equal (name + strlen (other), PAPER))
      return TRUE;
  }
  return FALSE;
}

/* Normals first, as the paper's tables have them. */
static void
make_columns (NddrComparison *comparison)
{
  static const NddrTaskKind order[N_KINDS] = { NDDR_TASK_NORMAL, NDDR_TASK_SEGMENTATION, NDDR_TASK_DEPTH };
  guint n;
  const NddrMetric *all_metrics = nddr_metrics_list (&n);
  for (guint t = 0; t < comparison->tasks->len; t++) {
    NddrComparisonTask *task = &g_array_index (comparison->tasks, NddrComparisonTask, t);
    task->published = is_published (comparison, task->name);
  }
  for (guint k = 0; k < N_KINDS; k++)
    for (guint t = 0; t < comparison->tasks->len; t++)
      for (guint m = 0; nddr_comparison_task (comparison, t)->kind == order[k] && m < n; m++)
        if (all_metrics[m].kind == order[k]) {
          NddrComparisonColumn column = { t, &all_metrics[m] };
          g_array_append_val (comparison->columns, column);
        }
}

NddrComparison *
nddr_comparison_new (const char *const *runs, const char *const *baselines, gboolean last, GError **error)
{
  g_autoptr (NddrComparison) comparison = g_new0 (NddrComparison, 1);
  comparison->entries = g_ptr_array_new_with_free_func (entry_free);
  comparison->tasks = g_array_new (FALSE, FALSE, sizeof (NddrComparisonTask));
  g_array_set_clear_func (comparison->tasks, task_clear);
  comparison->columns = g_array_new (FALSE, FALSE, sizeof (NddrComparisonColumn));
  comparison->baselines = g_array_new (FALSE, FALSE, sizeof (guint));
  guint index;
  for (guint i = 0; baselines && baselines[i]; i++) {
    if (!find_or_read (comparison, baselines[i], last, &index, error))
      return NULL;
    g_array_append_val (comparison->baselines, index);
  }
  for (guint i = 0; runs[i]; i++)
    if (!find_or_read (comparison, runs[i], last, &index, error))
      return NULL;
  if (comparison->baselines->len == 0) {
    index = 0;
    g_array_append_val (comparison->baselines, index);
  }
  if (!collect_tasks (comparison, error))
    return NULL;
  make_columns (comparison);
  return g_steal_pointer (&comparison);
}

/* ---- scores and gains */

double
nddr_comparison_score (const NddrComparisonEntry *entry, const NddrComparisonTask *task, const NddrMetric *metric)
{
  g_autofree char *name = g_strconcat (task->name, ".", metric->name, NULL);
  return nddr_scores_get (entry->scores, name);
}

/* What a task is compared by. */
static const NddrMetric *
primary_metric (NddrTaskKind kind)
{
  static const char *const names[N_KINDS] = { [NDDR_TASK_SEGMENTATION] = "miou", [NDDR_TASK_NORMAL] = "mean", [NDDR_TASK_DEPTH] = "rmse" };
  guint n;
  const NddrMetric *all_metrics = nddr_metrics_list (&n);
  for (guint m = 0; m < n; m++)
    if (all_metrics[m].kind == kind && g_str_equal (all_metrics[m].name, names[kind]))
      return &all_metrics[m];
  g_return_val_if_reached (NULL);
}

const NddrComparisonEntry *
nddr_comparison_baseline (const NddrComparison *comparison, const NddrComparisonTask *task)
{
  for (guint b = 0; b < comparison->baselines->len; b++) {
    const NddrComparisonEntry *entry = nddr_comparison_entry (comparison, g_array_index (comparison->baselines, guint, b));
    if (isfinite (nddr_comparison_score (entry, task, primary_metric (task->kind))))
      return entry;
  }
  return NULL;
}

double
nddr_comparison_gain (const NddrComparison *comparison, const NddrComparisonEntry *entry, const NddrComparisonTask *task)
{
  const NddrMetric *metric = primary_metric (task->kind);
  const NddrComparisonEntry *baseline = nddr_comparison_baseline (comparison, task);
  if (task->published || !baseline)
    return NAN;
  double before = nddr_comparison_score (baseline, task, metric), now = nddr_comparison_score (entry, task, metric);
  double change = before > 0 ? (now - before) / before : NAN;
  return metric->more_is_better ? change : -change;
}

double
nddr_comparison_delta_m (const NddrComparison *comparison, const NddrComparisonEntry *entry, guint *n, guint *missing)
{
  double sum = 0;
  *n = *missing = 0;
  for (guint t = 0; t < comparison->tasks->len; t++) {
    const NddrComparisonTask *task = nddr_comparison_task (comparison, t);
    double gain = nddr_comparison_gain (comparison, entry, task);
    if (isfinite (gain)) {
      sum += gain;
      (*n)++;
    } else if (!task->published)
      (*missing)++;
  }
  return *n ? sum / *n : NAN;
}
