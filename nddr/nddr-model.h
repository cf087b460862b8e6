/* A model: a config and named tensors, read from one safetensors file.
 *
 * Immutable once made, reference counted, safe to share between threads.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/nddr-error.h>

G_BEGIN_DECLS

typedef struct _NddrModel NddrModel;

/** What a task's outputs mean.  Since: 0.1 */
typedef enum
{
  NDDR_TASK_SEGMENTATION, /* a score for each class */
  NDDR_TASK_NORMAL,       /* x right, y up, z toward the camera */
  NDDR_TASK_DEPTH,        /* metres */
} NddrTaskKind;

/** One class of a segmentation task.  Since: 0.1 */
typedef struct
{
  char *name;
  guint32 color; /* 0xRRGGBB */
} NddrClass;

/** One task of a model; owned by the model.  Since: 0.1 */
typedef struct
{
  char *name; /* [a-z][a-z0-9_]* */
  NddrTaskKind kind;
  NddrClass *classes; /* segmentation alone: classes[i] is what the id i means */
  guint n_classes;
  guint channels; /* of the head's output: n_classes, 3 or 1 */
} NddrTask;

/**
 * nddr_model_load:
 * @path: a safetensors file whose metadata says "format": "nddr"
 *
 * Reads and checks the whole file.  The file is not kept open.
 *
 * Returns: (transfer full) (nullable): the model, or NULL with @error set to
 * NDDR_ERROR_FILE (cannot be read), NDDR_ERROR_NO_MEMORY or NDDR_ERROR_FORMAT (says
 * which key or tensor, what was expected and what was found).
 * Since: 0.1
 */
NDDR_API NddrModel *nddr_model_load (const char *path, GError **error);

/** Thread-safe.  Since: 0.1 */
NDDR_API NddrModel *nddr_model_ref (NddrModel *model);
/** Thread-safe.  Since: 0.1 */
NDDR_API void nddr_model_unref (NddrModel *model);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrModel, nddr_model_unref)

/** The number of tasks, at least one.  Since: 0.1 */
NDDR_API guint nddr_model_get_n_tasks (const NddrModel *model);
/** Task @index, in the config's order; owned by the model.  Since: 0.1 */
NDDR_API const NddrTask *nddr_model_get_task (const NddrModel *model, guint index);
/** The task of that name, or NULL; owned by the model.  Since: 0.1 */
NDDR_API const NddrTask *nddr_model_find_task (const NddrModel *model, const char *name);
/** The size, in pixels, that the network runs at by default.  Since: 0.1 */
NDDR_API void nddr_model_get_input_size (const NddrModel *model, guint *width, guint *height);
/** A free-text metadata entry of the file (license, description, ...), or NULL.  Since: 0.1 */
NDDR_API const char *nddr_model_get_metadata (const NddrModel *model, const char *key);

G_END_DECLS
