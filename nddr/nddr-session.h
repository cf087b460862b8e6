/* A session: one model at one input size on one device, turning frames into results.
 *
 *   submit (frame)  ->  ticket  ->  wait (ticket)  ->  one picture an output
 *
 * Frames go through in order.  One thread may submit while another waits; anything else
 * needs the caller's lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/nddr-device.h>
#include <nddr/nddr-frame.h>
#include <nddr/nddr-model.h>

G_BEGIN_DECLS

typedef struct _NddrSession NddrSession;

/** Since: 0.1 */
typedef enum
{
  NDDR_PRECISION_AUTO, /* fp16 where it is as good as free, else fp32 */
  NDDR_PRECISION_FP32,
  NDDR_PRECISION_FP16, /* fp16 storage, fp32 sums; on software drivers, which have no use for it, slow.  What a network's layers give must stay within
                        * 65504 in magnitude */
} NddrPrecision;

/** One output of a session: a task seen in one way, at the frame's size.  Since: 0.1 */
typedef struct
{
  const char *task;
  NddrView view;
  NddrPixelFormat format;
} NddrOutput;

/** How a session is made; zeroed memory gives the defaults.  Since: 0.1 */
typedef struct
{
  NddrPrecision precision;
  guint width, height;      /* the network's input; 0: the model's.  At least 32 x 32 */
  const char *const *tasks; /* NULL-terminated; NULL: all.  The others are computed no further
                             * than these need them */
  guint slots;              /* frames in flight, 1 to 8; 0: 2 */
} NddrSessionOptions;

/** What one frame cost, in nanoseconds.  Since: 0.1 */
typedef struct
{
  guint64 upload;   /* host: copying the frame in */
  guint64 compute;  /* on the device, from the first dispatch to the end of the last; by the host's clock where it has no timestamps */
  guint64 download; /* host: copying the results out */
} NddrTiming;

/**
 * nddr_session_new:
 * @device, @model: a reference of each is kept
 * @options: (nullable)
 *
 * Loads the weights onto the device, compiles the network's pipelines and runs it once, so that
 * the first frame is not late.
 *
 * Returns: (transfer full): the session, or NULL with @error: NDDR_ERROR_ARGUMENT for an option or a
 *   task that cannot be, NDDR_ERROR_UNSUPPORTED where the device lacks something, NDDR_ERROR_NO_MEMORY,
 *   NDDR_ERROR_DEVICE_LOST or NDDR_ERROR_FAILED
 * Since: 0.1
 */
NDDR_API NddrSession *nddr_session_new (NddrDevice *device, NddrModel *model,
    const NddrSessionOptions *options, GError **error);
/** Waits for all frames in flight.  Since: 0.1 */
NDDR_API void nddr_session_free (NddrSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrSession, nddr_session_free)

/**
 * nddr_session_set_frames:
 * @input: what submitted frames look like
 * @outputs: (nullable): what to make of each; their tasks must be among the session's; may be none
 *
 * Must be called before the first submit, and again when either changes; then nothing may be in
 * flight.  Runs once on an empty frame, so that the first one is not late; costs nothing where both
 * are what they were.
 *
 * Returns: TRUE; or FALSE with @error, as of nddr_session_new(): then the session keeps what it had
 * Since: 0.1
 */
NDDR_API gboolean nddr_session_set_frames (NddrSession *session, const NddrFrameFormat *input,
    const NddrOutput *outputs, guint n_outputs, GError **error);

/**
 * nddr_session_get_head_size:
 * @width, @height, @channels: (out) (optional): of the head's output: what NDDR_VIEW_HEAD gives
 *
 * Returns: FALSE where the session has no such task: its model has none, or its options left it out
 * Since: 0.1
 */
NDDR_API gboolean nddr_session_get_head_size (NddrSession *session, const char *task,
    guint *width, guint *height, guint *channels);

/**
 * nddr_session_get_concurrency:
 *
 * How many of the frames in flight are worked on side by side: one, but on software drivers, where a frame has a small network's time
 * to itself only in part.  There it grows, to at most the session's slots, soon after nddr_session_set_frames(), which others' work must
 * not be late for; then a frame takes longer, and together they take less.
 *
 * Returns: at least 1.  Thread-safe
 * Since: 0.2
 */
NDDR_API guint nddr_session_get_concurrency (NddrSession *session);

/**
 * nddr_session_submit:
 * @frame: copied before this returns
 * @opacities: (nullable): for each output, 0 to 1; used by NDDR_VIEW_OVERLAY; NULL: 0.5
 * @reuse: do not run the network: show the last result that it gave over this frame.  Ignored for
 *   the first frame after nddr_session_set_frames()
 *
 * Does not block on the device.  With all slots in flight it fails with NDDR_ERROR_ARGUMENT: the
 * caller waits for the oldest first.
 *
 * Returns: a ticket for nddr_session_wait(), counting from 1; 0 with @error set
 * Since: 0.1
 */
NDDR_API guint64 nddr_session_submit (NddrSession *session, const NddrFrame *frame,
    const double *opacities, gboolean reuse, GError **error);

/**
 * nddr_session_wait:
 * @ticket: each is waited for once, in order
 * @results: (nullable): for each output, where to write it; NULL, or a first plane of NULL,
 *   discards
 * @timing: (out) (optional)
 *
 * Waits until the device has finished that frame, writes its results and frees its slot.
 *
 * Returns: TRUE; or FALSE with @error: NDDR_ERROR_ARGUMENT for a ticket that is not the next or a
 *   result whose stride is less than its rows are long, which frees none; NDDR_ERROR_DEVICE_LOST,
 *   NDDR_ERROR_NO_MEMORY or NDDR_ERROR_FAILED
 * Since: 0.1
 */
NDDR_API gboolean nddr_session_wait (NddrSession *session, guint64 ticket,
    const NddrFrame *results, NddrTiming *timing, GError **error);

G_END_DECLS
