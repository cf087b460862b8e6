/* See journal.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/events.h>
#include <train/journal.h>
#include <train/run-folder.h>

#include <errno.h>
#include <math.h>
#include <nddr/error.h>
#include <nddr/whole-file.h>
#include <stdio.h>
#include <string.h>

struct _NddrJournal
{
  char *path;
  FILE *file;
  NddrEvents *events;
  gboolean validated;  /* the log has the validation of the step that it was opened with */
  gboolean has_labels; /* pictures and labels, which do not change, are written */
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

/* *@validated: whether there is a validation of @last_step */
static gboolean
drop_later_lines (const char *path, gint64 last_step, gboolean *validated, GError **error)
{
  g_autofree char *text = NULL;
  if (last_step > 0 && nddr_is_absent (path))
    return TRUE;
  if (last_step > 0 && !(text = nddr_read_text (path, error)))
    return FALSE;
  g_autoptr (GString) kept = g_string_new (NULL);
  g_auto (GStrv) lines = g_strsplit (text ? text : "", "\n", -1);
  for (int i = 0; lines[i] && lines[i + 1]; i++) { /* what no end of line follows was cut short */
    gint64 step = line_step (lines[i]);
    *validated |= step == last_step && strstr (lines[i], ",\"val\":{");
    if (step <= last_step)
      g_string_append_printf (kept, "%s\n", lines[i]);
  }
  return nddr_whole_file_write (path, kept->str, kept->len, error);
}

static gboolean
open_log (NddrJournal *journal, GError **error)
{
  g_clear_pointer (&journal->file, fclose);
  journal->file = fopen (journal->path, "ae");
  return journal->file || nddr_fail (error, NDDR_ERROR_FILE, "cannot write %s: %s", journal->path, g_strerror (errno));
}

NddrJournal *
nddr_journal_open (const char *folder, gint64 last_step, GError **error)
{
  g_autoptr (NddrJournal) journal = g_new0 (NddrJournal, 1);
  journal->path = g_build_filename (folder, "log.jsonl", NULL);
  if (!drop_later_lines (journal->path, last_step, &journal->validated, error) || !open_log (journal, error))
    return NULL;
  journal->events = nddr_events_open (folder, last_step, error);
  return journal->events ? g_steal_pointer (&journal) : NULL;
}

gboolean
nddr_journal_was_validated (const NddrJournal *journal)
{
  return journal->validated;
}

void
nddr_journal_close (NddrJournal *journal)
{
  if (!journal)
    return;
  if (journal->file)
    fclose (journal->file);
  g_clear_pointer (&journal->events, nddr_events_close);
  g_free (journal->path);
  g_free (journal);
}

static gboolean
write_line (NddrJournal *journal, const char *line, GError **error)
{
  if (!nddr_run_folder_has (journal->file, journal->path) && !open_log (journal, error))
    return FALSE;
  if (fputs (line, journal->file) >= 0 && fputc ('\n', journal->file) >= 0 && fflush (journal->file) == 0)
    return TRUE;
  return nddr_fail (error, NDDR_ERROR_FILE, "cannot write %s: %s", journal->path, g_strerror (errno));
}

/* JSON has no word for what is not finite but null. */
static void
append_number (GString *line, const char *name, double number)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];
  g_string_append_printf (line, ",\"%s\":%s", name, isfinite (number) ? g_ascii_formatd (buffer, sizeof buffer, "%.9g", number) : "null");
}

