/* Algorithms and tunings: see tuning.h.
 *
 * A file: a line that names format and version; a line for each shape, in order, the shape, a tab and the algorithm; a line with the SHA-256 of
 * what stands before it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/tuning.h>

#include <nddr/nddr-version.h>
#include <nddr/ops/convolution.h>

#include <stdio.h>
#include <string.h>

#define FIRST_LINE "nddr-tuning 2 " NDDR_VERSION "\n"
#define DIGEST 64 /* digits */

static const char *const names[NDDR_N_ALGORITHMS] = { "choose", "direct", "winograd", "tile", "matrix" };

/* all but those on matrices, whose list convolution-matrix.c has */
static const struct
{
  gboolean software;
  NddrAlgorithm algorithm;
} algorithms[] = {
  { TRUE, { NDDR_ALGORITHM_DIRECT, 8 } },
  { TRUE, { NDDR_ALGORITHM_DIRECT, 16 } },
  { TRUE, { NDDR_ALGORITHM_DIRECT, 24 } },
  { TRUE, { NDDR_ALGORITHM_DIRECT, 32 } },
  { TRUE, { NDDR_ALGORITHM_DIRECT, 24, 1 } },
  { TRUE, { NDDR_ALGORITHM_DIRECT, 32, 1 } },
  { TRUE, { NDDR_ALGORITHM_WINOGRAD, 1300 } },
  { TRUE, { NDDR_ALGORITHM_WINOGRAD, 2600 } },
  { TRUE, { NDDR_ALGORITHM_WINOGRAD, 5200 } },
  { TRUE, { NDDR_ALGORITHM_WINOGRAD, 10400 } },
  { FALSE, { NDDR_ALGORITHM_TILE, 64, 64 } },
  { FALSE, { NDDR_ALGORITHM_TILE, 64, 32 } },
  { FALSE, { NDDR_ALGORITHM_TILE, 64, 16 } },
  { FALSE, { NDDR_ALGORITHM_TILE, 32, 32 } },
  { FALSE, { NDDR_ALGORITHM_TILE, 32, 16 } },
};

struct _NddrTuning
{
  GHashTable *algorithms; /* char * -> NddrAlgorithm * */
  NddrAlgorithm uniform;  /* for shapes that are not there */
};

gboolean
nddr_algorithm_nth (gboolean software, gboolean half, guint n, NddrAlgorithm *algorithm)
{
  for (guint i = 0; i < G_N_ELEMENTS (algorithms); i++)
    if (algorithms[i].software == software && n-- == 0) {
      *algorithm = algorithms[i].algorithm;
      return TRUE;
    }
  *algorithm = (NddrAlgorithm){ NDDR_ALGORITHM_MATRIX, n + 1, 0 };
  return !software && half && n < (guint) nddr_matrix_tiles ();
}

gboolean
nddr_algorithm_equal (const NddrAlgorithm *a, const NddrAlgorithm *b)
{
  return a->kind == b->kind && a->a == b->a && a->b == b->b;
}

char *
nddr_algorithm_print (const NddrAlgorithm *algorithm)
{
  return g_strdup_printf ("%s %d %d", names[algorithm->kind], algorithm->a, algorithm->b);
}

static gboolean
parse_algorithm (const char *text, NddrAlgorithm *algorithm)
{
  char name[16];
  int end = 0;

  if (sscanf (text, "%15s %d %d%n", name, &algorithm->a, &algorithm->b, &end) != 3 || text[end] != '\0')
    return FALSE;
  for (int k = NDDR_ALGORITHM_CHOOSE + 1; k < NDDR_N_ALGORITHMS; k++)
    if (g_str_equal (name, names[k])) {
      algorithm->kind = k;
      return TRUE;
    }
  return FALSE;
}

NddrTuning *
nddr_tuning_new (void)
{
  NddrTuning *tuning = g_new0 (NddrTuning, 1);

  tuning->algorithms = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return tuning;
}

NddrTuning *
nddr_tuning_new_uniform (const NddrAlgorithm *algorithm)
{
  NddrTuning *tuning = nddr_tuning_new ();

  tuning->uniform = *algorithm;
  return tuning;
}

NddrTuning *
nddr_tuning_copy (const NddrTuning *tuning)
{
  NddrTuning *copy = nddr_tuning_new_uniform (&tuning->uniform);
  GHashTableIter iter;
  gpointer shape, algorithm;

  g_hash_table_iter_init (&iter, tuning->algorithms);
  while (g_hash_table_iter_next (&iter, &shape, &algorithm))
    nddr_tuning_set (copy, shape, algorithm);
  return copy;
}

void
nddr_tuning_free (NddrTuning *tuning)
{
  if (!tuning)
    return;
  g_hash_table_unref (tuning->algorithms);
  g_free (tuning);
}

void
nddr_tuning_set (NddrTuning *tuning, const char *shape, const NddrAlgorithm *algorithm)
{
  if (algorithm->kind == NDDR_ALGORITHM_CHOOSE)
    g_hash_table_remove (tuning->algorithms, shape);
  else
    g_hash_table_replace (tuning->algorithms, g_strdup (shape), g_memdup2 (algorithm, sizeof *algorithm));
}

NddrAlgorithm
nddr_tuning_find (const NddrTuning *tuning, const char *shape)
{
  const NddrAlgorithm *algorithm = tuning ? g_hash_table_lookup (tuning->algorithms, shape) : NULL;

  return algorithm ? *algorithm : tuning ? tuning->uniform : (NddrAlgorithm){ NDDR_ALGORITHM_CHOOSE };
}

guint
nddr_tuning_size (const NddrTuning *tuning)
{
  return g_hash_table_size (tuning->algorithms);
}

/* ---- files */

char *
nddr_tuning_print (const NddrTuning *tuning, gsize *bytes)
{
  g_autoptr (GList) shapes = g_list_sort (g_hash_table_get_keys (tuning->algorithms), (GCompareFunc) strcmp);
  g_autofree char *digest = NULL;
  GString *text = g_string_new (FIRST_LINE);

  for (GList *shape = shapes; shape; shape = shape->next) {
    g_autofree char *algorithm = nddr_algorithm_print (g_hash_table_lookup (tuning->algorithms, shape->data));

    g_string_append_printf (text, "%s\t%s\n", (const char *) shape->data, algorithm);
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
  NddrAlgorithm algorithm;

  if (g_strv_length (parts) != 2 || !parse_algorithm (parts[1], &algorithm))
    return FALSE;
  nddr_tuning_set (tuning, parts[0], &algorithm);
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
