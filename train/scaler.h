/* A scaler: what losses are multiplied by in mixed precision, so that small gradients are no zeros as halves.
 *
 * PyTorch's torch.cuda.amp.GradScaler is the definition: after a step whose gradients are not all finite the scale is halved, and the step changes
 * nothing; after so many steps in a row whose gradients are, it is doubled.  Its powers of two take nothing from a gradient but what no half can
 * hold.  All of its state is in nddr_scaler_to_text().
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/nddr-error.h>

G_BEGIN_DECLS

#define NDDR_SCALER_INIT 65536.0
#define NDDR_SCALER_GROWTH 2.0
#define NDDR_SCALER_BACKOFF 0.5
#define NDDR_SCALER_INTERVAL 2000

/** Plain data. */
typedef struct
{
  double scale;     /* of the next step's losses */
  gint64 steps;     /* without an overflow since the scale last changed */
  gint64 overflows; /* in all: steps that changed nothing */
} NddrScaler;

NddrScaler nddr_scaler_new (void);
/** Ends a step. @finite: whether all of its gradients were. */
void nddr_scaler_end (NddrScaler *scaler, gboolean finite);
/** Whether less scale can help: if not, what overflows are the gradients themselves, and the run has diverged.  PyTorch goes on for ever. */
gboolean nddr_scaler_can_back_off (const NddrScaler *scaler);

/** (transfer full): the state, and back. */
char *nddr_scaler_to_text (const NddrScaler *scaler);
gboolean nddr_scaler_from_text (NddrScaler *scaler, const char *text, GError **error);

G_END_DECLS
