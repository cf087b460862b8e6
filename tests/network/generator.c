/* Weights, pictures and labels out of nothing, the same bits as tests/network/generator.py makes: see there.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator.h"

#include <math.h>
#include <string.h>

static guint64
seed_of (const char *name)
{
  guint64 state = 0xcbf29ce484222325;

  for (; *name != '\0'; name++)
    state = (state ^ (guint8) *name) * 0x100000001b3;
  return state;
}

static guint32
word (guint64 seed, gsize i)
{
  guint64 z = seed + (i + 1) * 0x9e3779b97f4a7c15;

  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return (guint32) ((z ^ (z >> 31)) >> 40);
}

static double
symmetric (guint64 seed, gsize i)
{
  return word (seed, i) * 0x1p-23 - 1.0;
}

NddrArray *
generate_parameter (const char *name, guint n_dims, const gint64 *dims, gboolean calm)
{
  NddrArray *array = nddr_array_new (name, n_dims, dims);
  guint64 seed = seed_of (name);
  double base = 0, scale = 0.125;

  if (n_dims == 2 || n_dims == 3) { /* mixtures of tasks */
    scale = sqrt (3.0 / (double) dims[n_dims - 1]);
  } else if (g_str_has_prefix (name, "sluice.beta.")) {
    base = 0.5;
    scale = 0.25;
  } else if (n_dims == 4) {
    scale = sqrt (6.0 / (double) (dims[1] * dims[2] * dims[3]));
  } else if (g_str_has_suffix (name, ".running_mean")) {
    scale = 0.25;
  } else if (g_str_has_suffix (name, ".running_var")) {
    base = 1;
    scale = 0.5;
  } else if (g_str_has_suffix (name, ".weight")) {
    base = calm ? 0.5 : 1;
    scale = calm ? 0.125 : 0.25;
  } else if (calm) {
    base = 1.5;
    scale = 0.25;
  }
  for (gsize i = 0; i < array->n_elements; i++) {
    double r = symmetric (seed, i);

    array->data[i] = (float) ((base == 1.5 && r < -0.75 ? -base : base) + r * scale);
  }
  return array;
}

TrunkAffine
trunk_affine_from_name (const char *name)
{
  return g_str_equal (name, "bias") ? TRUNK_BIAS : g_str_equal (name, "both") ? TRUNK_BOTH : TRUNK_NORM;
}

typedef struct
{
  NddrArrays *tensors;
  TrunkAffine affine;
  gboolean calm;
} Generate;

static void
generate (const NddrLayer *layer, int branch, const char *name, guint n_dims, const gint64 *dims, gpointer user_data)
{
  Generate *to = user_data;
  gboolean plain = layer->role == NDDR_ROLE_TRUNK && to->affine == TRUNK_BIAS;

  if (!plain || g_str_has_prefix (name + strlen (layer->names[branch]), ".weight"))
    nddr_arrays_take (to->tensors, generate_parameter (name, n_dims, dims, to->calm));
  if (n_dims == 4 && layer->role == NDDR_ROLE_TRUNK && to->affine != TRUNK_NORM) {
    g_autofree char *bias = g_strconcat (layer->names[branch], ".bias", NULL);

    nddr_arrays_take (to->tensors, generate_parameter (bias, 1, dims, to->calm));
  }
}

NddrArrays *
generate_model (const NddrConfig *config, TrunkAffine affine, gboolean calm)
{
  g_autoptr (NddrNetwork) network = nddr_network_new (config, NULL, NULL, NULL);
  Generate to = { nddr_arrays_new (), affine, calm };

  g_assert_nonnull (network);
  nddr_network_foreach_tensor (network, generate, &to);
  return to.tensors;
}

float *
generate_picture (const char *name, int batch, int height, int width, int stride)
{
  float *pixels = g_new0 (float, (gsize) batch * height * width * stride);
  guint64 seed = seed_of (name);
  gsize plane = (gsize) height * width;

  for (int b = 0; b < batch; b++)
    for (int c = 0; c < 3; c++)
      for (gsize p = 0; p < plane; p++)
        pixels[(b * plane + p) * stride + c] = (float) (symmetric (seed, (b * 3 + c) * plane + p) * 2.0);
  return pixels;
}

gpointer
generate_label (const char *name, const NddrTask *task, int batch, int height, int width)
{
  gsize n = (gsize) batch * height * width;
  g_autofree char *valid_name = g_strconcat (name, ".valid", NULL);
  guint64 seed = seed_of (name), valid_seed = seed_of (valid_name);
  guint8 *ids = NULL;
  float *numbers = NULL;

  if (task->kind == NDDR_TASK_SEGMENTATION)
    ids = g_new0 (guint8, n);
  else
    numbers = g_new0 (float, task->kind == NDDR_TASK_NORMAL ? 4 * n : n);
  for (gsize i = 0; i < n; i++) {
    gboolean valid = word (valid_seed, i) % 8 != 0;

    if (task->kind == NDDR_TASK_SEGMENTATION) {
      ids[i] = valid ? (guint8) (word (seed, i) % task->n_classes) : 255;
    } else if (task->kind == NDDR_TASK_DEPTH) {
      numbers[i] = valid ? (float) (0.5 + word (seed, i) * 0x1p-22) : 0;
    } else if (valid) {
      double x = symmetric (seed, 3 * i), y = symmetric (seed, 3 * i + 1), z = symmetric (seed, 3 * i + 2), length = sqrt (x * x + y * y + z * z);

      numbers[4 * i] = (float) (x / length);
      numbers[4 * i + 1] = (float) (y / length);
      numbers[4 * i + 2] = (float) (z / length);
      numbers[4 * i + 3] = 1;
    }
  }
  return ids != NULL ? (gpointer) ids : numbers;
}
