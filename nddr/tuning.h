/* The algorithm that computes a layer.  A kernel family has several for a convolution, each a kernel and the size of what a workgroup makes; all
 * give the same result up to rounding.  A table of estimates chooses between them, unless a tuning says what was the fastest when it was tried.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  NDDR_ALGORITHM_CHOOSE,   /* as estimated */
  NDDR_ALGORITHM_DIRECT,   /* software family: @a output channels a workgroup; @b: 1: from copies of its sources: see ops/product-spread.c */
  NDDR_ALGORITHM_WINOGRAD, /* software family, 3x3 of stride 1: parts of some @a blocks times channels */
  NDDR_ALGORITHM_TILE,     /* GPU family: @a pixels by @b output channels a workgroup */
  NDDR_ALGORITHM_MATRIX,   /* GPU family, fp16, on cooperative matrices: nddr_matrix_tile()'s variant @a */
  NDDR_N_ALGORITHMS,
} NddrAlgorithmKind;

typedef struct
{
  NddrAlgorithmKind kind;
  int a, b;
} NddrAlgorithm;

/** The @n'th algorithm to try in a family, software or not; @half: in fp16.  FALSE: there are no more.  Whether one fits a device and a
 * layer shows when it is planned. */
gboolean nddr_algorithm_nth (gboolean software, gboolean half, guint n, NddrAlgorithm *algorithm);
gboolean nddr_algorithm_equal (const NddrAlgorithm *a, const NddrAlgorithm *b);
/** (transfer full): "direct 32 0" and so on. */
char *nddr_algorithm_print (const NddrAlgorithm *algorithm);

/** Algorithms by the shapes of layers: one line of text each, without tabs.  Immutable once other threads see it. */
typedef struct _NddrTuning NddrTuning;

NddrTuning *nddr_tuning_new (void);
/** The same algorithm for every shape. */
NddrTuning *nddr_tuning_new_uniform (const NddrAlgorithm *algorithm);
NddrTuning *nddr_tuning_copy (const NddrTuning *tuning);
void nddr_tuning_free (NddrTuning *tuning);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrTuning, nddr_tuning_free)

/** NDDR_ALGORITHM_CHOOSE takes the shape out. */
void nddr_tuning_set (NddrTuning *tuning, const char *shape, const NddrAlgorithm *algorithm);
/** NDDR_ALGORITHM_CHOOSE where the shape is not known, or @tuning is NULL. */
NddrAlgorithm nddr_tuning_find (const NddrTuning *tuning, const char *shape);
guint nddr_tuning_size (const NddrTuning *tuning);

/** A file's content, with a digest.  (transfer full) */
char *nddr_tuning_print (const NddrTuning *tuning, gsize *bytes);
/** NULL where @text is not, to the last bit, what nddr_tuning_print() of this version gave. */
NddrTuning *nddr_tuning_parse (const char *text, gsize bytes);

G_END_DECLS
