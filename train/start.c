/* See start.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/random.h>
#include <train/start.h>
#include <train/torchvision.h>
#include <train/widen.h>

#include <math.h>
#include <nddr/error.h>
#include <nddr/model.h>
#include <string.h>

/* A file given with --init. */
typedef struct
{
  const char *path;
  NddrArrays *tensors;
  gboolean model;         /* with our own names; else a backbone's */
  const char *trunk;      /* a model's only trunk, whatever its name; NULL where it has several */
  NddrModel *loaded;      /* owns the tensors of a model */
  guint used;             /* layers that started from it */
} Source;

typedef struct
{
  const NddrConfig *config;
  const NddrRecipe *recipe;
  double alpha, beta;
  gboolean xavier;
  Source *sources;
  guint n_sources;
  GString *warnings;
} Starter;

/* ---- random numbers: a stream for each tensor */

static double
random_normal (NddrRandom *r)
{
  double radius = sqrt (-2 * log (1 - nddr_random_unit (r)));
  return radius * cos (2 * G_PI * nddr_random_unit (r));
}

static NddrRandom
random_for (const Starter *s, const char *name)
{
  guint64 stream = 0;
  for (const char *c = name; *c; c++)
    stream = (stream ^ (guint8) *c) * G_GUINT64_CONSTANT (0x100000001b3);
  return nddr_random_init (s->recipe->seed, stream, 0);
}

/* ---- new tensors */

/* Of a layer's outputs: none is large. */
static NddrArray *
new_array (const char *base, const char *suffix, guint n_dims, const gint64 *dims)
{
  g_autofree char *name = g_strconcat (base, suffix, NULL);
  return nddr_array_new (name, n_dims, dims);
}

static void
fill (NddrArray *array, float value)
{
  for (gsize i = 0; i < array->n_elements; i++)
    array->data[i] = value;
}

/* Each number as its own part of the sum takes it, and as another's. */
static void
fill_matrix (NddrArray *w, gint64 rows, gint64 columns, double own, double other)
{
  for (gsize i = 0; i < w->n_elements; i++) {
    gint64 row = i / columns % rows, column = i % columns;
    w->data[i] = row == column ? own : columns > 1 ? other / (columns - 1) : 0;
  }
}

/* Mixtures of tasks and of stages: nearly what they would be without. */
static void
fill_mixture (const Starter *s, const NddrLayer *layer, NddrArray *w)
{
  gint64 columns = w->dims[w->n_dims - 1];
  double bound = sqrt (6.0 / (2 * columns));
  NddrRandom r = random_for (s, w->name);
  if (layer->kind == NDDR_LAYER_BLEND) /* of stages: the last is its own */
    for (gint64 i = 0; i < columns; i++)
      w->data[i] = i == columns - 1 ? 0.9 : 0.1 / (columns - 1);
  else if (s->xavier)
    for (gsize i = 0; i < w->n_elements; i++)
      w->data[i] = nddr_random_between (&r, -bound, bound);
  else if (layer->each_channel)
    fill_matrix (w, columns, columns, s->alpha, s->beta);
  else
    fill_matrix (w, columns, columns, 0.95, 0.05);
}

static void
fill_weight (const Starter *s, const NddrLayer *layer, int branch, NddrArray *w)
{
  NddrRandom r = random_for (s, w->name);
  if (layer->kind == NDDR_LAYER_MIX || layer->kind == NDDR_LAYER_BLEND) {
    fill_mixture (s, layer, w);
    return;
  }
  gsize fan_in = w->dims[1] * w->dims[2] * w->dims[3], fan_out = w->dims[0] * w->dims[2] * w->dims[3];
  if (layer->role == NDDR_ROLE_FUSION && !s->xavier) {
    gint64 c = w->dims[0], k = w->dims[1] / c;
    for (gint64 o = 0; o < c; o++)
      for (gint64 source = 0; source < k; source++)
        w->data[o * w->dims[1] + source * c + o] = source == branch ? s->alpha : s->beta / (k - 1);
    return;
  }
  double bound = layer->role == NDDR_ROLE_FUSION ? sqrt (6.0 / (fan_in + fan_out)) : 1 / sqrt (fan_in);
  for (gsize i = 0; i < w->n_elements; i++)
    if (layer->role == NDDR_ROLE_FUSION || layer->role == NDDR_ROLE_HEAD_LAST)
      w->data[i] = nddr_random_between (&r, -bound, bound);
    else
      w->data[i] = random_normal (&r) * sqrt (2.0 / fan_in);
}

