/* See port.h.
 *
 * What the port is and its state dict has, from its models/vgg16_lfov_bn.py and models/nddr_net.py: VGG-16 as DeepLab-LargeFOV with batch
 * normalisation of epsilon 1e-3; pools padded at their end alone; bilinear resizing with aligned corners; pixels from 0 to 255 less a mean. A
 * network registers its trunk twice, as stages and as one sequence of features: the same tensors under two names. Both tasks' shortcuts are one
 * convolution.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/port.h>

#include <math.h>
#include <nddr/error.h>
#include <nddr/network.h>
#include <stdio.h>
#include <string.h>
#include <train/classes.h>
#include <train/sample.h>

#define MAX_NETS 2
#define STAGES 5
#define TRUNK_STEP 3 /* convolution, normalisation, ReLU */

static const guint stage_channels[STAGES] = { 64, 128, 256, 512, 512 };
/* where a stage begins in the sequence of features: pools and their padding are members too */
static const int stage_begins[STAGES] = { 0, 8, 16, 27, 37 };
static const double mean_255[] = { 122.67891434, 116.66876762, 104.00698793 };

typedef struct
{
  const NddrArrays *tensors;
  const NddrNetwork *network;
  const char *nets[MAX_NETS]; /* what each task's names start with */
  GHashTable *used;
  NddrArrays *out;
} Port;

/* What one branch of a layer is called: its convolution and its normalisation, and a trunk's by their other names. */
typedef struct
{
  char *base, *norm, *base_twin, *norm_twin;
} Names;

static void
names_clear (Names *names)
{
  g_free (names->base);
  g_free (names->norm);
  g_free (names->base_twin);
  g_free (names->norm_twin);
}

/* ---- names */

static Names
names_of (const Port *port, const NddrLayer *layer, int branch)
{
  static const struct { const char *label; int number; } heads[] = { { "fc6", 0 }, { "fc7", 4 }, { "fc8", 8 } };
  const char *net = port->nets[layer->tasks[branch]];
  int stage = 0, number = 0;
  if (layer->role == NDDR_ROLE_FUSION)
    return (Names){ g_strdup_printf ("nddrs.nddrs.%d.conv%d", layer->fusion_stage - 1, layer->tasks[branch] + 1),
      g_strdup_printf ("nddrs.nddrs.%d.bn%d", layer->fusion_stage - 1, layer->tasks[branch] + 1) };
  if (layer->role == NDDR_ROLE_SHORTCUT)
    return (Names){ g_strdup ("nddrs.shortcut.0"), g_strdup ("nddrs.shortcut.1") };
  if (layer->role == NDDR_ROLE_TRUNK && sscanf (layer->label, "conv%d_%d", &stage, &number) == 2) {
    int i = stage - 1, k = TRUNK_STEP * (number - 1);
    return (Names){ g_strdup_printf ("%sstages.%d.feature.%d", net, i, k), g_strdup_printf ("%sstages.%d.feature.%d", net, i, k + 1),
      g_strdup_printf ("%sfeatures.%d", net, stage_begins[i] + k), g_strdup_printf ("%sfeatures.%d", net, stage_begins[i] + k + 1) };
  }
  for (guint i = 0; i < G_N_ELEMENTS (heads); i++)
    if (g_str_equal (layer->label, heads[i].label))
      return (Names){ g_strdup_printf ("%shead.%d", net, heads[i].number), g_strdup_printf ("%shead.%d", net, heads[i].number + 1) };
  g_assert_not_reached ();
}

gboolean
nddr_port_recognise (const NddrArrays *tensors)
{
  static const char *const marks[] = { "net1.", "net2.", "nddrs.", "stages." };
  for (guint i = 0; i < tensors->arrays->len; i++)
    for (guint m = 0; m < G_N_ELEMENTS (marks); m++)
      if (g_str_has_prefix (((const NddrArray *) tensors->arrays->pdata[i])->name, marks[m]))
        return TRUE;
  return FALSE;
}

/* ---- tensors */

static gboolean
same_tensor (const NddrArray *a, const NddrArray *b)
{
  return a->n_dims == b->n_dims && memcmp (a->dims, b->dims, a->n_dims * sizeof *a->dims) == 0
      && memcmp (a->data, b->data, a->n_elements * sizeof (float)) == 0;
}

