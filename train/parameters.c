/* See parameters.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/parameters.h>
#include <nddr/allocate.h>

#include <string.h>

#define ALIGN 64 /* elements: 256 bytes, what a part of a tensor starts at, and what has one group */

static gsize
align_up (gsize n)
{
  return (n + ALIGN - 1) / ALIGN * ALIGN;
}

static void
parameter_clear (gpointer data)
{
  g_free (((NddrParameter *) data)->name);
}

static NddrGroup
layer_group (const NddrLayer *layer, gboolean weight)
{
  switch (layer->role) {
    case NDDR_ROLE_FUSION:
    case NDDR_ROLE_SHORTCUT:
      return weight ? NDDR_GROUP_FUSION_WEIGHT : NDDR_GROUP_FUSION;
    case NDDR_ROLE_HEAD:
      return weight ? NDDR_GROUP_HEAD_WEIGHT : NDDR_GROUP_HEAD;
    case NDDR_ROLE_HEAD_LAST:
      return weight ? NDDR_GROUP_LAST_WEIGHT : NDDR_GROUP_LAST_BIAS;
    case NDDR_ROLE_TRUNK:
    default:
      return weight ? NDDR_GROUP_TRUNK_WEIGHT : NDDR_GROUP_TRUNK;
  }
}

/* A parameter for each branch's tensor, or the one for all; they lie one after the other, from @offset. Returns the part's elements. */
static gsize
add_slots (NddrParameters *p, const NddrLayer *layer, char **bases, const char *suffix, gboolean running, gsize offset, NddrGroup group,
    guint n_dims, const gint64 *dims)
{
  gsize n = 1;
  for (guint d = 0; d < n_dims; d++)
    n *= dims[d];
  for (int b = 0; b < layer->branches && bases[b]; b++) {
    NddrParameter parameter = { g_strconcat (bases[b], suffix, NULL), running, offset + b * n, n, n_dims, { 0 }, group };
    memcpy (parameter.dims, dims, n_dims * sizeof *dims);
    g_array_append_val (p->all, parameter);
  }
  return n * (bases[layer->branches - 1] ? layer->branches : 1);
}

/* Where a layer's parts lie, in elements; the count 0 where it has no such part. */
typedef struct
{
  struct { gsize offset, n; } weight, bias, scale, shift, mean, var;
} Layout;

static void
lay_out (NddrParameters *p, const NddrNetwork *network, Layout *layouts, gsize *n_params, gsize *n_running)
{
  for (int i = 0; i < p->n_layers; i++) {
    const NddrLayer *layer = nddr_network_layer (network, i);
    Layout *l = &layouts[i];
    gint64 dims[4];
    guint n_dims = nddr_network_weight_dims (network, layer, 0, dims);
    NddrGroup other = layer_group (layer, FALSE);
    if (n_dims == 0)
      continue;

#define PLACE(part, bases, suffix, flag, total, group, n_dims) \
(l->part.offset = *(total), l->part.n = add_slots (p, layer, bases, suffix, flag, *(total), group, n_dims, dims), *(total) += align_up (l->part.n))
    PLACE (weight, layer->names, nddr_layer_weight_suffix (layer), FALSE, n_params, layer_group (layer, n_dims == 4), n_dims);
    if (layer->bias)
      PLACE (bias, layer->names, ".bias", FALSE, n_params, other, 1);
    if (layer->norm) {
      PLACE (scale, layer->norms, ".weight", FALSE, n_params, other, 1);
      PLACE (shift, layer->norms, ".bias", FALSE, n_params, other, 1);
      PLACE (mean, layer->norms, ".running_mean", TRUE, n_running, other, 1);
      PLACE (var, layer->norms, ".running_var", TRUE, n_running, other, 1);
    }
#undef PLACE
  }
}

static NddrTensor *
make_part (NddrPlan *plan, NddrTensor *whole, const char *label, const char *what, gsize offset, gsize n)
{
  if (!whole || n == 0)
    return NULL;
  g_autofree char *name = g_strdup_printf ("%s.%s", label, what);
  return nddr_plan_part (plan, whole, name, offset * sizeof (float), n);
}

