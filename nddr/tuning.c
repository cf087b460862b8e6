/* Ways and tunings: see tuning.h.
 *
 * A file: a line that names format and version; a line for each shape, in order, the shape, a tab and the way; a line with the SHA-256 of what stands before
 * it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/tuning.h>

#include <nddr/nddr-version.h>
#include <nddr/ops/convolution.h>

#include <stdio.h>
#include <string.h>

#define FIRST_LINE "nddr-tuning 2 " NDDR_VERSION "\n"
#define DIGEST 64 /* digits */

static const char *const names[NDDR_N_WAYS] = { "choose", "direct", "winograd", "tile", "matrix" };

/* all but those on matrices, whose list convolution-matrix.c has */
static const struct
{
  gboolean software;
  NddrWay way;
} ways[] = {
  { TRUE, { NDDR_WAY_DIRECT, 8 } },
  { TRUE, { NDDR_WAY_DIRECT, 16 } },
  { TRUE, { NDDR_WAY_DIRECT, 24 } },
  { TRUE, { NDDR_WAY_DIRECT, 32 } },
  { TRUE, { NDDR_WAY_WINOGRAD, 1300 } },
  { TRUE, { NDDR_WAY_WINOGRAD, 2600 } },
  { TRUE, { NDDR_WAY_WINOGRAD, 5200 } },
  { FALSE, { NDDR_WAY_TILE, 64, 64 } },
  { FALSE, { NDDR_WAY_TILE, 64, 32 } },
  { FALSE, { NDDR_WAY_TILE, 64, 16 } },
  { FALSE, { NDDR_WAY_TILE, 32, 32 } },
  { FALSE, { NDDR_WAY_TILE, 32, 16 } },
};

struct _NddrTuning
{
  GHashTable *ways; /* char * -> NddrWay * */
  NddrWay uniform;  /* for shapes that are not there */
};

gboolean
nddr_way_nth (gboolean software, gboolean half, guint n, NddrWay *way)
{
  for (guint i = 0; i < G_N_ELEMENTS (ways); i++)
    if (ways[i].software == software && n-- == 0) {
      *way = ways[i].way;
      return TRUE;
    }
  *way = (NddrWay){ NDDR_WAY_MATRIX, n + 1, 0 };
  return !software && half && n < (guint) nddr_matrix_tiles ();
}

gboolean
nddr_way_equal (const NddrWay *a, const NddrWay *b)
{
  return a->kind == b->kind && a->a == b->a && a->b == b->b;
}

char *
nddr_way_print (const NddrWay *way)
{
  return g_strdup_printf ("%s %d %d", names[way->kind], way->a, way->b);
}

static gboolean
parse_way (const char *text, NddrWay *way)
{
  char name[16];
  int end = 0;

  if (sscanf (text, "%15s %d %d%n", name, &way->a, &way->b, &end) != 3 || text[end] != '\0')
    return FALSE;
  for (int k = NDDR_WAY_CHOOSE + 1; k < NDDR_N_WAYS; k++)
    if (g_str_equal (name, names[k])) {
      way->kind = k;
      return TRUE;
    }
  return FALSE;
}

NddrTuning *
nddr_tuning_new (void)
{
  NddrTuning *tuning = g_new0 (NddrTuning, 1);

  tuning->ways = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return tuning;
}

NddrTuning *
nddr_tuning_new_uniform (const NddrWay *way)
{
  NddrTuning *tuning = nddr_tuning_new ();

  tuning->uniform = *way;
  return tuning;
}

NddrTuning *
nddr_tuning_copy (const NddrTuning *tuning)
{
  NddrTuning *copy = nddr_tuning_new_uniform (&tuning->uniform);
  GHashTableIter iter;
  gpointer shape, way;

  g_hash_table_iter_init (&iter, tuning->ways);
  while (g_hash_table_iter_next (&iter, &shape, &way))
    nddr_tuning_set (copy, shape, way);
  return copy;
}

void
nddr_tuning_free (NddrTuning *tuning)
{
  if (!tuning)
    return;
  g_hash_table_unref (tuning->ways);
  g_free (tuning);
}

void
nddr_tuning_set (NddrTuning *tuning, const char *shape, const NddrWay *way)
{
  if (way->kind == NDDR_WAY_CHOOSE)
    g_hash_table_remove (tuning->ways, shape);
  else
    g_hash_table_replace (tuning->ways, g_strdup (shape), g_memdup2 (way, sizeof *way));
}

NddrWay
nddr_tuning_find (const NddrTuning *tuning, const char *shape)
{
  const NddrWay *way = tuning ? g_hash_table_lookup (tuning->ways, shape) : NULL;

  return way ? *way : tuning ? tuning->uniform : (NddrWay){ NDDR_WAY_CHOOSE };
}

guint
nddr_tuning_size (const NddrTuning *tuning)
{
  return g_hash_table_size (tuning->ways);
}

/* ---- files */

char *
nddr_tuning_print (const NddrTuning *tuning, gsize *bytes)
{
  g_autoptr (GList) shapes = g_list_sort (g_hash_table_get_keys (tuning->ways), (GCompareFunc) strcmp);
  g_autofree char *digest = NULL;
  GString *text = g_string_new (FIRST_LINE);

  for (GList *shape = shapes; shape; shape = shape->next) {
    g_autofree char *way = nddr_way_print (g_hash_table_lookup (tuning->ways, shape->data));

    g_string_append_printf (text, "%s\t%s\n", (const char *) shape->data, way);
  }
  digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256, text->str, text->len);
  g_string_append_printf (text, "%s\n", digest);
  *bytes = text->len;
  return g_string_free (text, FALSE);
}

static gboolean
parse_line (NddrTuning *tuning, const char *line)
{
  g_auto (GStrv) parts = g_strsplit (line, "\t", 3);
  NddrWay way;

  if (g_strv_length (parts) != 2 || !parse_way (parts[1], &way))
    return FALSE;
  nddr_tuning_set (tuning, parts[0], &way);
  return TRUE;
}

NddrTuning *
nddr_tuning_parse (const char *text, gsize bytes)
{
  g_autoptr (NddrTuning) tuning = nddr_tuning_new ();
  g_autofree char *digest = NULL, *body = NULL;
  g_auto (GStrv) lines = NULL;
  gsize size = bytes - DIGEST - 1, start = strlen (FIRST_LINE);

  if (bytes < start + DIGEST + 1 || memchr (text, '\0', bytes) || memcmp (text, FIRST_LINE, start) != 0 || text[bytes - 1] != '\n')
    return NULL;
  digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, size);
  if (memcmp (text + size, digest, DIGEST) != 0)
    return NULL;
  body = g_strndup (text + start, size - start);
  lines = g_strsplit (body, "\n", -1);
  for (guint i = 0; lines[i] && lines[i + 1]; i++) /* what is behind the last is empty */
    if (!parse_line (tuning, lines[i]))
      return NULL;
  return g_steal_pointer (&tuning);
}
