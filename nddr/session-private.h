/* A session's inside: what its parts share.  session.c makes sessions, session-formats.c sets their frames and outputs, for which
 * session-scene.c makes what they run and session-twins.c the same again on twins of the device; session-frames.c submits frames and waits for them;
 * session-state.c is what all of them ask.
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

/** A program for the frames and outputs that were set, with all from a frame's bytes to the pictures, on the session's device or on a twin of it. */
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

#define NDDR_MAX_SCENES NDDR_PROGRAM_MAX_SLOTS

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
  guint max_scenes;        /* frames that are worked on side by side at most */
  int result;              /* the scene whose heads hold the last frame's that the network ran on; -1: none do */
  guint scene_of[NDDR_PROGRAM_MAX_SLOTS]; /* that each slot's frame was given to */
  guint64 last[NDDR_MAX_SCENES];          /* the last frame that each was given */
  gint64 uploads[NDDR_PROGRAM_MAX_SLOTS]; /* microseconds that each slot's frame took to copy in */
  GThread *adding;         /* makes more scenes; NULL: nobody does */
  gint enough;             /* atomic: it is to end */

  GMutex mutex;            /* around what follows: submit and wait may run in two threads, and scenes are added by another */
  guint64 submitted, waited;
  NddrScene *scenes[NDDR_MAX_SCENES]; /* the first, on the session's device, is NULL until frames are set; of the others come those on twins */
  guint n_scenes;
  guint in_flight[NDDR_MAX_SCENES];   /* frames that each has */
  GError *failure;         /* of the device: nothing works after it */
};

/** The index of task @name among the model's; -1: it has none. */
int nddr_session_find_task (NddrSession *session, const char *name);
/** (transfer full): the names of the model's tasks, or of the session's. */
char *nddr_session_list_tasks (NddrSession *session, gboolean requested_alone);

/** What is run for a frame: with @infer the network, too; @fields: it is an interlaced one of a mixed format. */
guint nddr_scene_phases_for (gboolean infer, gboolean fields);
/** (transfer full): a program of the network alone, which has run once.  The pipelines that this makes stay with the device: scenes find them there. */
NddrProgram *nddr_session_run_once (NddrSession *session, GError **error);
/** (transfer full): for frames and outputs that are right, on @device, the session's or a twin; it has run once.  Changes nothing in the session. */
NddrScene *nddr_scene_new (NddrSession *session, NddrDevice *device, const NddrFrameFormat *input, const NddrOutput *outputs, guint n_outputs, GError **error);
/** @scene: (nullable): none of its frames may be in flight. */
void nddr_scene_free (NddrScene *scene);

/** How many scenes it pays to have, of a session that runs @plan. */
guint nddr_session_count_scenes (NddrSession *session, const NddrPlan *plan);
/** Makes @scene (nullable) the session's first and, beside whatever runs, the others like it.  Those that there were are freed: none of their frames may be in
 * flight. */
void nddr_session_take_scene (NddrSession *session, NddrScene *scene);

/** FALSE where the device has failed or, with @must_be_idle, frames are in flight. */
gboolean nddr_session_check_state (NddrSession *session, gboolean must_be_idle, GError **error);

G_END_DECLS
