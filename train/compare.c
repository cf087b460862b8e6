/* See compare.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/compare.h>

#include <math.h>
#include <nddr/json.h>
#include <string.h>
#include <train/metrics.h>
#include <train/run.h>

#define PAPER "_paper" /* behind a task's name: scored as the published code does */
#define N_KINDS 3

typedef struct
{
  char *name;    /* as it was given */
  char *network; /* "" where it is not known, as the next two are 0 */
  gint64 step, steps;
  JsonNode *scores;
} Entry;

/* A task that at least one entry has. */
typedef struct
{
  char *name;
  NddrTaskKind kind;
  char *first;        /* the entry it was found in, for messages */
  gboolean published; /* TASK_paper: no task of its own */
} Task;

/* A score of a task. */
typedef struct
{
  guint task;
  const NddrMeasure *measure;
} Column;

struct _NddrComparison
{
  GPtrArray *entries;   /* of Entry */
  GArray *tasks;        /* of Task, in the order of the columns */
  GArray *columns;      /* of Column */
  GArray *baselines;    /* of guint: entries, in the order of precedence */
};

static void
entry_free (gpointer data)
{
  Entry *entry = data;
  g_free (entry->name);
  g_free (entry->network);
  g_clear_pointer (&entry->scores, json_node_unref);
  g_free (entry);
}

static void
task_clear (gpointer data)
{
  Task *task = data;
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

static const Entry *
entry_at (const NddrComparison *comparison, guint i)
{
  return comparison->entries->pdata[i];
}

static const Task *
task_at (const NddrComparison *comparison, guint i)
{
  return &g_array_index (comparison->tasks, Task, i);
}

/* ---- reading */

static gboolean
read_run (Entry *entry, gboolean last, GError **error)
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
read_scores (Entry *entry, GError **error)
{
  g_autofree char *text = NULL;
  if (!g_file_get_contents (entry->name, &text, NULL, error))
    return FALSE;
  entry->network = g_strdup ("");
  entry->scores = nddr_json_parse_object (text, strlen (text), entry->name, NULL);
  if (entry->scores)
    return TRUE;
  g_set_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT, "%s is neither a run's folder nor what nddr eval --json prints", entry->name);
  return FALSE;
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
    if (g_str_equal (entry_at (comparison, *index)->name, trimmed))
      return TRUE;
  Entry *entry = g_new0 (Entry, 1);
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
add_task (NddrComparison *comparison, const Entry *entry, const char *name, NddrTaskKind kind, GError **error)
{
  for (guint t = 0; t < comparison->tasks->len; t++) {
    const Task *task = task_at (comparison, t);
    if (!g_str_equal (task->name, name))
      continue;
    if (task->kind == kind)
      return TRUE;
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_ARGUMENT, "task %s is a %s in %s and a %s in %s: they cannot be compared", name,
        nddr_task_kind_name (task->kind), task->first, nddr_task_kind_name (kind), entry->name);
    return FALSE;
  }
  Task task = { g_strdup (name), kind, g_strdup (entry->name), FALSE };
  g_array_append_val (comparison->tasks, task);
  return TRUE;
}

static gboolean
collect_tasks (NddrComparison *comparison, GError **error)
{
  for (guint i = 0; i < comparison->entries->len; i++) {
    const Entry *entry = entry_at (comparison, i);
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
    if (known == 0) {
      g_set_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT, "%s has no scores of any task: expected such as nddr eval --json prints", entry->name);
      return FALSE;
    }
  }
  return TRUE;
}

