/* Weights, pictures and labels out of nothing, the same bits as tests/network/generator.py makes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/network.h>
#include <nddr/arrays.h>

/** Which of a bias and a normalisation a trunk's convolutions have (vgg16). */
typedef enum { TRUNK_NORM, TRUNK_BIAS, TRUNK_BOTH } TrunkAffine;

/** "norm", "bias" or "both". */
TrunkAffine trunk_affine_from_name (const char *name);
/** (transfer full): every tensor of the config's network.  @calm: what training goldens start from: few elements lie near a
 * ReLU's kink. */
NddrArrays *generate_model (const NddrConfig *config, TrunkAffine affine, gboolean calm);
/** One tensor of a model. */
NddrArray *generate_parameter (const char *name, guint n_dims, const gint64 *dims, gboolean calm);
/** [batch][height][width][stride], channels 0 to 2 set, the others 0. (transfer full) */
float *generate_picture (const char *name, int batch, int height, int width, int stride);
/** What NddrLoss.label holds. (transfer full) */
gpointer generate_label (const char *name, const NddrTask *task, int batch, int height, int width);
