/* What the element has open: see nddropen.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/nddropen.h"
#include "gst/nddrdefault.h"

GST_DEBUG_CATEGORY_EXTERN (nddrcnn_debug);
#define GST_CAT_DEFAULT nddrcnn_debug

/* An error of libnddr, as GStreamer sorts errors, and what can be done about it. */
typedef struct
{
  NddrError code;
  GQuark (*domain) (void);
  int element_code;
  const char *advice;
} ErrorRow;

static const ErrorRow error_rows[] = {
  { NDDR_ERROR_FAILED, gst_library_error_quark, GST_LIBRARY_ERROR_FAILED,
      "GST_DEBUG=nddr*:6 and G_MESSAGES_DEBUG=nddr say more." },
  { NDDR_ERROR_FILE, gst_resource_error_quark, GST_RESOURCE_ERROR_NOT_FOUND,
      "Set the property model to the path of a readable model file." },
  { NDDR_ERROR_FORMAT, gst_stream_error_quark, GST_STREAM_ERROR_FORMAT,
      "Set the property model to a model file that nddr train or nddr import wrote; nddr info checks one." },
  { NDDR_ERROR_ARGUMENT, gst_resource_error_quark, GST_RESOURCE_ERROR_SETTINGS, "" },
  { NDDR_ERROR_NO_DEVICE, gst_resource_error_quark, GST_RESOURCE_ERROR_NOT_FOUND,
      "Install a Vulkan driver (on Debian, mesa-vulkan-drivers has one for every machine), or set the property device "
      "to one that nddr devices lists." },
  { NDDR_ERROR_UNSUPPORTED, gst_library_error_quark, GST_LIBRARY_ERROR_INIT,
      "Set the property device to another one that nddr devices lists as usable." },
  { NDDR_ERROR_NO_MEMORY, gst_resource_error_quark, GST_RESOURCE_ERROR_NO_SPACE_LEFT,
      "Use a smaller model, input or picture, precision=fp16, or a lower max-in-flight." },
  { NDDR_ERROR_DEVICE_LOST, gst_resource_error_quark, GST_RESOURCE_ERROR_FAILED,
      "Going to READY and back to PLAYING opens the device anew; the kernel's log may say why it was lost." },
};

void
gst_nddr_cnn_post (GstNddrCnn *self, GstMessageType type, const GError *error, const char *doing)
{
  const ErrorRow *row = &error_rows[0];

  for (guint i = 0; i < G_N_ELEMENTS (error_rows); i++)
    if (g_error_matches (error, NDDR_ERROR, error_rows[i].code))
      row = &error_rows[i];
  gst_element_message_full (GST_ELEMENT (self), type, row->domain (), row->element_code,
      g_strdup_printf ("Cannot %s: %s%s%s", doing, error->message, *row->advice ? "\n" : "", row->advice),
      g_strdup_printf ("%s %d", g_quark_to_string (error->domain), error->code), __FILE__, GST_FUNCTION, __LINE__);
}

void
gst_nddr_cnn_post_error (GstNddrCnn *self, const GError *error, const char *doing)
{
  gst_nddr_cnn_post (self, GST_MESSAGE_ERROR, error, doing);
}

static char *
list_tasks (const NddrModel *model)
{
  GString *list = g_string_new (NULL);

  for (guint i = 0; i < nddr_model_get_n_tasks (model); i++)
    g_string_append_printf (list, "%s%s", i ? ", " : "", nddr_model_get_task (model, i)->name);
  return g_string_free (list, FALSE);
}

/* (nullable): what @pad shows of @model. */
static const NddrTask *
find_task (NddrModel *model, const char *path, GstNddrPad *pad, GError **error)
{
  const NddrTask *task = nddr_model_find_task (model, pad->task);

  if (!task) {
    g_autofree char *tasks = list_tasks (model);
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_ARGUMENT,
        "the model %s has no task \"%s\", its tasks are: %s; request pads named src_ and one of these", path, pad->task, tasks);
  }
  return task;
}

gboolean
gst_nddr_cnn_check_pad (NddrModel *model, const char *path, GstNddrPad *pad, GError **error)
{
  return !pad->task || find_task (model, path, pad, error);
}

gboolean
gst_nddr_cnn_check_pads (NddrModel *model, const char *path, GPtrArray *pads, GError **error)
{
  for (guint i = 0; i < pads->len; i++)
    if (!gst_nddr_cnn_check_pad (model, path, pads->pdata[i], error))
      return FALSE;
  return TRUE;
}

gboolean
gst_nddr_cnn_resolve_pad (GstNddrCnn *self, GstNddrPad *pad, GError **error)
{
  GST_OBJECT_LOCK (self);
  g_autoptr (NddrModel) model = self->model ? nddr_model_ref (self->model) : NULL;
  g_autofree char *path = g_strdup (self->model_path);
  GST_OBJECT_UNLOCK (self);

  if (!model)
    return TRUE;
  if (!pad->task) {
    gst_nddr_pad_log (pad);
    return TRUE;
  }
  const NddrTask *task = find_task (model, path, pad, error);
  if (!task)
    return FALSE;
  gst_nddr_pad_set_kind (pad, &task->kind);
  gst_nddr_pad_log (pad);
  return TRUE;
}