/* Not zero: a normal's length is where its gradient divides, and what a head's last layer reads can be all zeros. */
static void
fill_bias (const Starter *s, const NddrArray *weight, NddrArray *bias)
{
  NddrRandom r = random_for (s, bias->name);
  double bound = 1 / sqrt (weight->n_elements / weight->dims[0]);
  for (gsize i = 0; i < bias->n_elements; i++)
    bias->data[i] = nddr_random_between (&r, -bound, bound);
}

static gboolean
start_anew (const Starter *s, const NddrNetwork *network, const NddrLayer *layer, int branch, NddrArrays *out, GError **error)
{
  gint64 dims[4];
  guint n_dims = nddr_network_weight_dims (network, layer, branch, dims);
  g_autofree char *weight_name = g_strconcat (layer->names[branch], nddr_layer_weight_suffix (layer), NULL);
  NddrArray *weight = nddr_array_try_new (weight_name, n_dims, dims, error);
  if (!weight)
    return FALSE;
  fill_weight (s, layer, branch, weight);
  nddr_arrays_take (out, weight);
  if (layer->bias) {
    NddrArray *bias = new_array (layer->names[branch], ".bias", 1, dims);
    if (layer->role == NDDR_ROLE_HEAD_LAST)
      fill_bias (s, weight, bias);
    nddr_arrays_take (out, bias);
  }
  if (!layer->norm)
    return TRUE;
  const char *norm = layer->norms[branch];
  NddrArray *scale = new_array (norm, ".weight", 1, dims), *var = new_array (norm, ".running_var", 1, dims);
  fill (scale, 1);
  fill (var, 1);
  nddr_arrays_take (out, scale);
  nddr_arrays_take (out, new_array (norm, ".bias", 1, dims));
  nddr_arrays_take (out, new_array (norm, ".running_mean", 1, dims));
  nddr_arrays_take (out, var);
  return TRUE;
}

/* ---- names in files */

static gboolean
is_head (const NddrLayer *layer)
{
  return layer->role == NDDR_ROLE_HEAD || layer->role == NDDR_ROLE_HEAD_LAST;
}

/* The name of a model's only task of @kind; NULL where it has none or several. */
static const char *
only_task (const NddrConfig *config, NddrTaskKind kind)
{
  const char *found = NULL;
  for (guint t = 0; t < config->n_tasks; t++)
    if (config->tasks[t].kind == kind) {
      if (found)
        return NULL;
      found = config->tasks[t].name;
    }
  return found;
}

/* (transfer full): the name that @base, of our network, has in @source: its own, or that of a model's only trunk or its only head of that kind.  Trunk
 * layers' names begin with their task's or "shared", heads' with their task's. */
static char *
name_in (const Starter *s, const Source *source, const NddrLayer *layer, int branch, const char *base)
{
  const char *dot = strchr (base, '.'), *other = NULL;
  const char *rest = dot ? dot + 1 : base;
  if (!source->model)
    return nddr_torchvision_name (s->config->backbone, rest, source->tensors);
  if (layer->role == NDDR_ROLE_TRUNK)
    other = source->trunk;
  else if (is_head (layer) && layer->tasks[branch] >= 0)
    other = only_task (nddr_model_get_config (source->loaded), s->config->tasks[layer->tasks[branch]].kind);
  g_autofree char *weight = g_strconcat (base, nddr_layer_weight_suffix (layer), NULL);
  return !other || nddr_arrays_find (source->tensors, weight) ? g_strdup (base) : g_strconcat (other, ".", rest, NULL);
}