/* The tensor of that name, or of its twin: a file that stores nothing twice has one of the two. (out) *found: NULL where neither is there */
static gboolean
find (const Port *port, const char *base, const char *twin, const char *part, const NddrArray **found, GError **error)
{
  g_autofree char *name = g_strconcat (base, part, NULL), *twin_name = twin ? g_strconcat (twin, part, NULL) : NULL;
  const NddrArray *array = nddr_arrays_find (port->tensors, name), *other = twin ? nddr_arrays_find (port->tensors, twin_name) : NULL;
  *found = array ? array : other;
  if (port->used) {
    nddr_import_use (port->used, name);
    if (twin)
      nddr_import_use (port->used, twin_name);
  }
  if (!array || !other || same_tensor (array, other))
    return TRUE;
  return nddr_fail (error, NDDR_ERROR_FORMAT, "tensors \"%s\" and \"%s\" are the same layer's, but they differ: which is right?", name, twin_name);
}

/* Copies a tensor that must have shape @dims as @to. */
static gboolean
copy (const Port *port, const NddrArray *from, guint n_dims, const gint64 *dims, const char *to, const char *part, GError **error)
{
  g_autofree char *name = g_strconcat (to, part, NULL);
  if (from->n_dims != n_dims || memcmp (from->dims, dims, n_dims * sizeof *dims) != 0) {
    g_autofree char *wanted = nddr_print_shape (n_dims, dims), *is = nddr_print_shape (from->n_dims, from->dims);
    return nddr_fail (error, NDDR_ERROR_FORMAT, "tensor \"%s\": expected shape %s, found %s", from->name, wanted, is);
  }
  NddrArray *array = nddr_array_copy (from, name, error);
  if (array)
    nddr_arrays_take (port->out, array);
  return array != NULL;
}

static gboolean
require (const Names *names, const char *base, const char *part, const NddrArray *array, GError **error)
{
  if (array)
    return TRUE;
  return nddr_fail (error, NDDR_ERROR_FORMAT, "tensor \"%s%s\" is missing, or of a type other than F32, F16 and BF16%s", base, part,
      base == names->norm ? "; the port's networks without batch normalisation before their ReLU cannot be imported" : "");
}

/* One branch of a layer: its weight, the bias that it may have, and the normalisation that all but a head's last layer have. */
static gboolean
take_layer (const Port *port, const NddrLayer *layer, int branch, const Names *names, GError **error)
{
  static const char *const norm_parts[] = { ".weight", ".bias", ".running_mean", ".running_var" };
  gboolean last = layer->role == NDDR_ROLE_HEAD_LAST;
  const NddrArray *array;
  gint64 dims[4];
  nddr_network_weight_dims (port->network, layer, branch, dims);
  if (!find (port, names->base, names->base_twin, ".weight", &array, error) || !require (names, names->base, ".weight", array, error)
      || !copy (port, array, 4, dims, layer->names[branch], ".weight", error) || !find (port, names->base, names->base_twin, ".bias", &array, error)
      || (last && !require (names, names->base, ".bias", array, error)) || (array && !copy (port, array, 1, dims, layer->names[branch], ".bias", error)))
    return FALSE;
  for (guint p = 0; !last && p < G_N_ELEMENTS (norm_parts); p++)
    if (!find (port, names->norm, names->norm_twin, norm_parts[p], &array, error) || !require (names, names->norm, norm_parts[p], array, error)
        || !copy (port, array, 1, dims, layer->norms[branch], norm_parts[p], error))
      return FALSE;
  return TRUE;
}

static gboolean
take_layers (const Port *port, GError **error)
{
  for (guint i = 0; i < port->network->layers->len; i++) {
    const NddrLayer *layer = nddr_network_layer (port->network, i);
    for (int b = 0; layer->names && b < layer->branches; b++) {
      Names names = names_of (port, layer, b);
      gboolean fine = take_layer (port, layer, b, &names, error);
      names_clear (&names);
      if (!fine)
        return FALSE;
    }
  }
  return TRUE;
}

/* ---- the config */

/* The first dimension of a convolution's weight. FALSE where it is missing or is none */
static gboolean
find_outputs (const Port *port, const char *net, const char *layer, const char *twin, guint *outputs, GError **error)
{
  g_autofree char *base = g_strconcat (net, layer, NULL), *other = twin ? g_strconcat (net, twin, NULL) : NULL;
  const NddrArray *weight;
  if (!find (port, base, other, ".weight", &weight, error))
    return FALSE;
  if (!weight || weight->n_dims != 4 || weight->n_elements == 0 || weight->dims[0] > G_MAXINT)
    return nddr_fail (error, NDDR_ERROR_FORMAT, "tensor \"%s.weight\" is missing, or not a convolution's, or of a type other than F32, F16 and BF16", base);
  *outputs = weight->dims[0];
  return TRUE;
}

