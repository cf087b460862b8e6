/* A comparison as a table of text or Markdown: see compare.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/compare-private.h>

#include <math.h>
#include <string.h>

/* Cells of text, whatever they are printed as. */
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

enum { RUN_COLUMN, NETWORK_COLUMN, STEP_COLUMN, FIRST_SCORE };

static void
fill_column (Table *table, const NddrComparison *comparison, guint c)
{
  const NddrComparisonColumn *column = &g_array_index (comparison->columns, NddrComparisonColumn, c);
  const NddrComparisonTask *task = nddr_comparison_task (comparison, column->task);
  double best = NAN;
  table->groups[FIRST_SCORE + c] = task->name;
  set_cell (table, 0, FIRST_SCORE + c, g_strdup (column->metric->title));
  for (guint i = 0; i < comparison->entries->len; i++) {
    double score = nddr_comparison_score (nddr_comparison_entry (comparison, i), task, column->metric);
    set_cell (table, 1 + i, FIRST_SCORE + c, nddr_score_format (score, column->metric->unit));
    best = !isfinite (score) ? best : column->metric->more_is_better ? fmax (best, score) : fmin (best, score);
  }
  for (guint i = 0; comparison->entries->len > 1 && i < comparison->entries->len; i++)
    table->best[(1 + i) * table->n_columns + FIRST_SCORE + c] = nddr_comparison_score (nddr_comparison_entry (comparison, i), task, column->metric) == best;
}

static void
fill_gains (Table *table, const NddrComparison *comparison)
{
  guint column = table->n_columns - 1, n, missing;
  gboolean partial = FALSE;
  set_cell (table, 0, column, g_strdup ("Δm %"));
  for (guint i = 0; i < comparison->entries->len; i++) {
    char buffer[G_ASCII_DTOSTR_BUF_SIZE];
    double gain = nddr_comparison_delta_m (comparison, nddr_comparison_entry (comparison, i), &n, &missing);
    partial |= n && missing;
    if (isfinite (gain))
      set_cell (table, 1 + i, column, g_strconcat (g_ascii_formatd (buffer, sizeof buffer, "%+.1f", gain * 100), missing ? "*" : "", NULL));
    else
      set_cell (table, 1 + i, column, g_strdup ("–"));
  }
  g_string_append (table->notes,
      "Fractions in percent, normals in degrees, depth in metres. Δm: mean relative gain of mIoU, mean angle and depth rmse over ");
  for (guint b = 0; b < comparison->baselines->len; b++) {
    g_autofree char *name = g_utf8_make_valid (nddr_comparison_entry (comparison, g_array_index (comparison->baselines, guint, b))->name, -1);
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
    const NddrComparisonEntry *entry = nddr_comparison_entry (comparison, i);
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

/* How many columns of a terminal @text takes: a letter of Chinese, Japanese or Korean two, an accent of its own none. */
static glong
count_places (const char *text)
{
  glong n = 0;
  for (const char *p = text; *p; p = g_utf8_next_char (p)) {
    gunichar c = g_utf8_get_char (p);
    n += g_unichar_iscntrl (c) ? 1 : g_unichar_iszerowidth (c) ? 0 : g_unichar_iswide (c) ? 2 : 1;
  }
  return n;
}

/* Columns' widths, wide enough for the names of groups, too. */
static glong *
measure_columns (const Table *table)
{
  glong *widths = g_new0 (glong, table->n_columns);
  for (guint i = 0; i < table->n_rows * table->n_columns; i++)
    widths[i % table->n_columns] = MAX (widths[i % table->n_columns], count_places (table->cells[i]));
  for (guint c = 0, end; c < table->n_columns; c = end) {
    glong width = -GAP;
    for (end = c; end < table->n_columns && table->groups[end] == table->groups[c]; end++)
      width += widths[end] + GAP;
    if (table->groups[c])
      widths[c] += MAX (0, count_places (table->groups[c]) - width);
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
      written = at + count_places (table->groups[c]);
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
    int pad = widths[c] - count_places (table.cells[i]);
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
