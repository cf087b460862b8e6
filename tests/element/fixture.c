/* What every test of the element stands on: see fixture.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "crash.h"
#include "fixture.h"
#include "generator.h"

#include <glib/gstdio.h>
#include <nddr/model.h>

#include <string.h>

static const char config_json[] =
    "{ \"backbone\": \"vgg16\", \"width\": 0.0625, \"head_width\": 0.03125, \"fusion\": \"nddr\", \"shortcut\": true,"
    "  \"tasks\": ["
    "    { \"name\": \"segmentation\", \"kind\": \"segmentation\", \"classes\": ["
    "      { \"name\": \"wall\", \"color\": \"#b22d2d\" }, { \"name\": \"floor\", \"color\": \"#2db22d\" },"
    "      { \"name\": \"table\", \"color\": \"#2d2db2\" }, { \"name\": \"chair\", \"color\": \"#b2b22d\" },"
    "      { \"name\": \"lamp\", \"color\": \"#2db2b2\" } ] },"
    "    { \"name\": \"normal\", \"kind\": \"normal\" },"
    "    { \"name\": \"depth\", \"kind\": \"depth\" } ],"
    "  \"input\": { \"width\": 64, \"height\": 48, \"mean\": [0.485, 0.456, 0.406], \"std\": [0.229, 0.224, 0.225] } }";

static char *folder, *model_path;

/* (transfer full): the path of the model written */
static char *
write_model (const char *json, const char *name)
{
  g_autoptr (GError) error = NULL;
  NddrConfig *config = nddr_config_parse (json, &error);

  g_assert_no_error (error);
  g_autoptr (NddrModel) model = nddr_model_new (config, generate_model (config, TRUNK_NORM, FALSE), &error);
  g_assert_no_error (error);
  char *path = g_build_filename (folder, name, NULL);
  nddr_model_save (model, path, NDDR_STORE_F32, &error);
  g_assert_no_error (error);
  return path;
}

char *
fixture_variant (const char *name, const char *from, const char *to)
{
  g_autoptr (GString) json = g_string_new (config_json);

  g_assert_cmpuint (g_string_replace (json, from, to, 0), >, 0);
  return write_model (json->str, name);
}

void
fixture_init (int *argc, char ***argv)
{
  crash_init ();
  gst_init (argc, argv);
  g_test_init (argc, argv, NULL);
  folder = g_dir_make_tmp ("nddr-element-XXXXXX", NULL);
  g_assert_nonnull (folder);
  model_path = write_model (config_json, "small.safetensors");
}

int
fixture_run (void)
{
  int status = g_test_run ();

  g_remove (model_path);
  g_rmdir (folder);
  g_free (model_path);
  g_free (folder);
  gst_deinit ();
  return status;
}

const char *
fixture_model (void)
{
  return model_path;
}

static void
set_properties (GstElement *element, const char *properties)
{
  g_auto (GStrv) list = g_strsplit (properties ? properties : "", " ", -1);

  for (guint i = 0; list[i] && *list[i]; i++) {
    char *value = strchr (list[i], '=');
    *value++ = '\0';
    gst_util_set_object_arg (G_OBJECT (element), list[i], value);
  }
}

GstElement *
fixture_element (const char *properties)
{
  GstElement *element = gst_element_factory_make ("nddrcnn", NULL);

  g_assert_nonnull (element);
  g_object_set (element, "model", model_path, NULL);
  set_properties (element, properties);
  return element;
}

GstMessage *
fixture_message (GstBus *bus, GstMessageType type)
{
  GstMessage *message = gst_bus_timed_pop_filtered (bus, 60 * GST_SECOND, type);

  g_assert_nonnull (message);
  return message;
}

void
fixture_expect_error (GstBus *bus, GQuark domain, int code, const char *text)
{
  g_autoptr (GstMessage) message = fixture_message (bus, GST_MESSAGE_ERROR);
  g_autoptr (GError) error = NULL;

  gst_message_parse_error (message, &error, NULL);
  g_test_message ("%s", error->message);
  g_assert_error (error, domain, code);
  g_assert_nonnull (strstr (error->message, text));
}

gboolean
fixture_same_bytes (GstBuffer *a, GstBuffer *b)
{
  GstMapInfo x, y;

  g_assert_true (gst_buffer_map (a, &x, GST_MAP_READ) && gst_buffer_map (b, &y, GST_MAP_READ));
  gboolean same = x.size == y.size && memcmp (x.data, y.data, x.size) == 0;
  gst_buffer_unmap (a, &x);
  gst_buffer_unmap (b, &y);
  return same;
}

