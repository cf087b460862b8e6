/* See traffic.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/traffic.h>

#define NOBODY (-1)
#define OTHERS (-2) /* of another phase, or several */

/* Of a tensor; layers are numbered as they come, and a layer that comes again is another. */
typedef struct
{
  int reader;           /* the one layer that reads it, NOBODY or OTHERS */
  int read_in, made_in; /* the last layer in which its reading and its writing counted */
} Use;

static Use *
use_of (GHashTable *uses, NddrTensor *tensor)
{
  Use *use = g_hash_table_lookup (uses, tensor);

  if (!use) {
    use = g_new (Use, 1);
    *use = (Use){ NOBODY, NOBODY, NOBODY };
    g_hash_table_insert (uses, tensor, use);
  }
  return use;
}

/* (transfer full): the layer that each step works for; OTHERS: it is of another phase than @phases */
static int *
number_layers (const NddrPlan *plan, guint phases)
{
  int *layers = g_new (int, MAX (plan->steps->len, 1)), layer = 0;
  const char *last = NULL;

  for (guint s = 0; s < plan->steps->len; s++) {
    const NddrStep *step = plan->steps->pdata[s];

    layers[s] = OTHERS;
    if (!(phases & 1u << step->phase))
      continue;
    layer += g_strcmp0 (step->label, last) != 0;
    last = step->label;
    layers[s] = layer;
  }
  return layers;
}

static void
note_readers (GHashTable *uses, const NddrStep *step, int layer)
{
  for (int b = 0; b < NDDR_STEP_MAX_BINDINGS; b++)
    if (step->bindings[b].tensor && step->bindings[b].read) {
      Use *use = use_of (uses, step->bindings[b].tensor);

      use->reader = use->reader == NOBODY || use->reader == layer ? layer : OTHERS;
    }
}

static gsize
count (GHashTable *uses, const NddrStep *step, int layer)
{
  gsize bytes = 0;

  for (int b = 0; b < NDDR_STEP_MAX_BINDINGS; b++) {
    const NddrBinding *binding = &step->bindings[b];
    NddrTensor *t = binding->tensor;

    if (!t)
      continue;
    Use *use = use_of (uses, t);
    gboolean stays = t->space == NDDR_SPACE_ARENA && !t->keep && use->reader == layer;

    if (binding->read && use->made_in != layer && use->read_in != layer) {
      bytes += t->bytes;
      use->read_in = layer;
    }
    if (binding->write && use->made_in != layer) {
      bytes += stays ? 0 : t->bytes;
      use->made_in = layer;
    }
  }
  return bytes;
}

gsize *
nddr_traffic (const NddrPlan *plan, guint phases)
{
  gsize *bytes = g_new0 (gsize, MAX (plan->steps->len, 1));
  g_autofree int *layers = number_layers (plan, phases);
  g_autoptr (GHashTable) uses = g_hash_table_new_full (NULL, NULL, NULL, g_free);

  for (guint s = 0; s < plan->steps->len; s++)
    note_readers (uses, plan->steps->pdata[s], layers[s]);
  for (guint s = 0; s < plan->steps->len; s++)
    if (layers[s] != OTHERS)
      bytes[s] = count (uses, plan->steps->pdata[s], layers[s]);
  return bytes;
}
