/* See traffic.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/traffic.h>

#define NOBODY (-1)
#define OTHERS (-2) /* of another phase, or several */

/* Of a tensor; layers are numbered as they come, and a layer that comes again is another. */
typedef struct
{
  /* going from the last step to the first */
  int reader;       /* the one layer that reads what it holds, NOBODY or OTHERS */
  int maker;        /* the layer that wrote it whole: what was in it before that is another's; NOBODY: none */
  /* going from the first to the last */
  int layer;
  gsize read, made; /* bytes that counted there */
} Use;

static Use *
use_of (GHashTable *uses, NddrTensor *tensor)
{
  Use *use = g_hash_table_lookup (uses, tensor);

  if (!use) {
    use = g_new0 (Use, 1);
    use->reader = use->maker = use->layer = NOBODY;
    g_hash_table_insert (uses, tensor, use);
  }
  return use;
}

static NddrTensor *
root_of (NddrTensor *tensor)
{
  return tensor->whole ? tensor->whole : tensor;
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

/* Of what @tensor is a part of, before step by step something of another layer is seen. */
static Use *
go_back (GHashTable *uses, NddrTensor *tensor, int layer)
{
  Use *use = use_of (uses, root_of (tensor));

  if (use->maker != NOBODY && use->maker != layer)
    use->reader = use->maker = NOBODY;
  return use;
}

/* Which of @step's bindings are written for its own layer alone, as bits: going from the last step to the first. */
static guint
find_inner (GHashTable *uses, const NddrStep *step, int layer)
{
  guint inner = 0;

  for (int b = 0; b < NDDR_STEP_MAX_BINDINGS; b++) {
    const NddrBinding *binding = &step->bindings[b];
    NddrTensor *t = binding->tensor;

    if (!t || !binding->write)
      continue;
    Use *use = go_back (uses, t, layer);
    if (layer != OTHERS && use->reader == layer && t->space == NDDR_SPACE_ARENA && !root_of (t)->keep)
      inner |= 1u << b;
    if (layer != OTHERS && !binding->read && !t->whole)
      use->maker = layer;
  }
  for (int b = 0; b < NDDR_STEP_MAX_BINDINGS; b++)
    if (step->bindings[b].tensor && step->bindings[b].read && !step->bindings[b].ahead) {
      Use *use = go_back (uses, step->bindings[b].tensor, layer);

      use->reader = use->reader == NOBODY || use->reader == layer ? layer : OTHERS;
    }
  return inner;
}

static Use *
go_on (GHashTable *uses, NddrTensor *tensor, int layer)
{
  Use *use = use_of (uses, tensor);

  if (use->layer != layer) {
    use->layer = layer;
    use->read = use->made = 0;
  }
  return use;
}

/* What reading @tensor adds: what of it its layer has neither read nor made. */
static gsize
count_read (GHashTable *uses, NddrTensor *tensor, int layer)
{
  Use *part = go_on (uses, tensor, layer), *whole = go_on (uses, root_of (tensor), layer);
  gsize all = root_of (tensor)->bytes, known = MIN (all, whole->read + whole->made), more = MIN (tensor->bytes, all - known);

  if (part != whole && (part->read || part->made))
    return 0;
  part->read = tensor->bytes;
  if (part != whole)
    whole->read += more;
  return more;
}

/* What writing it adds: what of it its layer has not written yet. */
static gsize
count_write (GHashTable *uses, NddrTensor *tensor, int layer)
{
  Use *part = go_on (uses, tensor, layer), *whole = go_on (uses, root_of (tensor), layer);
  gsize more = MIN (tensor->bytes, root_of (tensor)->bytes - whole->made);

  if (part != whole && part->made)
    return 0;
  part->made = tensor->bytes;
  if (part != whole)
    whole->made += more;
  return more;
}

static gsize
count (GHashTable *uses, const NddrStep *step, int layer, guint inner)
{
  gsize bytes = 0;

  for (int b = 0; b < NDDR_STEP_MAX_BINDINGS; b++) {
    const NddrBinding *binding = &step->bindings[b];

    if (binding->tensor && binding->read && !binding->partial && !binding->ahead)
      bytes += count_read (uses, binding->tensor, layer);
  }
  for (int b = 0; b < NDDR_STEP_MAX_BINDINGS; b++) {
    const NddrBinding *binding = &step->bindings[b];
    gsize written = binding->tensor && binding->write ? count_write (uses, binding->tensor, layer) : 0;

    bytes += inner & 1u << b ? 0 : written;
  }
  return bytes;
}

gsize *
nddr_traffic (const NddrPlan *plan, guint phases)
{
  guint n = plan->steps->len;
  gsize *bytes = g_new0 (gsize, MAX (n, 1));
  g_autofree int *layers = number_layers (plan, phases);
  g_autofree guint *inner = g_new0 (guint, MAX (n, 1));
  g_autoptr (GHashTable) uses = g_hash_table_new_full (NULL, NULL, NULL, g_free);

  for (guint s = n; s-- > 0;)
    inner[s] = find_inner (uses, plan->steps->pdata[s], layers[s]);
  for (guint s = 0; s < n; s++)
    if (layers[s] != OTHERS)
      bytes[s] = count (uses, plan->steps->pdata[s], layers[s], inner[s]);
  return bytes;
}