/* Whether @weight becomes one of @dims: a head's, where heads are to be widened.  Inputs are wider only behind a layer that was widened itself, and a
 * task has as many channels as it has. */
static gboolean
may_widen (const Starter *s, const NddrNetwork *network, const NddrLayer *layer, const NddrArray *weight, guint n_dims, const gint64 *dims)
{
  int producer = nddr_network_value (network, layer->inputs[0].value)->producer;
  gboolean behind = producer >= 0 && nddr_network_layer (network, producer)->role == NDDR_ROLE_HEAD;
  if (s->recipe->head_init != NDDR_HEAD_INIT_WIDEN || !nddr_widens (weight, n_dims, dims))
    return FALSE;
  if (layer->role == NDDR_ROLE_HEAD)
    return behind || weight->dims[1] == dims[1];
  return layer->role == NDDR_ROLE_HEAD_LAST && behind && weight->dims[0] == dims[0];
}

/* @from as BASE + SUFFIX in @dims: as it is where they are its own, else widened. */
static gboolean
take_as (const Starter *s, const NddrArray *from, const char *base, const char *suffix, const gint64 *dims, NddrArrays *out, GError **error)
{
  g_autofree char *name = g_strconcat (base, suffix, NULL);
  NddrArray *array = nddr_widen (from, name, from->n_dims, dims, random_for (s, name), error);
  if (array)
    nddr_arrays_take (out, array);
  return array != NULL;
}

/* One branch of a layer with exactly the tensors that @source has.  *taken: whether it has it; FALSE where it is there but does not
 * fit. */
static gboolean
start_from (Starter *s, Source *source, const NddrNetwork *network, const NddrLayer *layer, int branch, NddrArrays *out, gboolean *taken,
    GError **error)
{
  static const char *const norm_parts[] = { ".weight", ".bias", ".running_mean", ".running_var" };
  *taken = FALSE;
  g_autofree char *base = name_in (s, source, layer, branch, layer->names[branch]);
  g_autofree char *norm = layer->norms && layer->norms[branch] ? name_in (s, source, layer, branch, layer->norms[branch]) : NULL;
  const char *suffix = nddr_layer_weight_suffix (layer);
  g_autofree char *weight_name = g_strconcat (base, suffix, NULL), *bias_name = g_strconcat (base, ".bias", NULL);
  const NddrArray *weight = nddr_arrays_find (source->tensors, weight_name), *bias = nddr_arrays_find (source->tensors, bias_name);
  if (!weight)
    return TRUE;

  gint64 dims[4];
  guint n_dims = nddr_network_weight_dims (network, layer, branch, dims);
  gboolean same = weight->n_dims == n_dims && memcmp (weight->dims, dims, n_dims * sizeof *dims) == 0;
  if (!same && !may_widen (s, network, layer, weight, n_dims, dims)) {
    g_autofree char *found = nddr_print_shape (weight->n_dims, weight->dims), *wanted = nddr_print_shape (n_dims, dims);
    if (layer->role == NDDR_ROLE_HEAD_LAST) {
      g_string_append_printf (s->warnings, "%s: %s is %s, but the network's is %s: that layer starts anew\n", source->path, weight_name, found,
          wanted);
      return TRUE;
    }
    return nddr_fail (error, NDDR_ERROR_FORMAT, "%s: %s is %s, but the network's is %s; do width, head_width, fusion and shortcut agree?%s",
        source->path, weight_name, found, wanted, layer->role == NDDR_ROLE_HEAD ? " With model.head_init=new heads start anew." : "");
  }
  const NddrArray *parts[4] = { NULL };
  guint n_parts = 0;
  for (guint i = 0; norm && i < 4; i++) {
    g_autofree char *name = g_strconcat (norm, norm_parts[i], NULL);
    parts[i] = nddr_arrays_find (source->tensors, name);
    n_parts += parts[i] != NULL;
  }
  gint64 channels = weight->dims[0];
  gboolean fits = (n_parts == 0 || n_parts == 4) && (!bias || (bias->n_dims == 1 && bias->n_elements == channels));
  for (guint i = 0; i < 4 && n_parts; i++)
    fits &= parts[i] && parts[i]->n_dims == 1 && parts[i]->n_elements == channels;
  if (!fits)
    return nddr_fail (error, NDDR_ERROR_FORMAT, "%s: the bias or the normalisation (%s) of %s is not whole: expected %" G_GINT64_FORMAT
        " elements of each part", source->path, norm ? norm : "none", weight_name, channels);
  if (!take_as (s, weight, layer->names[branch], suffix, dims, out, error) || (bias && !take_as (s, bias, layer->names[branch], ".bias", dims, out, error)))
    return FALSE;
  for (guint i = 0; i < 4 && n_parts; i++)
    if (!take_as (s, parts[i], layer->norms[branch], norm_parts[i], dims, out, error))
      return FALSE;
  source->used++;
  *taken = TRUE;
  return TRUE;
}

