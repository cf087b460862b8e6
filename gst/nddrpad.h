/* A source pad: one task of the model, shown in one way; or, named "src", the frame as it came, with the results of all tasks as metadata.
 *
 * Its properties may be set at any time.  Everything else about it is the element's: see the fields.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gst/nddrframes.h"

G_BEGIN_DECLS

#define GST_TYPE_NDDR_PAD (gst_nddr_pad_get_type ())
G_DECLARE_FINAL_TYPE (GstNddrPad, gst_nddr_pad, GST, NDDR_PAD, GstPad)

#define GST_TYPE_NDDR_VIEW (gst_nddr_view_get_type ())
GType gst_nddr_view_get_type (void);

struct _GstNddrPad
{
  GstPad parent;

  char *task; /* its name; NULL: the frame itself; never changes */

  /* object lock */
  NddrView view;
  double opacity;
  gboolean has_kind; /* a model is open and has the task */
  NddrTaskKind kind;
  GstClockTime earliest; /* QoS: frames that end before this running time come too late */
  double proportion;
  GstBufferPool *pool;
  gconstpointer agreed_peer; /* whom what is in force was agreed on with: to compare with alone */
  gboolean left;             /* that peer was unlinked since: nobody waits for its buffers */
  gboolean waiting;          /* somebody does, or may */

  /* the streaming thread, while nothing is in flight; then anybody may read */
  GstVideoInfo info;
  NddrView shown;       /* the view that was negotiated */
  gboolean started;     /* has had the sticky events, in their order */
  gboolean renegotiate; /* the peer, the view or the input is another since */
  gboolean disagrees;   /* it was tried, and an error told */

  /* the output thread */
  gboolean discont; /* the picture before was lost */

  /* the element's lock */
  GstFlowReturn flow;
  gboolean released;
};

/** A new pad; its name is "src_" and the task's, or "src". */
GstPad *gst_nddr_pad_new (GstPadTemplate *templ, const char *name);

/** What the task's outputs mean, now that there is a model; NULL: no longer known. */
void gst_nddr_pad_set_kind (GstNddrPad *pad, const NddrTaskKind *kind);

NddrView gst_nddr_pad_get_view (GstNddrPad *pad);
double gst_nddr_pad_get_opacity (GstNddrPad *pad);

/** Says at INFO what the pad shows: gst-launch drops misspelt pad properties without a word. */
void gst_nddr_pad_log (GstNddrPad *pad);

/** (transfer full): the formats of the current view. */
GstCaps *gst_nddr_pad_view_caps (GstNddrPad *pad);

/** Before it agrees on anything: from now on it is known whether this peer leaves. */
void gst_nddr_pad_note_peer (GstNddrPad *pad);
/** Whether that peer was unlinked since: who is linked now, if anybody, may want something else. */
gboolean gst_nddr_pad_was_unlinked (GstNddrPad *pad);

/** Agrees with the peer on a format for pictures of an input like @input, sends the caps and gets a
 * buffer pool.  FALSE with @why set: what the pad makes, what the peer takes. */
gboolean gst_nddr_pad_negotiate (GstNddrPad *pad, const GstVideoInfo *input, GError **why);

/** Sends @caps, the input's own: what a pad of the frame itself agrees on.  FALSE with @why set. */
gboolean gst_nddr_pad_pass_caps (GstNddrPad *pad, GstCaps *caps, const GstVideoInfo *input, GError **why);

/** A buffer for one picture.  Blocks while the pool is empty, until gst_nddr_pad_set_flushing().  Does not once the pad was unlinked: what is still in
 * flight then gets a buffer of its own where the pool has none. */
GstFlowReturn gst_nddr_pad_acquire (GstNddrPad *pad, GstBuffer **buffer);
void gst_nddr_pad_set_flushing (GstNddrPad *pad, gboolean flushing);

/** Whether it can acquire: there is a pool, and nobody has deactivated it; or it needs none, for it is the frame's own. */
gboolean gst_nddr_pad_has_pool (GstNddrPad *pad);
/** Whether its pool was agreed on with another peer than it has now. */
gboolean gst_nddr_pad_has_anothers_pool (GstNddrPad *pad);
/** Gives its pool up, and ends waiting for it. */
void gst_nddr_pad_drop_pool (GstNddrPad *pad);

/** Forgets what was negotiated. */
void gst_nddr_pad_reset (GstNddrPad *pad);

/** Notes what a sink says of its lateness; gst_nddr_pad_reset_qos() forgets it. */
void gst_nddr_pad_update_qos (GstNddrPad *pad, GstEvent *event);
void gst_nddr_pad_reset_qos (GstNddrPad *pad);
/** The running time before which frames come too late for it; GST_CLOCK_TIME_NONE: none does. */
GstClockTime gst_nddr_pad_get_earliest (GstNddrPad *pad);

G_END_DECLS
