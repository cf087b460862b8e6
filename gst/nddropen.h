/* What the element has open: the device, the model, the session; and how it says what went wrong.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gst/nddrcnn.h"

G_BEGIN_DECLS

/** Opens the device, loads the model, checks the pads' tasks against it, and runs a session once for the
 * tasks that are linked.  Keeps what is open already and still what the settings ask for.  FALSE: an error
 * was posted, and nothing is open. */
gboolean gst_nddr_cnn_open (GstNddrCnn *self);
void gst_nddr_cnn_close (GstNddrCnn *self);

/** (transfer full) (nullable): the model that @setting names, NULL for the default; its @path, (transfer full).  READY and above. */
NddrModel *gst_nddr_cnn_load_model (GstNddrCnn *self, const char *setting, char **path, GError **error);

/** Whether @model, which lies at @path, has what @pad shows, or all @pads; else @error lists what it has.  Takes no locks. */
gboolean gst_nddr_cnn_check_pad (NddrModel *model, const char *path, GstNddrPad *pad, GError **error);
gboolean gst_nddr_cnn_check_pads (NddrModel *model, const char *path, GPtrArray *pads, GError **error);

/** Makes a session of @model as the settings ask, and runs it once, for those of @pads that are linked; for all where none is.  READY and above. */
gboolean gst_nddr_cnn_make_session (GstNddrCnn *self, NddrModel *model, GPtrArray *pads, GstNddrSession *session, GError **error);
void gst_nddr_session_clear (GstNddrSession *session);

/** The size that @text, of the property `input`, names; NULL and "" leave 0, the model's own. */
gboolean gst_nddr_parse_input (const char *text, guint *width, guint *height, GError **error);

/** Brings the session to the settings and the tasks of @pads (of GstNddrPad; empty: all tasks).  Nothing may
 * be in flight. */
gboolean gst_nddr_cnn_ensure_session (GstNddrCnn *self, GPtrArray *pads, GError **error);

/** Tells @pad what its task means, where a model is open; FALSE: it lacks that task, and @error lists what it has. */
gboolean gst_nddr_cnn_resolve_pad (GstNddrCnn *self, GstNddrPad *pad, GError **error);

/** Posts what libnddr says of a failure as an element error of the fitting domain, with what to do.
 * @doing completes "cannot ...". */
void gst_nddr_cnn_post_error (GstNddrCnn *self, const GError *error, const char *doing);
/** The same as a message of @type, GST_MESSAGE_ERROR or GST_MESSAGE_WARNING. */
void gst_nddr_cnn_post (GstNddrCnn *self, GstMessageType type, const GError *error, const char *doing);

G_END_DECLS