/* ---- sources */

static void
source_clear (Source *source)
{
  if (source->loaded)
    nddr_model_unref (source->loaded);
  else
    nddr_arrays_free (source->tensors);
}

static gboolean
source_open (Source *source, const char *path, GError **error)
{
  source->path = path;
  g_autoptr (NddrArrays) tensors = nddr_safetensors_read (path, TRUE, error);
  if (!tensors)
    return FALSE;
  const char *format = g_hash_table_lookup (tensors->metadata, "format");
  source->model = format && g_str_has_prefix (format, "nddr"); /* or a checkpoint, which says so when it is loaded as one */
  if (!source->model) {
    source->tensors = g_steal_pointer (&tensors);
    return TRUE;
  }
  source->loaded = nddr_model_load (path, error);
  if (!source->loaded)
    return FALSE;
  source->tensors = (NddrArrays *) nddr_model_get_tensors (source->loaded);
  const NddrConfig *config = nddr_model_get_config (source->loaded);
  if (config->fusion == NDDR_FUSION_SHARED)
    source->trunk = "shared";
  else if (config->n_tasks == 1)
    source->trunk = config->tasks[0].name;
  return TRUE;
}

/* The values of [model] that say how a network sees its input, which weights are trained for. */
static void
add_view (GString *text, const NddrConfig *c)
{
  g_string_append_printf (text, "mean=%g;%g;%g std=%g;%g;%g norm_eps=%g pool_padding=%s resize=%s", c->mean[0], c->mean[1], c->mean[2], c->std[0], c->std[1],
      c->std[2], c->norm_eps, nddr_pool_padding_name (c->pool_padding), nddr_resize_mode_name (c->resize));
}

static void
warn_of_view (Starter *s, const Source *source)
{
  g_autoptr (GString) theirs = g_string_new (NULL), ours = g_string_new (NULL);
  add_view (theirs, nddr_model_get_config (source->loaded));
  add_view (ours, s->config);
  if (!g_string_equal (theirs, ours))
    g_string_append_printf (s->warnings, "%s has %s, and this network %s: its weights may be of little use; [model] can say the same\n", source->path,
        theirs->str, ours->str);
}

/* That the file is of this network's backbone and, where each task has a file, of its kind of task. @task: -1: a file for all. */
static gboolean
source_check (Starter *s, const Source *source, int task, GError **error)
{
  const NddrConfig *theirs = source->model ? nddr_model_get_config (source->loaded) : NULL;
  const NddrTorchvision *torchvision = theirs ? NULL : nddr_torchvision_find (source->tensors);
  int backbone = theirs ? (int) theirs->backbone : torchvision ? (int) torchvision->backbone : -1;
  if (backbone >= 0 && backbone != (int) s->config->backbone)
    return nddr_fail (error, NDDR_ERROR_FORMAT, "%s is of a %s: expected a %s, as [model] backbone says", source->path, nddr_backbone_name (backbone),
        nddr_backbone_name (s->config->backbone));
  if (theirs && task >= 0 && theirs->n_tasks == 1 && theirs->tasks[0].kind != s->config->tasks[task].kind) {
    const NddrTask *its = &theirs->tasks[0], *wanted = &s->config->tasks[task];
    return nddr_fail (error, NDDR_ERROR_ARGUMENT, "%s is a model of %s (%s), given with --init for the task %s (%s): give the files in the order of [model] "
        "tasks", source->path, its->name, nddr_task_kind_name (its->kind), wanted->name, nddr_task_kind_name (wanted->kind));
  }
  if (theirs)
    warn_of_view (s, source);
  return TRUE;
}