static gboolean
find_widths (const Port *port, NddrConfig *config, GError **error)
{
  static const guint hidden = 1024;
  guint found[STAGES], head;
  for (guint i = 0; i < STAGES; i++) {
    g_autofree char *stage = g_strdup_printf ("stages.%u.feature.0", i), *twin = g_strdup_printf ("features.%d", stage_begins[i]);
    if (!find_outputs (port, port->nets[0], stage, twin, &found[i], error))
      return FALSE;
  }
  if (!find_outputs (port, port->nets[0], "head.0", NULL, &head, error))
    return FALSE;
  if (nddr_import_find_width (STAGES, stage_channels, found, &config->width) && nddr_import_find_width (1, &hidden, &head, &config->head_width))
    return TRUE;
  return nddr_fail (error, NDDR_ERROR_FORMAT, "its stages have %u, %u, %u, %u and %u channels and its head %u, which are not 64, 128, 256, 512, 512 "
      "and 1024 times one factor for the stages and one for the head, in steps of 8", found[0], found[1], found[2], found[3], found[4], head);
}

/* Hues a golden section apart. */
static guint32
made_up_color (guint i)
{
  double hue = 6 * fmod (i * 0.6180339887, 1), x = 1 - fabs (fmod (hue, 2) - 1);
  const double sextants[6][3] = { { 1, x, 0 }, { x, 1, 0 }, { 0, 1, x }, { 0, x, 1 }, { x, 0, 1 }, { 1, 0, x } };
  guint32 color = 0;
  for (int c = 0; c < 3; c++)
    color = color << 8 | (guint32) (40 + 180 * sextants[(int) hue % 6][c]);
  return color;
}

/* Of a segmentation with @n channels: those of the options, else NYU Depth v2's 40, else numbers. */
static gboolean
fill_classes (NddrTask *task, guint n, const NddrImportOptions *options, gboolean *made_up, GError **error)
{
  guint n_usual;
  if (n > NDDR_IGNORED)
    return nddr_fail (error, NDDR_ERROR_FORMAT, "task \"%s\" has %u channels: a segmentation has at most %u classes", task->name, n, NDDR_IGNORED);
  g_autofree NddrClass *classes = g_new0 (NddrClass, n);
  NddrClass *usual = nddr_classes_nyu40 (&n_usual);
  const NddrClass *known = options->classes ? options->classes : n == n_usual ? usual : NULL;
  gboolean fine = !options->classes || options->n_classes == n;
  if (!fine)
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_ARGUMENT, "task \"%s\" has %u channels, and %u class%s given", task->name, n, options->n_classes,
        options->n_classes == 1 ? " was" : "es were");
  for (guint i = 0; fine && i < n; i++)
    classes[i] = known ? (NddrClass){ g_strdup (known[i].name), known[i].color } : (NddrClass){ g_strdup_printf ("class%u", i), made_up_color (i) };
  *made_up |= !known;
  nddr_classes_free (usual, n_usual);
  if (!fine)
    return FALSE;
  task->classes = g_steal_pointer (&classes);
  task->n_classes = n;
  return TRUE;
}

/* The task of net @t by @word, NAME or NAME:KIND, or, where that is NULL, by its channels alone. */
static gboolean
fill_task (NddrConfig *config, guint t, guint channels, const char *word, const NddrImportOptions *options, gboolean *made_up, GError **error)
{
  NddrTask *task = &config->tasks[t];
  NddrTaskKind kind = channels == 3 ? NDDR_TASK_NORMAL : channels == 1 ? NDDR_TASK_DEPTH : NDDR_TASK_SEGMENTATION;
  g_auto (GStrv) parts = word ? g_strsplit (word, ":", 2) : NULL;
  if (word) {
    const char *kind_name = parts[0] && parts[1] ? parts[1] : parts[0];
    int named = kind_name ? nddr_task_kind_from_name (kind_name) : -1;
    if (parts[0] && parts[1] && named < 0)
      return nddr_fail (error, NDDR_ERROR_ARGUMENT, "task \"%s\": expected NAME or NAME:KIND, where KIND is segmentation, normal or depth", word);
    kind = named >= 0 ? (NddrTaskKind) named : kind;
  }
  if ((kind == NDDR_TASK_NORMAL && channels != 3) || (kind == NDDR_TASK_DEPTH && channels != 1))
    return nddr_fail (error, NDDR_ERROR_ARGUMENT, "network %u has %u channels, which is not kind \"%s\": normal has 3 and depth 1", t + 1, channels,
        nddr_task_kind_name (kind));
  task->name = g_strdup (parts ? parts[0] : nddr_task_kind_name (kind));
  if (!word && t > 0 && g_str_equal (task->name, config->tasks[0].name)) {
    g_free (task->name);
    task->name = g_strdup_printf ("%s2", config->tasks[0].name);
  }
  task->kind = kind;
  task->channels = channels;
  return kind != NDDR_TASK_SEGMENTATION || fill_classes (task, channels, options, made_up, error);
}

