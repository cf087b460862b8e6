/* A data set: sources one after the other, and a cache in front of them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "train/dataset.h"

#include <nddr/allocate.h>
#include <string.h>

#include "train/classes.h"
#include "train/source.h"
#include "train/synth/synth.h"

typedef struct
{
  NddrSample *sample;
  NddrLabels labels; /* that it was loaded for */
} CacheEntry;

#define MAX_BROKEN_RUN 100

struct _NddrDataset
{
  GPtrArray *sources;        /* of NddrSource */
  guint size;
  NddrLabels labels;
  const NddrSource *classes; /* the source whose classes all share, or NULL */

  GMutex lock; /* of what follows */
  CacheEntry *cache;
  gsize cache_room;
  guint threads;      /* that read it; 0: as the processors are */
  gboolean skip;      /* broken samples */
  GHashTable *broken; /* number -> Broken */
  GString *news;      /* of broken samples, not yet asked for */
};

typedef struct
{
  NddrLabels labels; /* that it was loaded for */
  GError *error;
} Broken;

static void
free_broken (gpointer data)
{
  g_error_free (((Broken *) data)->error);
  g_free (data);
}

static NddrSource *
open_source (const char *spec, const char *default_split, GError **error)
{
  const char *colon = strchr (spec, ':');
  const char *where = colon ? colon + 1 : NULL;
  if (g_str_has_prefix (spec, "folder:"))
    return nddr_folder_open (where, default_split, error);
  if (g_str_has_prefix (spec, "synth:"))
    return nddr_synth_open (where, error);
  if (g_str_has_prefix (spec, "nddr:"))
    return nddr_published_open (where, error);
  if (g_str_has_prefix (spec, "nyuv2:"))
    return nddr_nyuv2_open (where, default_split, error);
  g_set_error (error, NDDR_ERROR, NDDR_ERROR_ARGUMENT,
      "\"%s\" is not a data set: folder:DIR[,SPLIT], nddr:DIR,LIST, nyuv2:FILE.mat[,SPLIT][,CLASSES] or synth:SEED,COUNT,WxH was expected, or several "
      "joined by '+'", spec);
  return NULL;
}

static gboolean
starts_source (const char *text)
{
  static const char *const kinds[] = { "folder:", "synth:", "nddr:", "nyuv2:" };
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (g_str_has_prefix (text, kinds[i]))
      return TRUE;
  return FALSE;
}

/** Parts of "a+b": a '+' joins only where another kind follows it, so that folders may have one in their name. */
static GPtrArray *
split_spec (const char *spec)
{
  GPtrArray *parts = g_ptr_array_new_with_free_func (g_free);
  const char *start = spec;
  for (const char *p = spec; *p; p++)
    if (*p == '+' && (starts_source (p + 1) || !p[1])) {
      g_ptr_array_add (parts, g_strndup (start, p - start));
      start = p + 1;
    }
  g_ptr_array_add (parts, g_strdup (start));
  return parts;
}

/** @before: the source before it that has classes */
static gboolean
same_classes (const NddrSource *before, const NddrSource *source, const char *spec, GError **error)
{
  guint n = source->n_classes;
  g_autofree char *difference
      = nddr_classes_difference (source->classes, n, spec, before->classes, before->n_classes, "the data sets before it");
  for (guint i = 0; i < n && !difference; i++)
    if (source->classes[i].color != before->classes[i].color)
      difference = g_strdup_printf ("%s shows class %u as #%06x, and the data sets before it as #%06x", spec, i, source->classes[i].color,
          before->classes[i].color);
  if (difference)
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT, "%s: joined data sets must agree", difference);
  return !difference;
}

static void
free_source (gpointer data)
{
  NddrSource *source = data;
  nddr_classes_free (source->classes, source->n_classes);
  source->free (source);
}