/* The source for one branch of a layer: the only one, or its task's; what no one task owns starts anew where each task has its own. */
static Source *
source_for (const Starter *s, const NddrLayer *layer, int branch)
{
  if (s->n_sources == 0)
    return NULL;
  if (s->n_sources == 1)
    return &s->sources[0];
  int task = layer->tasks && layer->kind != NDDR_LAYER_MIX ? layer->tasks[branch] : -1;
  return task >= 0 ? &s->sources[task] : NULL;
}

/* A last layer fits other classes, too, if these are as many. */
static void
warn_of_classes (Starter *s, const Source *source, const NddrLayer *layer, int branch)
{
  const NddrTask *ours = &s->config->tasks[layer->tasks[branch]], *theirs = NULL;
  const NddrConfig *config = nddr_model_get_config (source->loaded);
  const char *only = only_task (config, ours->kind);
  for (guint t = 0; t < config->n_tasks && !theirs; t++)
    if (g_str_equal (config->tasks[t].name, ours->name))
      theirs = &config->tasks[t];
  for (guint t = 0; t < config->n_tasks && !theirs; t++)
    if (only && g_str_equal (config->tasks[t].name, only))
      theirs = &config->tasks[t];
  for (guint c = 0; theirs && c < MIN (ours->n_classes, theirs->n_classes); c++)
    if (!g_str_equal (ours->classes[c].name, theirs->classes[c].name)) {
      g_autofree char *text = g_strdup_printf ("%s: class %u of its task %s is \"%s\", and of %s here \"%s\": its head starts from weights for other "
          "classes; model.head_init=new starts heads anew\n", source->path, c, theirs->name, theirs->classes[c].name, ours->name, ours->classes[c].name);
      if (!strstr (s->warnings->str, text)) /* a head may have several last layers */
        g_string_append (s->warnings, text);
      return;
    }
}

