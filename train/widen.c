/* See widen.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/widen.h>

gboolean
nddr_widens (const NddrArray *narrow, guint n_dims, const gint64 *dims)
{
  if (narrow->n_dims != n_dims)
    return FALSE;
  for (guint d = 0; d < n_dims; d++)
    if (d < 2 ? narrow->dims[d] > dims[d] || narrow->dims[d] == 0 : narrow->dims[d] != dims[d])
      return FALSE;
  return TRUE;
}

/* @shares: [wide]: what each of @wide channels gets of the one of @narrow channels that it copies. */
static void
share_out (NddrRandom *random, gint64 narrow, gint64 wide, double *shares)
{
  if (narrow == wide) { /* all of it, and no need of chance */
    for (gint64 i = 0; i < wide; i++)
      shares[i] = 1;
    return;
  }
  for (gint64 i = 0; i < narrow; i++) {
    double sum = 0;
    for (gint64 copy = i; copy < wide; copy += narrow)
      sum += shares[copy] = nddr_random_between (random, 0.5, 1.5);
    for (gint64 copy = i; copy < wide; copy += narrow)
      shares[copy] /= sum;
  }
}

NddrArray *
nddr_widen (const NddrArray *narrow, const char *name, guint n_dims, const gint64 *dims, NddrRandom random, GError **error)
{
  NddrArray *array = nddr_array_try_new (name, n_dims, dims, error);
  if (!array)
    return NULL;
  gint64 outputs = dims[0], inputs = n_dims > 1 ? dims[1] : 1, narrow_inputs = n_dims > 1 ? narrow->dims[1] : 1;
  gsize taps = array->n_elements / (outputs * inputs);
  g_autofree double *shares = g_new (double, inputs);
  for (gint64 o = 0; o < outputs; o++) {
    const float *from = narrow->data + o % narrow->dims[0] * narrow_inputs * taps;
    float *to = array->data + o * inputs * taps;
    share_out (&random, narrow_inputs, inputs, shares);
    for (gint64 i = 0; i < inputs; i++)
      for (gsize t = 0; t < taps; t++)
        to[i * taps + t] = (float) (from[i % narrow_inputs * taps + t] * shares[i]);
  }
  return array;
}
