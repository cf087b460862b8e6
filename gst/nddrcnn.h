/* The element: one sink, a source pad for each task that somebody wants to see.
 *
 * Four kinds of threads meet here.
 *
 *   the streaming thread   runs the chain and the serialised events of the sink pad.  It agrees on
 *                          formats, submits frames, and queues events behind them.
 *   the output thread      ours, from PAUSED on.  It waits for the device, then pushes pictures, and
 *                          events where they stood between the frames.
 *   the model's thread     ours, while another model loads: see nddrswap.h.
 *   everybody else         properties, pads that come and go, flushes, queries.
 *
 * What is in force for the frames in flight (the session, the outputs, the input's format) is changed by
 * the streaming thread alone, and only while nothing is in flight; so the output thread may read it
 * without a lock while it works on a frame.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gst/nddrpad.h"
#include "gst/nddrstats.h"

G_BEGIN_DECLS

/** A session, and what it was made with. */
typedef struct
{
  NddrSession *session;
  GStrv tasks;
  guint slots;
  guint width, height; /* of the network's input; 0: the model's */
  NddrPrecision precision;
} GstNddrSession;

/** A task's raw view, which goes with the frame as metadata. */
typedef struct
{
  char *task;
  GstCaps *caps;
  GstVideoInfo info;
} GstNddrResult;

typedef struct _GstNddrSwap GstNddrSwap; /* nddrswap.c */

#define GST_TYPE_NDDR_CNN (gst_nddr_cnn_get_type ())
G_DECLARE_FINAL_TYPE (GstNddrCnn, gst_nddr_cnn, GST, NDDR_CNN, GstElement)
GST_ELEMENT_REGISTER_DECLARE (nddrcnn)

/** The properties. */
typedef struct
{
  char *model;  /* NULL: the default one */
  char *device;
  char *input; /* NULL: the model's */
  NddrPrecision precision;
  guint interval;
  guint max_in_flight;
  gboolean qos;
} GstNddrSettings;

struct _GstNddrCnn
{
  GstElement parent;
  GstPad *sinkpad;

  /* object lock */
  GstNddrSettings settings;
  gboolean settings_changed; /* the session no longer is what the settings ask for */
  GHashTable *coming;        /* names of pads that are about to be added */

  /* open from READY on; replaced under the object lock, by state changes and, all but the device, where the streaming thread swaps models */
  NddrDevice *device;
  NddrModel *model;
  char *model_path;    /* where it was found */
  char *opened_model;  /* the settings that it was opened with */
  char *opened_device;

  /* the streaming thread while nothing is in flight, and state changes */
  GstNddrSession session;
  GstVideoInfo info; /* the sink's format; unknown before its caps */
  GstCaps *caps;     /* the same, as they came; or NULL */
  GPtrArray *outputs; /* of GstNddrPad, owned: those that take frames; their session outputs follow in this order */
  GPtrArray *results; /* of GstNddrResult: the session outputs of the pad `src`; empty where it takes none */

  /* the streaming thread */
  GstSegment segment;
  guint since_inference; /* frames since the last one that was inferred; at least `interval`: none yet */
  gboolean discont;      /* the frame before was dropped */

  /* lock */
  GMutex lock;
  GCond cond;           /* anything below changed */
  GQueue items;         /* frames in flight and events, in order: see nddroutput.c */
  guint in_flight;      /* slots of the session that are taken */
  gboolean busy;        /* the output thread works on an item */
  gboolean flushing;    /* nobody may wait; items are thrown away */
  guint flushes;        /* begun so far */
  gboolean stopping;    /* the output thread ends once the queue is empty */
  gboolean broken;      /* the session failed, and who found out says so: a new one is needed, and perhaps a new device */
  GstFlowReturn flow;   /* what all pads together say of what was pushed last */
  gboolean unheard;     /* that is of a frame, and upstream has not been told yet */
  GPtrArray *branches;  /* of GstNddrPad, owned: those that have a say in it */
  GstNddrStats stats;
  NddrFrameFormat prepared; /* the input that the session was last prepared for */
  GArray *prepared_outputs; /* and its outputs, of NddrOutput, their tasks interned; empty: it was not yet */
  gboolean swaps;        /* models are swapped: from PAUSED on */
  guint swap_wanted;     /* how often another model was asked for */
  gboolean swap_loading; /* there is a thread for it, which has a reference of its own */
  gboolean swap_using;   /* and uses what is open */
  GstNddrSwap *swap;     /* loaded, for the next boundary between frames */

  GThread *thread;
};

/** (transfer full) (element-type GstNddrPad): the source pads of now. */
GPtrArray *gst_nddr_cnn_get_pads (GstNddrCnn *self);

G_END_DECLS
