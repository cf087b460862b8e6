/* See journal.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/journal.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct _NddrJournal
{
  char *path;
  FILE *file;
};

/* The step that a line of ours begins with; G_MAXINT64 where it is none. */
static gint64
line_step (const char *line)
{
  static const char start[] = "{\"step\":";
  char *end = NULL;
  if (!g_str_has_prefix (line, start))
    return G_MAXINT64;
  gint64 step = g_ascii_strtoll (line + strlen (start), &end, 10);
  return *end == ',' || *end == '}' ? step : G_MAXINT64;
}

static gboolean
drop_later_lines (const char *path, gint64 last_step, GError **error)
{
  g_autofree char *text = NULL;
  if (last_step > 0 && !g_file_get_contents (path, &text, NULL, NULL))
    return TRUE; /* there was none */
  g_autoptr (GString) kept = g_string_new (NULL);
  g_auto (GStrv) lines = g_strsplit (text ? text : "", "\n", -1);
  for (int i = 0; lines[i]; i++)
    if (line_step (lines[i]) <= last_step)
      g_string_append_printf (kept, "%s\n", lines[i]);
  return g_file_set_contents (path, kept->str, kept->len, error);
}

NddrJournal *
nddr_journal_open (const char *path, gint64 last_step, GError **error)
{
  if (!drop_later_lines (path, last_step, error))
    return NULL;
  FILE *file = fopen (path, "ae");
  if (!file)
    {
      g_set_error (error, NDDR_ERROR, NDDR_ERROR_FILE, "cannot write %s: %s", path, g_strerror (errno));
      return NULL;
    }
  NddrJournal *journal = g_new0 (NddrJournal, 1);
  journal->path = g_strdup (path);
  journal->file = file;
  return journal;
}

void
nddr_journal_close (NddrJournal *journal)
{
  if (!journal)
    return;
  fclose (journal->file);
  g_free (journal->path);
  g_free (journal);
}

static gboolean
write_line (NddrJournal *journal, const char *line, GError **error)
{
  if (fputs (line, journal->file) >= 0 && fputc ('\n', journal->file) >= 0 && fflush (journal->file) == 0)
    return TRUE;
  g_set_error (error, NDDR_ERROR, NDDR_ERROR_FILE, "cannot write %s: %s", journal->path, g_strerror (errno));
  return FALSE;
}

static void
append_number (GString *line, const char *name, const char *suffix, double number)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];
  g_string_append_printf (line, ",\"%s%s\":%s", name, suffix, g_ascii_formatd (buffer, sizeof buffer, "%.9g", number));
}

gboolean
nddr_journal_step (NddrJournal *journal, gint64 step, double loss, const NddrTask *tasks, guint n_tasks, const double *losses, double rate,
    double images_per_s, GError **error)
{
  g_autoptr (GString) line = g_string_new (NULL);
  g_string_append_printf (line, "{\"step\":%" G_GINT64_FORMAT, step);
  append_number (line, "loss", "", loss);
  for (guint t = 0; t < n_tasks; t++)
    append_number (line, "loss.", tasks[t].name, losses[t]);
  append_number (line, "lr", "", rate);
  append_number (line, "images_per_s", "", images_per_s);
  g_string_append_c (line, '}');
  return write_line (journal, line->str, error);
}

gboolean
nddr_journal_validation (NddrJournal *journal, gint64 step, double loss, JsonNode *metrics, GError **error)
{
  g_autofree char *text = json_to_string (metrics, FALSE);
  g_autoptr (GString) line = g_string_new (NULL);
  g_string_append_printf (line, "{\"step\":%" G_GINT64_FORMAT ",\"val\":%s", step, text);
  append_number (line, "val_loss", "", loss);
  g_string_append_c (line, '}');
  return write_line (journal, line->str, error);
}
