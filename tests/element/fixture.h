/* What every test of the element stands on: a small random model on disk, and harnesses on an element's pads.
 *
 *   Rig *rig = rig_new (NULL, "segmentation", "raw", "normal", "overlay", NULL);
 *   rig_set_caps (rig, "video/x-raw,format=RGBA,...");
 *   rig_push (rig, frame);
 *   GstBuffer *picture = rig_pull (rig, 0);             of the first pad
 *   rig_free (rig);                                     nothing may leak
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/check/gstharness.h>
#include <gst/video/video.h>

#define RIG_MAX_PADS 3

typedef struct
{
  GstElement *element;
  GstBus *bus;
  GstHarness *in;                 /* on the sink pad */
  GstHarness *out[RIG_MAX_PADS]; /* on the source pads, in the order they were named */
  int n_out;
} Rig;

/** gst_init() and g_test_init(), and writes the model. */
void fixture_init (int *argc, char ***argv);
/** g_test_run(), then removes the model and ends GStreamer: the program's exit status. */
int fixture_run (void);

/** The model's path: tasks segmentation (5 classes), normal and depth, 64 x 48. */
const char *fixture_model (void);
/** (transfer full): the path of another, whose config has @to wherever that has @from; to be removed by the caller. */
char *fixture_variant (const char *name, const char *from, const char *to);

/** An element with that model; @properties (nullable) as in gst-launch: "interval=2 qos=false". */
GstElement *fixture_element (const char *properties);
/** Waits for the next message of @type on @bus, at most a minute; (transfer full). */
GstMessage *fixture_message (GstBus *bus, GstMessageType type);
/** Fails unless @bus has an error of @domain and @code whose text holds @text. */
void fixture_expect_error (GstBus *bus, GQuark domain, int code, const char *text);

/** A frame of random bytes, the same for the same @seed; with @padding bytes more a line than needed, and as many lines
 * between planes, told by a GstVideoMeta; -1: as the caps imply. */
GstBuffer *fixture_frame (const GstVideoInfo *info, guint32 seed, int padding);
/** Whether they hold the same. */
gboolean fixture_same_bytes (GstBuffer *a, GstBuffer *b);

/** An element in PLAYING with a pad for each pair of a task and a view, NULL-terminated; nothing was pushed yet. */
Rig *rig_new (const char *properties, ...) G_GNUC_NULL_TERMINATED;
void rig_free (Rig *rig);

/** Adds a pad while playing; its index. */
int rig_add_pad (Rig *rig, const char *task, const char *view);
/** Starts the stream, or changes its caps. */
void rig_set_caps (Rig *rig, const char *caps);
/** The caps of most tests: RGBA, 24 x 16, 25 frames a second. */
#define RIG_CAPS "video/x-raw,format=RGBA,width=24,height=16,framerate=25/1"
/** Frame @n of such a stream, its timestamp n times 40 ms. */
GstBuffer *rig_frame (guint n);
GstFlowReturn rig_push (Rig *rig, GstBuffer *frame);
GstBuffer *rig_pull (Rig *rig, int pad);
/** Pulls a picture of @pad, which must be that of rig_frame (@n). */
void rig_expect_picture (Rig *rig, int pad, guint n);
/** What GstHarness would wait a minute for: NULL if nothing came within @ms. */
GstBuffer *rig_try_pull (Rig *rig, int pad, guint ms);
/** The next event of @type, others thrown away; (transfer full). */
GstEvent *rig_pull_event (Rig *rig, int pad, GstEventType type);