NddrDataset *
nddr_dataset_open (const char *spec, const char *default_split, GError **error)
{
  g_autoptr (NddrDataset) dataset = g_new0 (NddrDataset, 1);
  g_mutex_init (&dataset->lock);
  dataset->sources = g_ptr_array_new_with_free_func (free_source);
  dataset->broken = g_hash_table_new_full (NULL, NULL, NULL, free_broken);
  dataset->news = g_string_new (NULL);

  g_autoptr (GPtrArray) parts = split_spec (spec);
  for (guint i = 0; i < parts->len; i++) {
    NddrSource *source = open_source (parts->pdata[i], default_split, error);
    if (!source)
      return NULL;
    g_ptr_array_add (dataset->sources, source);
    if (source->classes && dataset->classes && !same_classes (dataset->classes, source, parts->pdata[i], error))
      return NULL;
    if (source->classes && !dataset->classes)
      dataset->classes = source;
    dataset->labels |= source->labels;
    dataset->size += source->size;
  }
  dataset->cache = nddr_try_alloc0 (dataset->size, sizeof *dataset->cache, "a data set's list of samples", error);
  return dataset->cache ? g_steal_pointer (&dataset) : NULL;
}

void
nddr_dataset_free (NddrDataset *dataset)
{
  if (!dataset)
    return;
  for (guint i = 0; dataset->cache && i < dataset->size; i++)
    nddr_sample_unref (dataset->cache[i].sample);
  g_free (dataset->cache);
  g_ptr_array_unref (dataset->sources);
  g_hash_table_unref (dataset->broken);
  g_string_free (dataset->news, TRUE);
  g_mutex_clear (&dataset->lock);
  g_free (dataset);
}

guint
nddr_dataset_size (const NddrDataset *dataset)
{
  return dataset->size;
}

NddrLabels
nddr_dataset_labels (const NddrDataset *dataset)
{
  return dataset->labels;
}

const NddrClass *
nddr_dataset_classes (const NddrDataset *dataset, guint *n_classes)
{
  *n_classes = dataset->classes ? dataset->classes->n_classes : 0;
  return dataset->classes ? dataset->classes->classes : NULL;
}

/** The source that @index lies in; makes @index count within it. */
static const NddrSource *
find_source (const NddrDataset *dataset, guint *index)
{
  for (guint i = 0; i < dataset->sources->len; i++) {
    const NddrSource *source = dataset->sources->pdata[i];
    if (*index < source->size)
      return source;
    *index -= source->size;
  }
  g_return_val_if_reached (NULL);
}

char *
nddr_dataset_name (const NddrDataset *dataset, guint index)
{
  const NddrSource *source = find_source (dataset, &index);
  return source->name (source, index);
}

void
nddr_dataset_set_cache (NddrDataset *dataset, gsize bytes)
{
  g_mutex_lock (&dataset->lock);
  dataset->cache_room = bytes;
  g_mutex_unlock (&dataset->lock);
}

/** Every epoch reads every sample as often as any other: to throw one out for another would gain nothing, so the first ones stay, but for those
 * with fewer labels than are wanted now, which what is measured before training leaves: they make room, if not for their own sample, then for one
 * that comes later. */
static void
cache_add (NddrDataset *dataset, guint index, NddrSample *sample, NddrLabels labels)
{
  CacheEntry *entry = &dataset->cache[index];
  gsize bytes = nddr_sample_bytes (sample);
  g_mutex_lock (&dataset->lock);
  gsize before = entry->sample ? nddr_sample_bytes (entry->sample) : 0;
  gboolean richer = labels != entry->labels && (entry->labels & ~labels) == 0;
  if (entry->sample && richer) {
    nddr_sample_unref (entry->sample);
    *entry = (CacheEntry) { NULL };
    dataset->cache_room += before;
  }
  if (!entry->sample && bytes <= dataset->cache_room) {
    *entry = (CacheEntry) { nddr_sample_ref (sample), labels };
    dataset->cache_room -= bytes;
  }
  g_mutex_unlock (&dataset->lock);
}

NddrSample *
nddr_dataset_load (NddrDataset *dataset, guint index, NddrLabels labels, GError **error)
{
  g_return_val_if_fail (index < dataset->size, NULL);
  NddrSample *sample = NULL;
  g_mutex_lock (&dataset->lock);
  if (dataset->cache[index].sample && (labels & ~dataset->cache[index].labels) == 0)
    sample = nddr_sample_ref (dataset->cache[index].sample);
  g_mutex_unlock (&dataset->lock);
  if (sample)
    return sample;

  guint within = index;
  const NddrSource *source = find_source (dataset, &within);
  sample = source->load (source, within, labels, error);
  if (sample)
    cache_add (dataset, index, sample, labels);
  return sample;
}