NddrParameters *
nddr_parameters_new (NddrPlan *plan, const NddrNetwork *network, gboolean learn, gboolean adamw, gboolean accumulate, gboolean exchange)
{
  NddrParameters *p = g_new0 (NddrParameters, 1);
  p->n_layers = network->layers->len;
  p->layers = g_new0 (NddrLayerParameters, p->n_layers);
  p->all = g_array_new (FALSE, FALSE, sizeof (NddrParameter));
  g_array_set_clear_func (p->all, parameter_clear);

  g_autofree Layout *layouts = g_new0 (Layout, p->n_layers);
  gsize n_params = 0, n_running = 0;
  lay_out (p, network, layouts, &n_params, &n_running);

  p->params = nddr_plan_flat (plan, "params", NDDR_SPACE_PARAMS, NDDR_F32, n_params);
  if (n_running)
    p->running = nddr_plan_flat (plan, "running", NDDR_SPACE_STATE, NDDR_F32, n_running);
  if (learn) {
    p->gradients = nddr_plan_flat (plan, "gradients", NDDR_SPACE_STATE, NDDR_F32, n_params);
    p->total = accumulate ? nddr_plan_flat (plan, "total", NDDR_SPACE_STATE, NDDR_F32, n_params) : p->gradients;
    if (exchange) {
      p->exchanged = nddr_plan_flat (plan, "exchanged", NDDR_SPACE_EXCHANGE, NDDR_F32, n_params);
      p->summed = nddr_plan_flat (plan, "summed", NDDR_SPACE_EXCHANGE, NDDR_F32, n_params);
    }
    p->moment1 = nddr_plan_flat (plan, "moment1", NDDR_SPACE_STATE, NDDR_F32, n_params);
    if (adamw)
      p->moment2 = nddr_plan_flat (plan, "moment2", NDDR_SPACE_STATE, NDDR_F32, n_params);
    g_autofree guint32 *groups = g_new0 (guint32, n_params / ALIGN);
    for (guint s = 0; s < p->all->len; s++) {
      const NddrParameter *parameter = &g_array_index (p->all, NddrParameter, s);
      for (gsize k = parameter->offset / ALIGN; !parameter->running && k * ALIGN < parameter->offset + parameter->n; k++)
        groups[k] = parameter->group;
    }
    p->groups = nddr_plan_table (plan, "groups", groups, n_params / ALIGN * sizeof *groups);
  }

  for (int i = 0; i < p->n_layers; i++) {
    const char *label = nddr_network_layer (network, i)->label;
    const Layout *l = &layouts[i];
    p->layers[i] = (NddrLayerParameters){
      .weight = make_part (plan, p->params, label, "weight", l->weight.offset, l->weight.n),
      .bias = make_part (plan, p->params, label, "bias", l->bias.offset, l->bias.n),
      .scale = make_part (plan, p->params, label, "scale", l->scale.offset, l->scale.n),
      .shift = make_part (plan, p->params, label, "shift", l->shift.offset, l->shift.n),
      .dweight = make_part (plan, p->gradients, label, "dweight", l->weight.offset, l->weight.n),
      .dbias = make_part (plan, p->gradients, label, "dbias", l->bias.offset, l->bias.n),
      .dscale = make_part (plan, p->gradients, label, "dscale", l->scale.offset, l->scale.n),
      .dshift = make_part (plan, p->gradients, label, "dshift", l->shift.offset, l->shift.n),
      .mean = make_part (plan, p->running, label, "mean", l->mean.offset, l->mean.n),
      .var = make_part (plan, p->running, label, "var", l->var.offset, l->var.n),
    };
  }
  return p;
}

void
nddr_parameters_free (NddrParameters *parameters)
{
  if (!parameters)
    return;
  g_array_unref (parameters->all);
  g_free (parameters->layers);
  g_free (parameters);
}

