/* A teacher: a trained model whose outputs a network learns besides labels (Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015).
 *
 * It sees the pictures that the network learns from, changed as they are, and infers: what it has of batch normalisation is fixed, it has no dropout.
 * A task of the network is taught by the teacher's task of its name.
 *
 * Not thread-safe.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/config.h>
#include <nddr/nddr-device.h>
#include <nddr/plan.h>

G_BEGIN_DECLS

/** (transfer full): the SHA-256 of the model file at @path, as sha256sum prints it: whether a teacher is the one that was. */
char *nddr_teacher_checksum (const char *path, GError **error);

typedef struct _NddrTeacher NddrTeacher;

/** What a teacher gives for a task: [batch][height][width][the task's channels], to be resized as `resize` says. */
typedef struct
{
  int width, height; /* 0: nothing, it has no such task */
  NddrResizeMode resize;
} NddrTeacherOutput;

/**
 * Reads the model at @path, and makes it ready for batches of @batch pictures of @width x @height.
 * @config: of the network that learns, which outlives the teacher.  That the model has none of its tasks, has one of them of another kind, or with other
 * classes, is an error.
 * @half: in fp16, on a device that has it; @traits: of the device, or what is to be planned for
 */
NddrTeacher *nddr_teacher_new (NddrDevice *device, const NddrTraits *traits, const char *path, const NddrConfig *config, int batch, int width, int height,
    gboolean half, GError **error);
void nddr_teacher_free (NddrTeacher *teacher);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrTeacher, nddr_teacher_free)

/** For each task of the config. */
const NddrTeacherOutput *nddr_teacher_get_outputs (const NddrTeacher *teacher);
/** Of the device's memory, that it takes. */
guint64 nddr_teacher_get_bytes (const NddrTeacher *teacher);

/** Infers. @image: [batch][height][width][4], normalised as the config says: as loaders make it.  Waits for the device. */
gboolean nddr_teacher_run (NddrTeacher *teacher, const float *image, GError **error);
/** What the last run gave for task @t of the config: floats, each pixel's channels padded with zeros to a multiple of four. */
gboolean nddr_teacher_read (NddrTeacher *teacher, guint t, float *output, GError **error);

G_END_DECLS