static gboolean
fill_tasks (const Port *port, NddrConfig *config, const NddrImportOptions *options, gboolean *made_up, GError **error)
{
  g_auto (GStrv) words = options->tasks ? g_strsplit (options->tasks, ";", -1) : NULL;
  if (words && g_strv_length (words) != config->n_tasks)
    return nddr_fail (error, NDDR_ERROR_ARGUMENT, "has %u task%s, and \"%s\" names %u", config->n_tasks, config->n_tasks > 1 ? "s" : "",
        options->tasks, g_strv_length (words));
  for (guint t = 0; t < config->n_tasks; t++) {
    guint channels = 0;
    if (!find_outputs (port, port->nets[t], "head.8", NULL, &channels, error)
        || !fill_task (config, t, channels, words ? g_strstrip (words[t]) : NULL, options, made_up, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
has_prefix (const NddrArrays *tensors, const char *prefix)
{
  for (guint i = 0; i < tensors->arrays->len; i++)
    if (g_str_has_prefix (((const NddrArray *) tensors->arrays->pdata[i])->name, prefix))
      return TRUE;
  return FALSE;
}

/* What the port is, with the widths and the channels that its tensors have. */
static NddrConfig *
make_config (Port *port, const NddrImportOptions *options, gboolean *made_up, GError **error)
{
  g_autoptr (NddrConfig) config = g_new0 (NddrConfig, 1);
  gboolean two = has_prefix (port->tensors, "net1.") || has_prefix (port->tensors, "net2.") || has_prefix (port->tensors, "nddrs.");
  port->nets[0] = two ? "net1." : "";
  port->nets[1] = "net2.";
  config->backbone = NDDR_BACKBONE_VGG16;
  config->fusion = two ? NDDR_FUSION_NDDR : NDDR_FUSION_NONE;
  config->shortcut = has_prefix (port->tensors, "nddrs.shortcut.");
  config->head = NDDR_HEAD_LARGEFOV;
  config->n_tasks = two ? 2 : 1;
  config->tasks = g_new0 (NddrTask, config->n_tasks);
  config->input_width = options->width ? options->width : 640;
  config->input_height = options->width ? options->height : 480;
  for (int c = 0; c < 3; c++) {
    config->mean[c] = mean_255[c] / 255;
    config->std[c] = 1.0 / 255;
  }
  config->output_stride = 8;
  config->norm_eps = 1e-3;
  config->pool_padding = NDDR_POOL_END;
  config->resize = NDDR_RESIZE_ALIGN_CORNERS;
  if (!find_widths (port, config, error) || !fill_tasks (port, config, options, made_up, error) || !nddr_config_validate (config, error))
    return NULL;
  return g_steal_pointer (&config);
}

static char *
describe (const NddrConfig *config, gboolean made_up)
{
  GString *about = g_string_new ("the PyTorch port of NDDR-CNN");
  g_string_append_printf (about, "%s:", config->shortcut ? ", with shortcut" : config->n_tasks == 1 ? ", one network alone" : "");
  for (guint t = 0; t < config->n_tasks; t++)
    g_string_append_printf (about, "%s %s (%u channel%s)", t ? "," : "", config->tasks[t].name, config->tasks[t].channels,
        config->tasks[t].channels > 1 ? "s" : "");
  if (made_up)
    g_string_append (about, "\nthe classes' names and colours are made up: give those it was trained with as --classes FILE");
  return g_string_free (about, FALSE);
}

NddrModel *
nddr_port_import (const NddrArrays *tensors, const NddrImportOptions *options, char **about, GError **error)
{
  static const char *const ignored[] = { NULL };
  Port port = { .tensors = tensors };
  gboolean made_up = FALSE;
  if (options->sets && options->sets[0]) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_ARGUMENT, "is a whole network, whose config follows from its tensors: --set %s is for backbones",
        options->sets[0]);
    return NULL;
  }
  g_autoptr (NddrConfig) config = make_config (&port, options, &made_up, error);
  g_autoptr (NddrNetwork) network = config ? nddr_network_new (config, NULL, NULL, error) : NULL;
  if (!network)
    return NULL;
  g_autoptr (GHashTable) used = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (NddrArrays) out = nddr_arrays_new ();
  port.network = network;
  port.used = used;
  port.out = out;
  if (!take_layers (&port, error) || !nddr_import_check_used (tensors, used, ignored, "the PyTorch port of NDDR-CNN", error))
    return NULL;
  nddr_import_copy_metadata (tensors, "the PyTorch port of NDDR-CNN", out);
  g_autofree char *found = describe (config, made_up);
  NddrModel *model = nddr_model_new (g_steal_pointer (&config), g_steal_pointer (&out), error);
  if (model)
    *about = g_steal_pointer (&found);
  return model;
}