static gboolean
open_device (GstNddrCnn *self)
{
  g_autoptr (GError) error = NULL;

  NddrDevice *device = nddr_device_open (self->opened_device, &error);
  if (!device) {
    gst_nddr_cnn_post_error (self, error, "open a Vulkan device");
    return FALSE;
  }
  GST_OBJECT_LOCK (self);
  self->device = device;
  GST_OBJECT_UNLOCK (self);
  GST_INFO_OBJECT (self, "computes on %s", nddr_device_get_info (device)->name);
  return TRUE;
}

NddrModel *
gst_nddr_cnn_load_model (GstNddrCnn *self, const char *setting, char **path, GError **error)
{
  gboolean is_processor = nddr_device_get_info (self->device)->type == VK_PHYSICAL_DEVICE_TYPE_CPU;

  *path = setting ? g_strdup (setting) : gst_nddr_default_model (GST_ELEMENT (self), is_processor, error);
  return *path ? nddr_model_load (*path, error) : NULL;
}

static gboolean
open_model (GstNddrCnn *self)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;
  NddrModel *model = gst_nddr_cnn_load_model (self, self->opened_model, &path, &error);

  if (!model) {
    gst_nddr_cnn_post_error (self, error, "load the model");
    return FALSE;
  }
  GST_OBJECT_LOCK (self);
  self->model = model;
  self->model_path = g_steal_pointer (&path);
  GST_OBJECT_UNLOCK (self);

  g_autofree char *tasks = list_tasks (model);
  GST_INFO_OBJECT (self, "loaded %s, with tasks %s", self->model_path, tasks);
  return TRUE;
}

static gboolean
resolve_pads (GstNddrCnn *self, GPtrArray *pads)
{
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < pads->len; i++)
    if (!gst_nddr_cnn_resolve_pad (self, pads->pdata[i], &error)) {
      gst_nddr_cnn_post_error (self, error, "show what was linked");
      return FALSE;
    }
  return TRUE;
}

/* The pads whose tasks are likely to be wanted first: the linked ones, else all. */
static GPtrArray *
likely_pads (GPtrArray *pads)
{
  GPtrArray *linked = g_ptr_array_new_with_free_func (gst_object_unref);

  for (guint i = 0; i < pads->len; i++)
    if (gst_pad_is_linked (pads->pdata[i]))
      g_ptr_array_add (linked, gst_object_ref (pads->pdata[i]));
  if (linked->len > 0)
    return linked;
  g_ptr_array_unref (linked);
  return g_ptr_array_ref (pads);
}

/* Whether `input` names a size; else an error is posted: before a device is opened for it, and before frames flow. */
static gboolean
check_input (GstNddrCnn *self)
{
  g_autoptr (GError) error = NULL;
  guint width, height;

  GST_OBJECT_LOCK (self);
  gboolean valid = gst_nddr_parse_input (self->settings.input, &width, &height, &error);
  GST_OBJECT_UNLOCK (self);
  if (!valid)
    gst_nddr_cnn_post_error (self, error, "set up the network");
  return valid;
}

gboolean
gst_nddr_cnn_open (GstNddrCnn *self)
{
  GST_OBJECT_LOCK (self);
  g_autofree char *model = g_strdup (self->settings.model);
  g_autofree char *device = g_strdup (self->settings.device);
  GST_OBJECT_UNLOCK (self);

  if (!check_input (self)) {
    gst_nddr_cnn_close (self);
    return FALSE;
  }
  if (self->device && g_strcmp0 (self->opened_model, model) == 0 && g_strcmp0 (self->opened_device, device) == 0)
    return TRUE;
  gst_nddr_cnn_close (self);
  GST_OBJECT_LOCK (self);
  self->opened_model = g_steal_pointer (&model);
  GST_OBJECT_UNLOCK (self);
  self->opened_device = g_steal_pointer (&device);

  if (open_device (self) && open_model (self)) {
    g_autoptr (GPtrArray) pads = gst_nddr_cnn_get_pads (self);
    g_autoptr (GError) error = NULL;

    if (resolve_pads (self, pads)) {
      if (gst_nddr_cnn_make_session (self, self->model, pads, &self->session, &error))
        return TRUE;
      gst_nddr_cnn_post_error (self, error, "set up the network");
    }
  }
  gst_nddr_cnn_close (self);
  return FALSE;
}

void
gst_nddr_session_clear (GstNddrSession *session)
{
  g_clear_pointer (&session->session, nddr_session_free);
  g_clear_pointer (&session->tasks, g_strfreev);
}

