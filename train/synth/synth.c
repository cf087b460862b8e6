/* See synth.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "train/synth/synth.h"

#include <string.h>

#define MIN_SIZE 32
#define MAX_SIZE 4096

const NddrClass nddr_synth_classes[N_CLASSES] = {
  [CLASS_BED] = { (char *) "bed", 0xe6194b },
  [CLASS_BOOKS] = { (char *) "books", 0x3cb44b },
  [CLASS_CEILING] = { (char *) "ceiling", 0xffe119 },
  [CLASS_CHAIR] = { (char *) "chair", 0x4363d8 },
  [CLASS_FLOOR] = { (char *) "floor", 0xf58231 },
  [CLASS_FURNITURE] = { (char *) "furniture", 0x911eb4 },
  [CLASS_OBJECTS] = { (char *) "objects", 0x46f0f0 },
  [CLASS_PICTURE] = { (char *) "picture", 0xf032e6 },
  [CLASS_SOFA] = { (char *) "sofa", 0xbcf60c },
  [CLASS_TABLE] = { (char *) "table", 0xfabebe },
  [CLASS_TV] = { (char *) "tv", 0x008080 },
  [CLASS_WALL] = { (char *) "wall", 0xe6beff },
  [CLASS_WINDOW] = { (char *) "window", 0x9a6324 },
};

NddrSample *
nddr_synth_picture (guint64 seed, guint index, guint width, guint height, GError **error)
{
  NddrRandom random = nddr_random_init (seed, 0, index);
  guint64 room_seed = nddr_random_next (&random), view_seed = nddr_random_next (&random);
  Film film = { .seed = nddr_random_next (&random) };
  film.exposure = between (&random, 0.7f, 1.35f);
  film.warmth = between (&random, -1, 1);
  film.blur = between (&random, 0.2f, 0.9f);
  film.noise = between (&random, 0.002f, 0.028f);
  Room *room = room_new (room_seed, FALSE);
  Camera camera = room_view (room, view_seed);
  NddrSample *sample = render (room->scene, &camera, &film, width, height, error);
  room_free (room);
  return sample;
}

NddrSample *
nddr_synth_walk (guint64 seed, guint index, guint n, guint width, guint height, GError **error)
{
  Room *room = room_new (seed, TRUE);
  Camera camera = room_walk (room, seed, index, n);
  Film film = { .seed = seed + index, .exposure = 1, .blur = 0.35f, .noise = 0.008f };
  NddrSample *sample = render (room->scene, &camera, &film, width, height, error);
  room_free (room);
  return sample;
}

/* ---- as a data set */

typedef struct
{
  NddrSource base;
  guint64 seed;
  guint width, height;
} Synth;

static NddrSample *
synth_load (const NddrSource *source, guint index, NddrLabels labels, GError **error)
{
  const Synth *synth = (const Synth *) source;
  NddrSample *sample = nddr_synth_picture (synth->seed, index, synth->width, synth->height, error);
  if (!sample)
    return NULL;
  if (!(labels & NDDR_LABEL (NDDR_TASK_SEGMENTATION)))
    g_clear_pointer (&sample->segmentation, g_free);
  if (!(labels & NDDR_LABEL (NDDR_TASK_NORMAL)))
    g_clear_pointer (&sample->normal, g_free);
  if (!(labels & NDDR_LABEL (NDDR_TASK_DEPTH)))
    g_clear_pointer (&sample->depth, g_free);
  return sample;
}

static char *
synth_name (const NddrSource *source, guint index)
{
  return g_strdup_printf ("%05u", index);
}

static void
synth_free (NddrSource *source)
{
  g_free (source);
}

NddrSource *
nddr_synth_open (const char *where, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (where, ",", -1);
  g_auto (GStrv) sizes = g_strsplit (g_strv_length (parts) == 3 ? parts[2] : "", "x", -1);
  guint64 seed, count, width, height;
  if (g_strv_length (parts) != 3 || g_strv_length (sizes) != 2
      || !g_ascii_string_to_unsigned (parts[0], 10, 0, G_MAXUINT64, &seed, NULL)
      || !g_ascii_string_to_unsigned (parts[1], 10, 1, 10000000, &count, NULL)
      || !g_ascii_string_to_unsigned (sizes[0], 10, MIN_SIZE, MAX_SIZE, &width, NULL)
      || !g_ascii_string_to_unsigned (sizes[1], 10, MIN_SIZE, MAX_SIZE, &height, NULL)) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_ARGUMENT,
        "\"synth:%s\" is not of the form synth:SEED,COUNT,WxH, as in synth:1,500,320x240 "
        "(at least one picture, each side from %d to %d)",
        where, MIN_SIZE, MAX_SIZE);
    return NULL;
  }
  Synth *synth = g_new0 (Synth, 1);
  synth->base.size = count;
  synth->base.labels = NDDR_LABELS_ALL;
  synth->base.load = synth_load;
  synth->base.name = synth_name;
  synth->base.free = synth_free;
  synth->base.n_classes = N_CLASSES;
  synth->base.classes = g_new0 (NddrClass, N_CLASSES);
  for (guint i = 0; i < N_CLASSES; i++)
    synth->base.classes[i] = (NddrClass) { g_strdup (nddr_synth_classes[i].name), nddr_synth_classes[i].color };
  synth->seed = seed;
  synth->width = width;
  synth->height = height;
  return &synth->base;
}