/* Whether @name is another task's with PAPER behind it. */
static gboolean
is_published (const NddrComparison *comparison, const char *name)
{
  for (guint t = 0; t < comparison->tasks->len; t++) {
    const char *other = task_at (comparison, t)->name;
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
  const NddrMeasure *measures = nddr_metrics_measures (&n);
  for (guint t = 0; t < comparison->tasks->len; t++) {
    Task *task = &g_array_index (comparison->tasks, Task, t);
    task->published = is_published (comparison, task->name);
  }
  for (guint k = 0; k < N_KINDS; k++)
    for (guint t = 0; t < comparison->tasks->len; t++)
      for (guint m = 0; task_at (comparison, t)->kind == order[k] && m < n; m++)
        if (measures[m].kind == order[k]) {
          Column column = { t, &measures[m] };
          g_array_append_val (comparison->columns, column);
        }
}

NddrComparison *
nddr_comparison_new (const char *const *runs, const char *const *baselines, gboolean last, GError **error)
{
  g_autoptr (NddrComparison) comparison = g_new0 (NddrComparison, 1);
  comparison->entries = g_ptr_array_new_with_free_func (entry_free);
  comparison->tasks = g_array_new (FALSE, FALSE, sizeof (Task));
  g_array_set_clear_func (comparison->tasks, task_clear);
  comparison->columns = g_array_new (FALSE, FALSE, sizeof (Column));
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

static double
score_of (const Entry *entry, const Task *task, const NddrMeasure *measure)
{
  g_autofree char *name = g_strconcat (task->name, ".", measure->name, NULL);
  return nddr_scores_get (entry->scores, name);
}

/* What a task is compared by. */
static const NddrMeasure *
primary_measure (NddrTaskKind kind)
{
  static const char *const names[N_KINDS] = { [NDDR_TASK_SEGMENTATION] = "miou", [NDDR_TASK_NORMAL] = "mean", [NDDR_TASK_DEPTH] = "rmse" };
  guint n;
  const NddrMeasure *measures = nddr_metrics_measures (&n);
  for (guint m = 0; m < n; m++)
    if (measures[m].kind == kind && g_str_equal (measures[m].name, names[kind]))
      return &measures[m];
  g_return_val_if_reached (NULL);
}

/* The first baseline that has a score of @task; NULL: none. */
static const Entry *
baseline_of (const NddrComparison *comparison, const Task *task)
{
  for (guint b = 0; b < comparison->baselines->len; b++) {
    const Entry *entry = entry_at (comparison, g_array_index (comparison->baselines, guint, b));
    if (isfinite (score_of (entry, task, primary_measure (task->kind))))
      return entry;
  }
  return NULL;
}

/* The relative gain in one task; NAN where one of both lacks it. */
static double
gain_of (const NddrComparison *comparison, const Entry *entry, const Task *task)
{
  const NddrMeasure *measure = primary_measure (task->kind);
  const Entry *baseline = baseline_of (comparison, task);
  if (task->published || !baseline)
    return NAN;
  double before = score_of (baseline, task, measure), now = score_of (entry, task, measure);
  double change = before > 0 ? (now - before) / before : NAN;
  return measure->more_is_better ? change : -change;
}

/* The mean over tasks; @n: over how many; @missing: how many of the baseline's tasks are left out. */
static double
delta_m (const NddrComparison *comparison, const Entry *entry, guint *n, guint *missing)
{
  double sum = 0;
  *n = *missing = 0;
  for (guint t = 0; t < comparison->tasks->len; t++) {
    const Task *task = task_at (comparison, t);
    double gain = gain_of (comparison, entry, task);
    if (isfinite (gain)) {
      sum += gain;
      (*n)++;
    } else if (!task->published)
      (*missing)++;
  }
  return *n ? sum / *n : NAN;
}

/* ---- tables: cells of text, whatever they are printed as */

typedef struct
{
  guint n_rows, n_columns; /* the heads are a row, too */
  const char **groups;     /* [column]: over the head: a task's name, which neighbours share; NULL: none */
  char **cells;            /* [row][column] */
  gboolean *best;          /* [row][column] */
  GString *notes;          /* lines below the table */
} Table;

static void
table_clear (Table *table)
{
  for (guint i = 0; i < table->n_rows * table->n_columns; i++)
    g_free (table->cells[i]);
  g_free (table->groups);
  g_free (table->cells);
  g_free (table->best);
  g_string_free (table->notes, TRUE);
}

static void
set_cell (Table *table, guint row, guint column, char *text)
{
  table->cells[row * table->n_columns + column] = text;
}

static char *
format_score (double value, NddrUnit unit)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];
  if (!isfinite (value))
    return g_strdup ("–");
  if (unit == NDDR_UNIT_FRACTION)
    return g_strdup (g_ascii_formatd (buffer, sizeof buffer, "%.1f", value * 100));
  return g_strdup (g_ascii_formatd (buffer, sizeof buffer, unit == NDDR_UNIT_DEGREES ? "%.1f" : "%.3f", value));
}

enum { RUN_COLUMN, NETWORK_COLUMN, STEP_COLUMN, FIRST_SCORE };

static void
fill_column (Table *table, const NddrComparison *comparison, guint c)
{
  const Column *column = &g_array_index (comparison->columns, Column, c);
  const Task *task = task_at (comparison, column->task);
  double best = NAN;
  table->groups[FIRST_SCORE + c] = task->name;
  set_cell (table, 0, FIRST_SCORE + c, g_strdup (column->measure->title));
  for (guint i = 0; i < comparison->entries->len; i++) {
    double score = score_of (entry_at (comparison, i), task, column->measure);
    set_cell (table, 1 + i, FIRST_SCORE + c, format_score (score, column->measure->unit));
    best = !isfinite (score) ? best : column->measure->more_is_better ? fmax (best, score) : fmin (best, score);
  }
  for (guint i = 0; comparison->entries->len > 1 && i < comparison->entries->len; i++)
    table->best[(1 + i) * table->n_columns + FIRST_SCORE + c] = score_of (entry_at (comparison, i), task, column->measure) == best;
}