static const NddrTensor *
whole_of (const NddrParameters *p, NddrParametersKind kind, gboolean running)
{
  switch (kind) {
    case NDDR_PARAMETERS_GRADIENTS:
      return running ? NULL : p->total;
    case NDDR_PARAMETERS_MOMENT1:
      return running ? NULL : p->moment1;
    case NDDR_PARAMETERS_MOMENT2:
      return running ? NULL : p->moment2;
    case NDDR_PARAMETERS_VALUES:
    default:
      return running ? p->running : p->params;
  }
}

gboolean
nddr_parameters_write (const NddrParameters *p, NddrProgram *program, NddrParametersKind kind, const NddrArrays *tensors, const char *prefix,
    GError **error)
{
  for (int running = 0; running < 2; running++) {
    const NddrTensor *whole = whole_of (p, kind, running);
    if (!whole)
      continue;
    g_autofree float *data = nddr_try_alloc0 (whole->bytes, 1, "the network's parameters", error);
    if (!data)
      return FALSE;
    for (guint s = 0; s < p->all->len; s++) {
      const NddrParameter *parameter = &g_array_index (p->all, NddrParameter, s);
      if (parameter->running != running)
        continue;
      g_autofree char *name = g_strconcat (prefix, parameter->name, NULL);
      const NddrArray *array = nddr_arrays_find (tensors, name);
      if (!array || array->n_elements != parameter->n)
        return nddr_fail (error, NDDR_ERROR_FORMAT, "tensor %s is %s, but the network needs %" G_GSIZE_FORMAT " elements of it", name,
            array ? "of another size" : "missing", parameter->n);
      memcpy (data + parameter->offset, array->data, parameter->n * sizeof (float));
    }
    if (!nddr_program_write (program, whole, 0, data, whole->bytes, error))
      return FALSE;
  }
  return TRUE;
}

gboolean
nddr_parameters_read (const NddrParameters *p, NddrProgram *program, NddrParametersKind kind, NddrArrays *tensors, const char *prefix, GError **error)
{
  g_autofree float *values = NULL, *running = NULL;
  const NddrTensor *wholes[2] = { whole_of (p, kind, FALSE), whole_of (p, kind, TRUE) };
  if (wholes[0] && !(values = nddr_try_alloc (wholes[0]->bytes, 1, "the network's parameters", error)))
    return FALSE;
  if (wholes[1] && !(running = nddr_try_alloc (wholes[1]->bytes, 1, "the network's running statistics", error)))
    return FALSE;
  const float *data[2] = { values, running };
  if (wholes[0] && !nddr_program_read (program, wholes[0], 0, values, wholes[0]->bytes, error))
    return FALSE;
  if (wholes[1] && !nddr_program_read (program, wholes[1], 0, running, wholes[1]->bytes, error))
    return FALSE;
  for (guint s = 0; s < p->all->len; s++) {
    const NddrParameter *parameter = &g_array_index (p->all, NddrParameter, s);
    if (!data[parameter->running])
      continue;
    g_autofree char *name = g_strconcat (prefix, parameter->name, NULL);
    NddrArray *array = nddr_array_try_new (name, parameter->n_dims, parameter->dims, error);
    if (!array)
      return FALSE;
    memcpy (array->data, data[parameter->running] + parameter->offset, parameter->n * sizeof (float));
    nddr_arrays_take (tensors, array);
  }
  return TRUE;
}

gboolean
nddr_parameters_reset (const NddrParameters *p, NddrProgram *program, GError **error)
{
  const NddrTensor *wholes[] = { p->gradients, p->total, p->moment1, p->moment2 };
  g_autofree guint8 *zeros = nddr_try_alloc0 (p->params->bytes, 1, "the network's gradients", error);
  if (!zeros)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (wholes); i++)
    if (wholes[i] && !nddr_program_write (program, wholes[i], 0, zeros, wholes[i]->bytes, error))
      return FALSE;
  return TRUE;
}