gboolean
nddr_journal_step (NddrJournal *journal, gint64 step, double loss, const NddrTask *tasks, guint n_tasks, const double *losses, double rate,
    double images_per_s, double data_wait_s, guint n_skipped, const NddrFigure *more, guint n_more, GError **error)
{
  g_autoptr (GString) line = g_string_new (NULL);
  g_string_append_printf (line, "{\"step\":%" G_GINT64_FORMAT, step);
  append_number (line, "loss", loss);
  gboolean fine = nddr_events_add (journal->events, step, "loss", loss, error);
  for (guint t = 0; fine && t < n_tasks; t++) {
    g_autofree char *name = g_strconcat ("loss.", tasks[t].name, NULL);
    append_number (line, name, losses[t]);
    fine = nddr_events_add (journal->events, step, name, losses[t], error);
  }
  append_number (line, "lr", rate);
  for (guint i = 0; fine && i < n_more; i++) {
    append_number (line, more[i].name, more[i].value);
    fine = nddr_events_add (journal->events, step, more[i].name, more[i].value, error);
  }
  const NddrFigure last[] = { { "images_per_s", images_per_s }, { "data_wait_s", data_wait_s }, { "skipped", n_skipped } };
  for (guint i = 0; fine && i < G_N_ELEMENTS (last) - (n_skipped == 0); i++) {
    append_number (line, last[i].name, last[i].value);
    fine = nddr_events_add (journal->events, step, last[i].name, last[i].value, error);
  }
  g_string_append_c (line, '}');
  return fine && nddr_events_add (journal->events, step, "lr", rate, error) && write_line (journal, line->str, error);
}

/* The numbers of an object and of those in it, as PREFIX/NAME. */
static gboolean
add_scores (NddrJournal *journal, gint64 step, const char *prefix, JsonNode *node, GError **error)
{
  JsonObjectIter iter;
  const char *name;
  JsonNode *member;
  if (JSON_NODE_HOLDS_VALUE (node))
    return nddr_events_add (journal->events, step, prefix, json_node_get_double (node), error);
  if (!JSON_NODE_HOLDS_OBJECT (node))
    return TRUE; /* a score that no pixel defines */
  json_object_iter_init (&iter, json_node_get_object (node));
  while (json_object_iter_next (&iter, &name, &member)) {
    g_autofree char *tag = g_strconcat (prefix, "/", name, NULL);
    if (!add_scores (journal, step, tag, member, error))
      return FALSE;
  }
  return TRUE;
}

gboolean
nddr_journal_validation (NddrJournal *journal, gint64 step, double loss, JsonNode *metrics, const char *best, GError **error)
{
  g_autofree char *text = json_to_string (metrics, FALSE);
  g_autoptr (GString) line = g_string_new (NULL);
  g_string_append_printf (line, "{\"step\":%" G_GINT64_FORMAT ",\"val\":%s", step, text);
  append_number (line, "val_loss", loss);
  if (best) {
    g_autoptr (JsonNode) name = json_node_init_string (json_node_alloc (), best); /* a class's may hold anything */
    g_autofree char *quoted = json_to_string (name, FALSE);
    g_string_append_printf (line, ",\"best\":%s", quoted);
  }
  g_string_append_c (line, '}');
  return add_scores (journal, step, "val", metrics, error) && nddr_events_add (journal->events, step, "val_loss", loss, error)
      && write_line (journal, line->str, error);
}

/* Tags with one beginning stand together in TensorBoard, in the alphabet's order. */
static gboolean
add_picture (NddrJournal *journal, gint64 step, const NddrGalleryItem *item, const char *task, const char *what, const NddrPicture *picture, GError **error)
{
  g_autofree char *tag = task ? g_strdup_printf ("samples/%s/%s/%s", item->name, task, what) : g_strdup_printf ("samples/%s/%s", item->name, what);
  return !picture->bytes
      || nddr_events_add_image (journal->events, step, tag, item->width, item->height, picture->channels, picture->bytes, error);
}

gboolean
nddr_journal_pictures (NddrJournal *journal, gint64 step, const NddrTask *tasks, guint n_tasks, const NddrGallery *gallery, GError **error)
{
  for (guint i = 0; i < nddr_gallery_get_size (gallery); i++) {
    const NddrGalleryItem *item = nddr_gallery_get (gallery, i);
    if (!item)
      continue;
    if (!journal->has_labels && !add_picture (journal, step, item, NULL, "input", &item->input, error))
      return FALSE;
    for (guint t = 0; t < n_tasks; t++)
      if ((!journal->has_labels && !add_picture (journal, step, item, tasks[t].name, "label", &item->labels[t], error))
          || !add_picture (journal, step, item, tasks[t].name, "prediction", &item->predictions[t], error))
        return FALSE;
  }
  journal->has_labels = TRUE;
  return TRUE;
}