static void
fill_gains (Table *table, const NddrComparison *comparison)
{
  guint column = table->n_columns - 1, n, missing;
  gboolean partial = FALSE;
  set_cell (table, 0, column, g_strdup ("Δm %"));
  for (guint i = 0; i < comparison->entries->len; i++) {
    char buffer[G_ASCII_DTOSTR_BUF_SIZE];
    double gain = delta_m (comparison, entry_at (comparison, i), &n, &missing);
    partial |= n && missing;
    if (isfinite (gain))
      set_cell (table, 1 + i, column, g_strconcat (g_ascii_formatd (buffer, sizeof buffer, "%+.1f", gain * 100), missing ? "*" : "", NULL));
    else
      set_cell (table, 1 + i, column, g_strdup ("–"));
  }
  g_string_append (table->notes,
      "Fractions in percent, normals in degrees, depth in metres. Δm: mean relative gain of mIoU, mean angle and depth rmse over ");
  for (guint b = 0; b < comparison->baselines->len; b++) {
    g_autofree char *name = g_utf8_make_valid (entry_at (comparison, g_array_index (comparison->baselines, guint, b))->name, -1);
    g_string_append_printf (table->notes, "%s%s", b ? ", " : "", g_strdelimit (name, "\n", ' '));
  }
  g_string_append (table->notes, ".\n");
  if (partial)
    g_string_append (table->notes, "*: over those tasks alone that it shares with the baseline.\n");
}

static void
table_init (Table *table, const NddrComparison *comparison)
{
  table->n_rows = comparison->entries->len + 1;
  table->n_columns = FIRST_SCORE + comparison->columns->len + 1;
  table->groups = g_new0 (const char *, table->n_columns);
  table->cells = g_new0 (char *, table->n_rows * table->n_columns);
  table->best = g_new0 (gboolean, table->n_rows * table->n_columns);
  table->notes = g_string_new (NULL);
  set_cell (table, 0, RUN_COLUMN, g_strdup ("run"));
  set_cell (table, 0, NETWORK_COLUMN, g_strdup ("network"));
  set_cell (table, 0, STEP_COLUMN, g_strdup ("step"));
  for (guint i = 0; i < comparison->entries->len; i++) {
    const Entry *entry = entry_at (comparison, i);
    set_cell (table, 1 + i, RUN_COLUMN, g_utf8_make_valid (entry->name, -1));
    set_cell (table, 1 + i, NETWORK_COLUMN, g_utf8_make_valid (entry->network, -1));
    set_cell (table, 1 + i, STEP_COLUMN,
        entry->steps ? g_strdup_printf ("%" G_GINT64_FORMAT "/%" G_GINT64_FORMAT, entry->step, entry->steps) : g_strdup (""));
  }
  for (guint c = 0; c < comparison->columns->len; c++)
    fill_column (table, comparison, c);
  fill_gains (table, comparison);
}

/* Cells without what would end one: control characters, and in Markdown bars. */
static void
append_clean (GString *out, const char *text, gboolean markdown)
{
  for (const char *p = text; *p; p = g_utf8_next_char (p)) {
    gunichar c = g_utf8_get_char (p);
    if (markdown && strchr ("\\|*_`<[", *p))
      g_string_append_c (out, '\\');
    g_string_append_unichar (out, g_unichar_iscntrl (c) ? ' ' : c);
  }
}

static void
append_notes (GString *text, const Table *table, gboolean markdown)
{
  g_auto (GStrv) notes = g_strsplit (table->notes->str, "\n", -1);
  g_string_append_c (text, '\n');
  for (int i = 0; notes[i] && *notes[i]; i++) {
    append_clean (text, notes[i], markdown);
    g_string_append (text, markdown ? "  \n" : "\n");
  }
}

#define GAP 2 /* between columns */

/* Columns' widths in characters, wide enough for the names of groups, too. */
static glong *
measure_columns (const Table *table)
{
  glong *widths = g_new0 (glong, table->n_columns);
  for (guint i = 0; i < table->n_rows * table->n_columns; i++)
    widths[i % table->n_columns] = MAX (widths[i % table->n_columns], g_utf8_strlen (table->cells[i], -1));
  for (guint c = 0, end; c < table->n_columns; c = end) {
    glong width = -GAP;
    for (end = c; end < table->n_columns && table->groups[end] == table->groups[c]; end++)
      width += widths[end] + GAP;
    if (table->groups[c])
      widths[c] += MAX (0, g_utf8_strlen (table->groups[c], -1) - width);
  }
  return widths;
}

