/* A session's inside: what its parts share.  session.c makes sessions, session-scene.c what they run for the frames and outputs that
 * are set, session-frames.c submits frames and waits for them; session-state.c is what all three ask.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/inference.h>
#include <nddr/model.h>
#include <nddr/nddr-session.h>

G_BEGIN_DECLS

#define NDDR_MAX_SIZE 16384 /* of frames and of the network, in pixels */

/** One output: where its picture lies, and how. */
typedef struct
{
  NddrTensor *tensor;
  gsize row_bytes, pitch, rows;
} NddrScenePicture;

/** A program for the frames and outputs that were set, with all from a frame's bytes to the pictures. */
typedef struct
{
  NddrProgram *program;
  NddrTensor *frame, *opacities; /* owned by the program's plan, as are the pictures' */
  NddrPacking packing;           /* of the frame */
  NddrScenePicture *pictures;
  guint n_pictures;
  /* what it was made for */
  NddrFrameFormat input;
  NddrOutput *outputs;           /* for each picture; the names are the model's */
} NddrScene;

struct _NddrSession
{
  NddrDevice *device;
  NddrModel *model;
  NddrNetwork *network;
  NddrTraits traits;
  NddrType type;           /* of the maps between layers */
  gboolean *requested;     /* for each task of the model */
  int *widths, *heights;   /* of each value of the network */
  guint slots;
  NddrScene *scene;        /* NULL until frames are set */
  gboolean has_result;     /* the scene's heads hold a real frame's */
  gint64 uploads[NDDR_PROGRAM_MAX_SLOTS]; /* microseconds that each slot's frame took to copy in */

  GMutex mutex;            /* around what follows: submit and wait may run in two threads */
  guint64 submitted, waited;
  GError *failure;         /* of the device: nothing works after it */
};

/** The index of task @name among the model's; -1: it has none. */
int nddr_session_find_task (NddrSession *session, const char *name);
/** (transfer full): the names of the model's tasks, or of the session's. */
char *nddr_session_list_tasks (NddrSession *session, gboolean requested_alone);

/** What is run for a frame: with @infer the network, too; @fields: it is an interlaced one of a mixed format. */
guint nddr_scene_phases_for (gboolean infer, gboolean fields);
/** @scene: (nullable): none of its frames may be in flight. */
void nddr_scene_free (NddrScene *scene);
/** Runs the network once.  The pipelines that this makes stay with the device: scenes find them there. */
gboolean nddr_session_warm_up (NddrSession *session, GError **error);

/** FALSE where the device has failed or, with @must_be_idle, frames are in flight. */
gboolean nddr_session_check_state (NddrSession *session, gboolean must_be_idle, GError **error);

G_END_DECLS
