/* See scaler.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/scaler.h>
#include <nddr/error.h>

#include <math.h>

#define GROUP "scaler"

NddrScaler
nddr_scaler_new (void)
{
  return (NddrScaler){ .scale = NDDR_SCALER_INIT };
}

void
nddr_scaler_end (NddrScaler *s, gboolean finite)
{
  if (!finite) {
    s->scale *= NDDR_SCALER_BACKOFF;
    s->steps = 0;
    s->overflows++;
  } else if (++s->steps == NDDR_SCALER_INTERVAL) {
    s->scale *= NDDR_SCALER_GROWTH;
    s->steps = 0;
  }
}

/* Below 1, gradients would have to be beyond the largest half to overflow. */
gboolean
nddr_scaler_can_back_off (const NddrScaler *s)
{
  return s->scale * NDDR_SCALER_BACKOFF >= 1;
}

/* ---- the state */

char *
nddr_scaler_to_text (const NddrScaler *s)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_key_file_set_double (file, GROUP, "scale", s->scale);
  g_key_file_set_int64 (file, GROUP, "steps", s->steps);
  g_key_file_set_int64 (file, GROUP, "overflows", s->overflows);
  return g_key_file_to_data (file, NULL, NULL);
}

gboolean
nddr_scaler_from_text (NddrScaler *s, const char *text, GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  if (!g_key_file_load_from_data (file, text, -1, G_KEY_FILE_NONE, error))
    return FALSE;
  NddrScaler read = {
    .scale = g_key_file_get_double (file, GROUP, "scale", NULL), .steps = g_key_file_get_int64 (file, GROUP, "steps", NULL),
    .overflows = g_key_file_get_int64 (file, GROUP, "overflows", NULL),
  };
  if (!(read.scale > 0 && isfinite (read.scale)) || read.steps < 0 || read.steps >= NDDR_SCALER_INTERVAL || read.overflows < 0)
    return nddr_fail (error, NDDR_ERROR_FORMAT, "the state of the losses' scale is no scale above 0 with two counts");
  *s = read;
  return TRUE;
}