/* The line over the heads: each group's name where its columns begin. */
static void
append_groups (GString *text, const Table *table, const glong *widths)
{
  glong at = 0, written = 0;
  for (guint c = 0; c < table->n_columns; c++) {
    if (table->groups[c] && (c == 0 || table->groups[c] != table->groups[c - 1])) {
      g_string_append_printf (text, "%*s", (int) (at - written), "");
      append_clean (text, table->groups[c], FALSE);
      written = at + g_utf8_strlen (table->groups[c], -1);
    }
    at += widths[c] + GAP;
  }
  g_string_append_c (text, '\n');
}

char *
nddr_comparison_to_text (const NddrComparison *comparison)
{
  Table table;
  table_init (&table, comparison);
  g_autofree glong *widths = measure_columns (&table);
  GString *text = g_string_new (NULL);
  append_groups (text, &table, widths);
  for (guint i = 0; i < table.n_rows * table.n_columns; i++) {
    guint c = i % table.n_columns;
    int pad = widths[c] - g_utf8_strlen (table.cells[i], -1);
    g_string_append_printf (text, "%*s", (c ? GAP : 0) + (c >= STEP_COLUMN ? pad : 0), "");
    append_clean (text, table.cells[i], FALSE);
    if (c < STEP_COLUMN)
      g_string_append_printf (text, "%*s", pad, "");
    else if (c + 1 == table.n_columns)
      g_string_append_c (text, '\n');
  }
  append_notes (text, &table, FALSE);
  table_clear (&table);
  return g_string_free (text, FALSE);
}

char *
nddr_comparison_to_markdown (const NddrComparison *comparison)
{
  Table table;
  table_init (&table, comparison);
  GString *text = g_string_new (NULL);
  for (guint row = 0; row < table.n_rows; row++) {
    for (guint c = 0; c < table.n_columns; c++) {
      const char *mark = table.best[row * table.n_columns + c] ? "**" : "";
      g_string_append_printf (text, "%s%s", c ? " | " : "| ", mark);
      if (row == 0 && table.groups[c])
        g_string_append_printf (text, "%s ", table.groups[c]);
      append_clean (text, table.cells[row * table.n_columns + c], TRUE);
      g_string_append (text, mark);
    }
    g_string_append (text, " |\n");
    for (guint c = 0; row == 0 && c < table.n_columns; c++)
      g_string_append (text, c == 0 ? "|---|" : c < STEP_COLUMN ? "---|" : "---:|");
    if (row == 0)
      g_string_append_c (text, '\n');
  }
  append_notes (text, &table, TRUE);
  table_clear (&table);
  return g_string_free (text, FALSE);
}

/* ---- JSON */

static void
build_number (JsonBuilder *builder, const char *name, double value)
{
  json_builder_set_member_name (builder, name);
  if (isfinite (value))
    json_builder_add_double_value (builder, value);
  else
    json_builder_add_null_value (builder);
}

static void
build_text (JsonBuilder *builder, const char *name, const char *value)
{
  g_autofree char *valid = g_utf8_make_valid (value, -1);
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, valid);
}

static void
build_entry (JsonBuilder *builder, const NddrComparison *comparison, const Entry *entry)
{
  guint n, missing;
  json_builder_begin_object (builder);
  build_text (builder, "run", entry->name);
  if (entry->steps) {
    build_text (builder, "network", entry->network);
    json_builder_set_member_name (builder, "step");
    json_builder_add_int_value (builder, entry->step);
    json_builder_set_member_name (builder, "steps");
    json_builder_add_int_value (builder, entry->steps);
  }
  json_builder_set_member_name (builder, "scores");
  json_builder_add_value (builder, json_node_copy (entry->scores));
  json_builder_set_member_name (builder, "gain");
  json_builder_begin_object (builder);
  for (guint t = 0; t < comparison->tasks->len; t++)
    if (!task_at (comparison, t)->published)
      build_number (builder, task_at (comparison, t)->name, gain_of (comparison, entry, task_at (comparison, t)));
  json_builder_end_object (builder);
  build_number (builder, "delta_m", delta_m (comparison, entry, &n, &missing));
  json_builder_end_object (builder);
}

JsonNode *
nddr_comparison_to_json (const NddrComparison *comparison)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "baseline");
  json_builder_begin_object (builder);
  for (guint t = 0; t < comparison->tasks->len; t++) {
    const Entry *baseline = baseline_of (comparison, task_at (comparison, t));
    if (baseline && !task_at (comparison, t)->published)
      build_text (builder, task_at (comparison, t)->name, baseline->name);
  }
  json_builder_end_object (builder);
  json_builder_set_member_name (builder, "runs");
  json_builder_begin_array (builder);
  for (guint i = 0; i < comparison->entries->len; i++)
    build_entry (builder, comparison, entry_at (comparison, i));
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  return json_builder_get_root (builder);
}
