/* What a session's other parts ask of it: its tasks by name, and whether it can go on.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/session-private.h>
#include <nddr/error.h>

int
nddr_session_find_task (NddrSession *session, const char *name)
{
  const NddrConfig *config = nddr_model_get_config (session->model);

  for (guint t = 0; t < config->n_tasks; t++)
    if (g_strcmp0 (config->tasks[t].name, name) == 0)
      return t;
  return -1;
}

char *
nddr_session_list_tasks (NddrSession *session, gboolean requested_alone)
{
  const NddrConfig *config = nddr_model_get_config (session->model);
  GString *list = g_string_new (NULL);

  for (guint t = 0; t < config->n_tasks; t++)
    if (!requested_alone || session->requested[t])
      g_string_append_printf (list, "%s%s", list->len ? ", " : "", config->tasks[t].name);
  return g_string_free (list, FALSE);
}

gboolean
nddr_session_check_state (NddrSession *session, gboolean must_be_idle, GError **error)
{
  guint64 in_flight;
  gboolean ok;

  g_mutex_lock (&session->mutex);
  in_flight = session->submitted - session->waited;
  ok = session->failure == NULL;
  if (!ok && error)
    *error = g_error_copy (session->failure);
  g_mutex_unlock (&session->mutex);
  if (ok && must_be_idle && in_flight)
    return nddr_fail (error, NDDR_ERROR_ARGUMENT, "%" G_GUINT64_FORMAT " frames are in flight: wait for them before frames are set anew", in_flight);
  return ok;
}