void
gst_nddr_cnn_close (GstNddrCnn *self)
{
  g_autoptr (GPtrArray) pads = gst_nddr_cnn_get_pads (self);

  gst_nddr_session_clear (&self->session);
  GST_OBJECT_LOCK (self);
  NddrModel *model = g_steal_pointer (&self->model);
  NddrDevice *device = g_steal_pointer (&self->device);
  g_clear_pointer (&self->model_path, g_free);
  g_clear_pointer (&self->opened_model, g_free);
  GST_OBJECT_UNLOCK (self);
  g_clear_pointer (&model, nddr_model_unref);
  g_clear_pointer (&device, nddr_device_unref);
  g_clear_pointer (&self->opened_device, g_free);
  for (guint i = 0; i < pads->len; i++)
    gst_nddr_pad_set_kind (pads->pdata[i], NULL);
}

/* The tasks of @pads, or all where there is none or one takes all, in the model's order. */
static GStrv
wanted_tasks (NddrModel *model, GPtrArray *pads)
{
  GStrvBuilder *builder = g_strv_builder_new ();

  for (guint t = 0; t < nddr_model_get_n_tasks (model); t++) {
    const char *name = nddr_model_get_task (model, t)->name;
    gboolean wanted = pads->len == 0;

    for (guint i = 0; i < pads->len; i++)
      wanted |= !GST_NDDR_PAD (pads->pdata[i])->task || g_str_equal (GST_NDDR_PAD (pads->pdata[i])->task, name);
    if (wanted)
      g_strv_builder_add (builder, name);
  }
  GStrv tasks = g_strv_builder_end (builder);
  g_strv_builder_unref (builder);
  return tasks;
}

gboolean
gst_nddr_parse_input (const char *text, guint *width, guint *height, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (text ? text : "", "x", 2);
  guint64 sizes[2] = { 0 };

  for (int i = 0; i < 2 && parts[0]; i++)
    if (!parts[i] || !g_ascii_string_to_unsigned (parts[i], 10, 32, 16384, &sizes[i], NULL)) {
      g_set_error (error, NDDR_ERROR, NDDR_ERROR_ARGUMENT,
          "input=%s is no size: expected WIDTHxHEIGHT, each from 32 to 16384, as in input=320x240; empty is the model's own", text);
      return FALSE;
    }
  *width = sizes[0];
  *height = sizes[1];
  return TRUE;
}

/* What the settings ask of a session for @tasks, which it takes; not made yet. */
static gboolean
set_wanted (GstNddrCnn *self, GStrv tasks, GstNddrSession *wanted, GError **error)
{
  GST_OBJECT_LOCK (self);
  *wanted = (GstNddrSession){ .tasks = tasks, .slots = self->settings.max_in_flight, .precision = self->settings.precision };
  gboolean valid = gst_nddr_parse_input (self->settings.input, &wanted->width, &wanted->height, error);
  GST_OBJECT_UNLOCK (self);
  if (!valid)
    gst_nddr_session_clear (wanted);
  return valid;
}

static gboolean
make (GstNddrCnn *self, NddrModel *model, GstNddrSession *session, GError **error)
{
  NddrSessionOptions options = { .precision = session->precision, .width = session->width, .height = session->height,
    .tasks = (const char *const *) session->tasks, .slots = session->slots };
  gint64 start = g_get_monotonic_time ();

  session->session = nddr_session_new (self->device, model, &options, error);
  if (!session->session) {
    gst_nddr_session_clear (session);
    return FALSE;
  }
  g_autofree char *names = g_strjoinv (", ", session->tasks);
  guint width = session->width, height = session->height;
  if (!width)
    nddr_model_get_input_size (model, &width, &height);
  GST_INFO_OBJECT (self, "ready for %s at %ux%u with %u frames in flight after %" G_GINT64_FORMAT " ms", names, width, height, session->slots,
      (g_get_monotonic_time () - start) / 1000);
  return TRUE;
}

gboolean
gst_nddr_cnn_make_session (GstNddrCnn *self, NddrModel *model, GPtrArray *pads, GstNddrSession *session, GError **error)
{
  g_autoptr (GPtrArray) likely = likely_pads (pads);

  return set_wanted (self, wanted_tasks (model, likely), session, error) && make (self, model, session, error);
}

gboolean
gst_nddr_cnn_ensure_session (GstNddrCnn *self, GPtrArray *pads, GError **error)
{
  GST_OBJECT_LOCK (self);
  self->settings_changed = FALSE;
  GST_OBJECT_UNLOCK (self);
  GstNddrSession wanted, *has = &self->session;

  if (!set_wanted (self, wanted_tasks (self->model, pads), &wanted, error))
    return FALSE;
  if (has->session && wanted.slots == has->slots && wanted.precision == has->precision && wanted.width == has->width && wanted.height == has->height
      && g_strv_equal ((const char *const *) wanted.tasks, (const char *const *) has->tasks)) {
    g_strfreev (wanted.tasks);
    return TRUE;
  }
  /* the old one first: two at once may not fit the device's memory */
  gst_nddr_session_clear (has);
  *has = wanted;
  return make (self, self->model, has, error);
}