void
nddr_dataset_set_threads (NddrDataset *dataset, guint threads)
{
  g_mutex_lock (&dataset->lock);
  dataset->threads = threads;
  g_mutex_unlock (&dataset->lock);
}

guint
nddr_dataset_threads (NddrDataset *dataset)
{
  g_mutex_lock (&dataset->lock);
  guint threads = dataset->threads;
  g_mutex_unlock (&dataset->lock);
  return threads ? threads : MIN (NDDR_DATASET_MOST_THREADS, g_get_num_processors ());
}

/* ---- broken samples */

void
nddr_dataset_set_skip (NddrDataset *dataset, gboolean skip)
{
  g_mutex_lock (&dataset->lock);
  dataset->skip = skip;
  g_mutex_unlock (&dataset->lock);
}

/** Notes that sample @index is broken, if @problem says so and broken ones are skipped. FALSE: it is an error. */
static gboolean
note_broken (NddrDataset *dataset, guint index, NddrLabels labels, const GError *problem)
{
  if (!g_error_matches (problem, NDDR_ERROR, NDDR_ERROR_FILE) && !g_error_matches (problem, NDDR_ERROR, NDDR_ERROR_FORMAT))
    return FALSE;
  g_mutex_lock (&dataset->lock);
  gboolean skip = dataset->skip;
  if (skip && !g_hash_table_contains (dataset->broken, GUINT_TO_POINTER (index))) {
    Broken *broken = g_new (Broken, 1);
    *broken = (Broken) { labels, g_error_copy (problem) };
    g_hash_table_insert (dataset->broken, GUINT_TO_POINTER (index), broken);
    g_string_append_printf (dataset->news, "%s\n", problem->message);
  }
  g_mutex_unlock (&dataset->lock);
  return skip;
}

/** (transfer full): what is known to be wrong with sample @index and @labels; NULL: nothing. */
static GError *
find_broken (NddrDataset *dataset, guint index, NddrLabels labels)
{
  g_mutex_lock (&dataset->lock);
  const Broken *broken = dataset->skip ? g_hash_table_lookup (dataset->broken, GUINT_TO_POINTER (index)) : NULL;
  GError *problem = broken && (broken->labels & ~labels) == 0 ? g_error_copy (broken->error) : NULL;
  g_mutex_unlock (&dataset->lock);
  return problem;
}

/** As nddr_dataset_load(), but NULL with *@broken where the sample is to be skipped. */
static NddrSample *
load_or_skip (NddrDataset *dataset, guint index, NddrLabels labels, GError **broken, GError **error)
{
  GError *problem = find_broken (dataset, index, labels);
  NddrSample *sample = problem ? NULL : nddr_dataset_load (dataset, index, labels, &problem);
  if (sample)
    return sample;
  g_propagate_error (note_broken (dataset, index, labels, problem) ? broken : error, problem);
  return NULL;
}

NddrSample *
nddr_dataset_load_sound (NddrDataset *dataset, guint *index, NddrLabels labels, GError **error)
{
  g_autoptr (GError) first = NULL;
  guint most = MIN (dataset->size, MAX_BROKEN_RUN);
  for (guint i = 0; i < most; i++) {
    guint at = (*index + i) % dataset->size;
    g_autoptr (GError) broken = NULL;
    NddrSample *sample = load_or_skip (dataset, at, labels, &broken, error);
    if (sample)
      *index = at;
    if (sample || !broken)
      return sample;
    if (!first)
      first = g_steal_pointer (&broken);
  }
  g_set_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT, "%u samples in a row are broken, too many to skip; the first: %s", most, first->message);
  return NULL;
}

NddrSample *
nddr_dataset_load_if_sound (NddrDataset *dataset, guint index, NddrLabels labels, GError **error)
{
  g_autoptr (GError) broken = NULL;
  return load_or_skip (dataset, index, labels, &broken, error);
}

guint
nddr_dataset_count_broken (NddrDataset *dataset, char **news)
{
  g_mutex_lock (&dataset->lock);
  guint n = g_hash_table_size (dataset->broken);
  if (news) {
    *news = dataset->news->len ? g_strdup (dataset->news->str) : NULL;
    g_string_truncate (dataset->news, 0);
  }
  g_mutex_unlock (&dataset->lock);
  return n;
}