GstBuffer *
fixture_frame (const GstVideoInfo *info, guint32 seed, int padding)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  gsize offsets[GST_VIDEO_MAX_PLANES] = { 0 }, size = 0;
  gint strides[GST_VIDEO_MAX_PLANES] = { 0 };

  for (guint p = 0; p < GST_VIDEO_INFO_N_PLANES (info); p++) {
    gint component[GST_VIDEO_MAX_COMPONENTS];

    gst_video_format_info_component (info->finfo, p, component);
    strides[p] = GST_VIDEO_INFO_PLANE_STRIDE (info, p) + MAX (padding, 0);
    offsets[p] = size;
    guint rows = GST_VIDEO_INFO_COMP_HEIGHT (info, component[0]);
    /* each field has chroma rows of its own */
    if (p > 0 && GST_VIDEO_INFO_IS_INTERLACED (info))
      rows = GST_ROUND_UP_2 (rows);
    size += strides[p] * (rows + MAX (padding, 0));
  }
  if (padding < 0)
    size = GST_VIDEO_INFO_SIZE (info);

  guint8 *bytes = g_malloc (size);
  for (gsize i = 0; i < size; i++)
    bytes[i] = g_rand_int (rand) >> 24;
  GstBuffer *buffer = gst_buffer_new_wrapped (bytes, size);
  if (padding >= 0)
    gst_buffer_add_video_meta_full (buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_INFO_FORMAT (info),
        GST_VIDEO_INFO_WIDTH (info), GST_VIDEO_INFO_HEIGHT (info), GST_VIDEO_INFO_N_PLANES (info), offsets, strides);
  return buffer;
}

static void
request (Rig *rig, const char *task, const char *view)
{
  g_autofree char *name = g_strconcat ("src_", task, NULL);
  g_autoptr (GstPad) pad = gst_element_request_pad_simple (rig->element, name);

  g_assert_nonnull (pad);
  gst_util_set_object_arg (G_OBJECT (pad), "view", view);
}

static void
attach (Rig *rig, const char *task)
{
  g_autofree char *name = g_strconcat ("src_", task, NULL);

  g_assert_cmpint (rig->n_out, <, RIG_MAX_PADS);
  rig->out[rig->n_out++] = gst_harness_new_with_element (rig->element, NULL, name);
}

Rig *
rig_new (const char *properties, ...)
{
  Rig *rig = g_new0 (Rig, 1);
  const char *task;
  va_list args;

  rig->element = fixture_element (properties);
  gst_object_ref_sink (rig->element);
  rig->bus = gst_bus_new ();
  gst_element_set_bus (rig->element, rig->bus);

  va_start (args, properties);
  while ((task = va_arg (args, const char *)))
    request (rig, task, va_arg (args, const char *));
  va_end (args);
  g_assert_cmpint (gst_element_set_state (rig->element, GST_STATE_READY), ==, GST_STATE_CHANGE_SUCCESS);

  rig->in = gst_harness_new_with_element (rig->element, "sink", NULL);
  va_start (args, properties);
  while ((task = va_arg (args, const char *))) {
    va_arg (args, const char *);
    attach (rig, task);
  }
  va_end (args);
  return rig;
}

int
rig_add_pad (Rig *rig, const char *task, const char *view)
{
  request (rig, task, view);
  attach (rig, task);
  return rig->n_out - 1;
}

void
rig_free (Rig *rig)
{
  GstElement *element = rig->element;

  gst_element_set_state (element, GST_STATE_NULL);
  for (int i = 0; i < rig->n_out; i++)
    if (rig->out[i])
      gst_harness_teardown (rig->out[i]);
  gst_harness_teardown (rig->in);
  gst_element_set_bus (element, NULL);
  gst_object_unref (rig->bus);
  g_object_add_weak_pointer (G_OBJECT (element), (gpointer *) &element);
  gst_object_unref (rig->element);
  /* a thread that has told of something may be about to let go of it */
  for (guint i = 0; i < 1000 && g_atomic_pointer_get ((gpointer *) &element); i++)
    g_usleep (1000);
  g_assert_null (element);
  g_free (rig);
}

void
rig_set_caps (Rig *rig, const char *caps)
{
  gst_harness_set_src_caps_str (rig->in, caps);
}

GstBuffer *
rig_frame (guint n)
{
  GstVideoInfo info;

  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_RGBA, 24, 16);
  GstBuffer *frame = fixture_frame (&info, n, -1);
  GST_BUFFER_PTS (frame) = n * 40 * GST_MSECOND;
  GST_BUFFER_DURATION (frame) = 40 * GST_MSECOND;
  return frame;
}

GstFlowReturn
rig_push (Rig *rig, GstBuffer *frame)
{
  return gst_harness_push (rig->in, frame);
}

GstBuffer *
rig_pull (Rig *rig, int pad)
{
  GstBuffer *buffer = gst_harness_pull (rig->out[pad]);

  g_assert_nonnull (buffer);
  return buffer;
}

void
rig_expect_picture (Rig *rig, int pad, guint n)
{
  g_autoptr (GstBuffer) picture = rig_pull (rig, pad);

  g_assert_cmpuint (GST_BUFFER_PTS (picture), ==, n * 40 * GST_MSECOND);
  g_assert_cmpuint (GST_BUFFER_DURATION (picture), ==, 40 * GST_MSECOND);
}

GstBuffer *
rig_try_pull (Rig *rig, int pad, guint ms)
{
  GstBuffer *buffer = NULL;

  for (guint i = 0; i <= ms && !(buffer = gst_harness_try_pull (rig->out[pad])); i++)
    g_usleep (1000);
  return buffer;
}

GstEvent *
rig_pull_event (Rig *rig, int pad, GstEventType type)
{
  for (;;) {
    GstEvent *event = gst_harness_pull_event (rig->out[pad]);

    g_assert_nonnull (event);
    if (GST_EVENT_TYPE (event) == type)
      return event;
    gst_event_unref (event);
  }
}