static gboolean
start_layer (Starter *s, const NddrNetwork *network, const NddrLayer *layer, NddrArrays *out, guint64 *fresh, GError **error)
{
  *fresh = 0;
  for (int b = 0; b < layer->branches && layer->names[b]; b++) {
    gboolean taken = FALSE;
    gsize warned = s->warnings->len;
    Source *source = source_for (s, layer, b);
    gboolean may_take = source && (source->model ? !(is_head (layer) && s->recipe->head_init == NDDR_HEAD_INIT_NEW) : layer->role == NDDR_ROLE_TRUNK);
    if (may_take && !start_from (s, source, network, layer, b, out, &taken, error))
      return FALSE;
    if (taken && source->model && layer->role == NDDR_ROLE_HEAD_LAST)
      warn_of_classes (s, source, layer, b);
    if (taken)
      continue;
    if (source && layer->role == NDDR_ROLE_TRUNK) {
      if (source->model)
        return nddr_fail (error, NDDR_ERROR_FORMAT, "%s has no weights for %s: it is a model of another backbone, or of other tasks",
            source->path, layer->names[b]);
      g_string_append_printf (s->warnings, "%s has no weights for %s: that layer starts anew\n", source->path, layer->names[b]);
    } else if (may_take && is_head (layer) && s->warnings->len == warned) {
      g_string_append_printf (s->warnings, "%s has no head that %s could start from: that layer starts anew\n", source->path, layer->names[b]);
    }
    *fresh |= nddr_start_bit (b);
    if (!start_anew (s, network, layer, b, out, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
start_layers (Starter *s, NddrStart *start, GError **error)
{
  g_autoptr (NddrNetwork) usual = nddr_network_new (s->config, NULL, NULL, error);
  if (!usual)
    return FALSE;
  start->tensors = nddr_arrays_new ();
  start->fresh = g_new0 (guint64, usual->layers->len);
  for (guint i = 0; i < usual->layers->len; i++) {
    const NddrLayer *layer = nddr_network_layer (usual, i);
    if (layer->names && !start_layer (s, usual, layer, start->tensors, &start->fresh[i], error))
      return FALSE;
  }
  for (guint k = 0; k < s->n_sources; k++)
    if (s->sources[k].used == 0)
      return nddr_fail (error, NDDR_ERROR_FORMAT, "%s has none of the layers of a %s: expected a model, or that backbone's weights with "
          "torchvision's names", s->sources[k].path, nddr_backbone_name (s->config->backbone));
  if (!nddr_model_check_tensors (s->config, start->tensors, error)) {
    g_autoptr (GString) from = g_string_new (NULL);
    for (guint k = 0; k < s->n_sources; k++)
      g_string_append_printf (from, "%s%s", k ? ", " : "", s->sources[k].path);
    g_prefix_error (error, "%s: the weights to start from are not this network's: ", from->str);
    return FALSE;
  }
  /* the same layers in the same order, now with the files' biases and normalisations */
  start->network = nddr_network_new (s->config, start->tensors, NULL, error);
  return start->network != NULL;
}

NddrStart *
nddr_start_new (NddrConfig *config, const NddrRecipe *recipe, const char *const *inits, GError **error)
{
  g_autoptr (NddrStart) start = g_new0 (NddrStart, 1);
  start->config = config;
  guint n = inits ? g_strv_length ((char **) inits) : 0;
  if (n > 1 && n != config->n_tasks) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_ARGUMENT, "--init was given %u times for %u tasks: give it once for all, or once for each task", n,
        config->n_tasks);
    return NULL;
  }
  if (n > 1 && config->fusion == NDDR_FUSION_SHARED) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_ARGUMENT, "--init was given %u times for one trunk, which all tasks share: give it once, for all", n);
    return NULL;
  }
  Starter s = { .config = config, .recipe = recipe, .sources = g_new0 (Source, n + 1), .warnings = g_string_new (NULL) };
  s.xavier = g_str_equal (recipe->fusion_init, "xavier");
  gboolean fine = s.xavier || nddr_recipe_get_fusion_init (recipe, &s.alpha, &s.beta);
  g_assert (fine); /* the recipe was checked */
  for (guint i = 0; fine && i < n; i++) {
    fine = source_open (&s.sources[i], inits[i], error);
    s.n_sources += fine;
    fine = fine && source_check (&s, &s.sources[i], n > 1 ? (int) i : -1, error);
  }
  fine = fine && start_layers (&s, start, error);
  start->from_files = n > 0;
  for (guint i = 0; i < s.n_sources; i++)
    source_clear (&s.sources[i]);
  g_free (s.sources);
  start->warnings = g_string_free (s.warnings, s.warnings->len == 0);
  return fine ? g_steal_pointer (&start) : NULL;
}

NddrStart *
nddr_start_new_from_tensors (NddrConfig *config, NddrArrays *tensors, GError **error)
{
  g_autoptr (NddrStart) start = g_new0 (NddrStart, 1);
  start->config = config;
  start->tensors = tensors;
  start->network = nddr_network_new (config, tensors, NULL, error);
  return start->network ? g_steal_pointer (&start) : NULL;
}

void
nddr_start_free (NddrStart *start)
{
  if (!start)
    return;
  g_clear_pointer (&start->network, nddr_network_free);
  g_clear_pointer (&start->tensors, nddr_arrays_free);
  g_clear_pointer (&start->config, nddr_config_free);
  g_free (start->fresh);
  g_free (start->warnings);
  g_free (start);
}
