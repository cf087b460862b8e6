/* Sessions: making them, for a device, a precision, tasks and a size.  See nddr-session.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/session-private.h>
#include <nddr/error.h>
#include <nddr/gpu/device.h>
#include <nddr/gpu/tuning-cache.h>

#define MIN_INPUT 32
#define DEFAULT_SLOTS 2

static gboolean
choose_precision (NddrSession *session, NddrPrecision precision, GError **error)
{
  session->traits = *nddr_device_get_traits (session->device);
  session->traits.tuning = nddr_device_get_tuning (session->device);
  session->type = NDDR_F32;
  if (precision < NDDR_PRECISION_AUTO || precision > NDDR_PRECISION_FP16)
    return nddr_fail (error, NDDR_ERROR_ARGUMENT, "precision %d is unknown: the last is %d, fp16", precision, NDDR_PRECISION_FP16);
  if (precision == NDDR_PRECISION_FP16 && !session->traits.fp16)
    return nddr_fail (error, NDDR_ERROR_UNSUPPORTED,
        "%s cannot store 16-bit floats in buffers (VkPhysicalDevice16BitStorageFeatures.storageBuffer16BitAccess): use precision fp32 or auto",
        nddr_device_get_info (session->device)->name);
  /* a processor has no halves that were as good as free, whichever kernels it runs */
  gboolean is_processor = nddr_device_get_info (session->device)->type == VK_PHYSICAL_DEVICE_TYPE_CPU;
  if (precision == NDDR_PRECISION_FP16 || (precision == NDDR_PRECISION_AUTO && session->traits.fp16 && !is_processor)) {
    session->type = NDDR_F16;
    session->traits.family = NDDR_FAMILY_GPU; /* those for software drivers have no fp16: halves would gain nothing there */
  }
  return TRUE;
}

static gboolean
choose_tasks (NddrSession *session, const char *const *tasks, GError **error)
{
  const NddrConfig *config = nddr_model_get_config (session->model);

  session->requested = g_new0 (gboolean, config->n_tasks);
  for (guint t = 0; t < config->n_tasks; t++)
    session->requested[t] = tasks == NULL;
  for (guint i = 0; tasks && tasks[i]; i++) {
    int t = nddr_session_find_task (session, tasks[i]);

    if (t < 0) {
      g_autofree char *list = nddr_session_list_tasks (session, FALSE);

      return nddr_fail (error, NDDR_ERROR_ARGUMENT, "the model has no task \"%s\"; its tasks are: %s", tasks[i], list);
    }
    session->requested[t] = TRUE;
  }
  if (tasks && !tasks[0])
    return nddr_fail (error, NDDR_ERROR_ARGUMENT, "no task was asked for: name at least one, or give NULL for all");
  return TRUE;
}

static gboolean
choose_size (NddrSession *session, guint width, guint height, GError **error)
{
  const NddrConfig *config = nddr_model_get_config (session->model);

  width = width ? width : config->input_width;
  height = height ? height : config->input_height;
  if (MIN (width, height) < MIN_INPUT || MAX (width, height) > NDDR_MAX_SIZE)
    return nddr_fail (error, NDDR_ERROR_ARGUMENT,
        "the network cannot run at %ux%u: it takes %dx%d to %dx%d", width, height, MIN_INPUT, MIN_INPUT, NDDR_MAX_SIZE, NDDR_MAX_SIZE);
  session->network = nddr_network_new (config, nddr_model_get_tensors (session->model), session->requested, error);
  if (!session->network)
    return FALSE;
  nddr_network_sizes (session->network, width, height, &session->widths, &session->heights);
  return TRUE;
}

NddrSession *
nddr_session_new (NddrDevice *device, NddrModel *model, const NddrSessionOptions *options, GError **error)
{
  static const NddrSessionOptions defaults;
  g_autoptr (NddrSession) session = g_new0 (NddrSession, 1);

  if (!options)
    options = &defaults;
  g_mutex_init (&session->mutex);
  session->device = nddr_device_ref (device);
  session->model = nddr_model_ref (model);
  session->slots = options->slots ? options->slots : DEFAULT_SLOTS;
  if (session->slots > NDDR_PROGRAM_MAX_SLOTS) {
    nddr_fail (error, NDDR_ERROR_ARGUMENT, "%u frames in flight are too many: 1 to %d", session->slots, NDDR_PROGRAM_MAX_SLOTS);
    return NULL;
  }
  if (!choose_precision (session, options->precision, error) || !choose_tasks (session, options->tasks, error) ||
      !choose_size (session, options->width, options->height, error))
    return NULL;
  g_autoptr (NddrProgram) program = nddr_session_run_once (session, error);
  if (!program)
    return NULL;
  session->max_scenes = nddr_session_count_scenes (session, nddr_program_get_plan (program));
  return g_steal_pointer (&session);
}

void
nddr_session_free (NddrSession *session)
{
  if (!session)
    return;
  nddr_session_take_scene (session, NULL);
  g_clear_pointer (&session->network, nddr_network_free);
  g_free (session->widths);
  g_free (session->heights);
  g_free (session->requested);
  g_clear_error (&session->failure);
  g_mutex_clear (&session->mutex);
  nddr_model_unref (session->model);
  nddr_device_unref (session->device);
  g_free (session);
}

gboolean
nddr_session_get_head_size (NddrSession *session, const char *task, guint *width, guint *height, guint *channels)
{
  int t = nddr_session_find_task (session, task), value;

  if (t < 0 || !session->requested[t])
    return FALSE;
  value = session->network->heads[t].value;
  if (width)
    *width = session->widths[value];
  if (height)
    *height = session->heights[value];
  if (channels)
    *channels = nddr_model_get_task (session->model, t)->channels;
  return TRUE;
}
