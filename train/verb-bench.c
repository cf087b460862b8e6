/* nddr bench: times inference, or a training step.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/learner.h>
#include <train/measure.h>
#include <train/tune.h>
#include <train/verb.h>

#include <json-glib/json-glib.h>
#include <nddr/gpu/device.h>
#include <nddr/gpu/tuning-cache.h>
#include <nddr/inference.h>
#include <nddr/model.h>
#include <stdio.h>
#include <string.h>

#define NOT_GIVEN G_MININT
#define MIN_RUNS 10
#define MIN_STEPS 3 /* of training */
#define MAX_RUNS 200
#define ENOUGH_SECONDS 4
#define WARM_UP_SECONDS 1 /* a GPU that was idle runs at a fraction of its clock for most of one */

typedef struct
{
  NddrModel *model;
  NddrDevice *device;
  guint width, height, batch;
  gboolean half, train, mixed;
  /* made by one of the two below */
  NddrProgram *program;
  NddrNetwork *network;
  NddrInference *inference;
  NddrLearner *learner;
  NddrStart *start;
  NddrRecipe *recipe;
  guint phases;       /* of what is timed */
  gint64 plan_us, weights_us; /* starting: to plan; to upload and pack.  In training the weights count with the plan */
  double first_ms;
  NddrDevicePeak peak;   /* what the device can do; with --layers */
  GArray *ms;         /* of double, sorted */
} Bench;

static void
bench_clear (Bench *bench)
{
  if (bench->learner)
    nddr_learner_free (bench->learner); /* its program too */
  else
    g_clear_pointer (&bench->program, nddr_program_free);
  g_clear_pointer (&bench->inference, nddr_inference_free);
  g_clear_pointer (&bench->start, nddr_start_free);
  g_clear_pointer (&bench->network, nddr_network_free);
  g_clear_pointer (&bench->recipe, nddr_recipe_free);
  g_clear_pointer (&bench->ms, g_array_unref);
}

static gboolean
prepare_inference (Bench *bench, GError **error)
{
  const NddrTensors *tensors = nddr_model_get_tensors (bench->model);
  bench->network = nddr_network_new (nddr_model_get_config (bench->model), tensors, NULL, error);
  if (!bench->network)
    return FALSE;
  gint64 before = g_get_monotonic_time ();
  NddrTraits traits = *nddr_device_get_traits (bench->device);
  traits.tuning = nddr_device_get_tuning (bench->device);
  g_autoptr (NddrPlan) plan = nddr_plan_new (&traits);
  plan->activation_type = bench->half ? NDDR_F16 : NDDR_F32;
  NddrTensor *input = nddr_plan_map (plan, "input", 1, bench->batch, bench->height, bench->width, 3);
  bench->inference = nddr_inference_append (plan, bench->network, input);
  if (!nddr_plan_finish (plan, error))
    return FALSE;
  bench->plan_us = g_get_monotonic_time () - before;
  bench->program = nddr_program_new (bench->device, g_steal_pointer (&plan), 1, error);
  bench->phases = 1 << NDDR_PHASE_NETWORK;
  before = g_get_monotonic_time ();
  gboolean fine = bench->program && nddr_inference_prepare (bench->inference, bench->network, tensors, bench->program, error);
  bench->weights_us = g_get_monotonic_time () - before;
  return fine;
}

/* ---- tuning */

static void
print_tuned (const GPtrArray *shapes)
{
  double estimated = 0, tuned = 0;
  printf ("%-86s %6s %12s %9s  %s\n", "shape", "layers", "estimated ms", "fastest", "algorithm");
  for (guint i = 0; i < shapes->len; i++) {
    const NddrTuned *t = shapes->pdata[i];
    g_autofree char *algorithm = t->algorithm.kind == NDDR_ALGORITHM_CHOOSE ? g_strdup ("as estimated") : nddr_algorithm_print (&t->algorithm);
    printf ("%-86s %6d %12.3f %9.3f  %s\n", t->shape, t->layers, t->estimated_ms, t->ms, algorithm);
    estimated += t->estimated_ms;
    tuned += t->ms;
  }
  printf ("%-86s %6s %12.3f %9.3f\n\n", "all", "", estimated, tuned);
}

/* What was tuned before for other shapes stays.  What is timed after is planned with the new. */
static gboolean
tune (Bench *bench, gboolean quiet, GError **error)
{
  const NddrTuning *before = nddr_device_get_tuning (bench->device);
  g_autoptr (NddrTuning) tuning = before ? nddr_tuning_copy (before) : nddr_tuning_new ();
  g_autoptr (NddrNetwork) network = nddr_network_new (nddr_model_get_config (bench->model), nddr_model_get_tensors (bench->model), NULL, error);
  g_autofree char *path = NULL;
  if (!network)
    return FALSE;
  g_autoptr (GPtrArray) shapes = nddr_tune (bench->device, network, bench->width, bench->height, bench->batch, bench->half, tuning, error);
  if (!shapes)
    return FALSE;
  nddr_device_set_tuning (bench->device, g_steal_pointer (&tuning));
  if (!nddr_device_save_tuning (bench->device, &path, error))
    return FALSE;
  if (!quiet)
    print_tuned (shapes);
  g_printerr ("kept in %s\n", path);
  return TRUE;
}

/* A batch that costs what a real one does: the inputs are zeros, the losses' labels ignored.  The rates are zero. */
static gboolean
prepare_training (Bench *bench, GError **error)
{
  g_autofree char *size = g_strdup_printf ("data.crop=%ux%u", bench->width, bench->height), *batch = g_strdup_printf ("train.batch=%u", bench->batch);
  const char *const sets[] = { size, batch, "train.optimizer=adamw", "loss.resolution=input",
    bench->mixed ? "train.precision=mixed" : "train.precision=fp32", NULL };
  const NddrTensors *tensors = nddr_model_get_tensors (bench->model);
  bench->recipe = nddr_recipe_load (NULL, sets, error);
  if (!bench->recipe)
    return FALSE;
  bench->start = g_new0 (NddrStart, 1);
  bench->start->config = nddr_config_copy (nddr_model_get_config (bench->model));
  bench->start->tensors = nddr_tensors_new ();
  for (guint i = 0; i < tensors->arrays->len; i++) {
    const NddrArray *from = tensors->arrays->pdata[i];
    NddrArray *array = nddr_array_new (from->name, from->n_dims, from->dims);
    memcpy (array->data, from->data, from->n_elements * sizeof (float));
    nddr_tensors_take (bench->start->tensors, array);
  }
  bench->start->network = nddr_network_new (bench->start->config, bench->start->tensors, NULL, error);
  if (!bench->start->network)
    return FALSE;
  gint64 before = g_get_monotonic_time ();
  bench->learner = nddr_learner_new (bench->device, NULL, NULL, bench->start, bench->recipe, error);
  if (!bench->learner)
    return FALSE;
  bench->program = nddr_learner_get_program (bench->learner);
  const NddrProgramStart *start = nddr_program_get_start (bench->program);
  bench->plan_us = g_get_monotonic_time () - before - start->memory - start->pipelines;
  bench->phases = NDDR_TRAINING_STEP;
  return TRUE;
}

static int
compare_doubles (gconstpointer a, gconstpointer b)
{
  double x = *(const double *) a, y = *(const double *) b;
  return (x > y) - (x < y);
}

static gboolean
time_runs (Bench *bench, gint64 started, GError **error)
{
  if (!nddr_program_run (bench->program, bench->phases, error))
    return FALSE;
  bench->first_ms = (g_get_monotonic_time () - started) / 1e3;
  bench->ms = g_array_new (FALSE, FALSE, sizeof (double));
  gint64 begin = g_get_monotonic_time ();
  while (nddr_device_get_info (bench->device)->type != VK_PHYSICAL_DEVICE_TYPE_CPU && g_get_monotonic_time () - begin < WARM_UP_SECONDS * G_USEC_PER_SEC)
    if (!nddr_program_run (bench->program, bench->phases, error))
      return FALSE;
  begin = g_get_monotonic_time ();
  while (bench->ms->len < (bench->train ? MIN_STEPS : MIN_RUNS) || (bench->ms->len < MAX_RUNS && g_get_monotonic_time () - begin < ENOUGH_SECONDS * G_USEC_PER_SEC)) {
    gint64 before = g_get_monotonic_time ();
    if (!nddr_program_run (bench->program, bench->phases, error))
      return FALSE;
    double ms = (g_get_monotonic_time () - before) / 1e3;
    g_array_append_val (bench->ms, ms);
  }
  g_array_sort (bench->ms, compare_doubles);
  return TRUE;
}

static double
quantile (const GArray *ms, double q)
{
  return g_array_index (ms, double, MIN ((guint) (q * ms->len), ms->len - 1));
}

static void
add_number (JsonBuilder *json, const char *name, double value)
{
  json_builder_set_member_name (json, name);
  json_builder_add_double_value (json, value);
}

static void
add_count (JsonBuilder *json, const char *name, gint64 value)
{
  json_builder_set_member_name (json, name);
  json_builder_add_int_value (json, value);
}

static void
add_text (JsonBuilder *json, const char *name, const char *value)
{
  json_builder_set_member_name (json, name);
  json_builder_add_string_value (json, value);
}

/* ---- layers */

typedef struct
{
  const char *label;
  guint64 ns;
  guint steps;
  double gflop; /* of a layer's convolutions and mixtures; 0: none, or by kernel */
} Row;

static const NddrNetwork *
network_of (const Bench *bench)
{
  return bench->train ? bench->start->network : bench->network;
}

/* A multiply-add is two operations; in training there are three of each: forward, the input's gradient, the weights'. */
static double
operations (const Bench *bench, guint64 macs)
{
  return 2e-9 * macs * bench->batch * (bench->train ? 3 : 1);
}

static void
count_operations (const Bench *bench, GArray *rows)
{
  const NddrNetwork *network = network_of (bench);
  g_autofree int *widths = NULL, *heights = NULL;
  nddr_network_sizes (network, bench->width, bench->height, &widths, &heights);
  for (int i = 0; i < (int) network->layers->len; i++)
    for (guint r = 0; r < rows->len; r++)
      if (g_str_equal (g_array_index (rows, Row, r).label, nddr_network_layer (network, i)->label))
        g_array_index (rows, Row, r).gflop += operations (bench, nddr_network_layer_macs (network, i, widths, heights));
}

/* What the network's arithmetic can reach at most, in operations a second. */
static double
peak (const Bench *bench)
{
  return (bench->half || bench->mixed) && bench->peak.matrix > 0 ? bench->peak.matrix : bench->peak.fma;
}

/* Times by the layer that a step works for, in the order of first appearance; with @by_kernel by what runs. */
static gboolean
profile (Bench *bench, gboolean by_kernel, GArray **rows, GError **error)
{
  const NddrPlan *plan = nddr_program_get_plan (bench->program);
  g_autofree guint64 *ns = g_new0 (guint64, plan->steps->len);
  if (!nddr_program_profile (bench->program, bench->phases, ns, error))
    return FALSE;
  *rows = g_array_new (FALSE, FALSE, sizeof (Row));
  for (guint i = 0; i < plan->steps->len; i++) {
    const NddrStep *step = plan->steps->pdata[i];
    const char *key = by_kernel ? step->kernel->name : step->label ? step->label : "";
    guint r = 0;
    if (!(bench->phases & 1u << step->phase))
      continue;
    while (r < (*rows)->len && !g_str_equal (g_array_index (*rows, Row, r).label, key))
      r++;
    if (r == (*rows)->len)
      g_array_append_vals (*rows, &(Row){ .label = key }, 1);
    g_array_index (*rows, Row, r).ns += ns[i];
    g_array_index (*rows, Row, r).steps++;
  }
  if (!by_kernel)
    count_operations (bench, *rows);
  return TRUE;
}

static void
print_rows (const Bench *bench, const char *title, const GArray *rows, gboolean rates)
{
  printf ("\n%-40s %8s %6s%s\n", title, "ms", "steps", rates ? "  GFLOP/s of peak" : "");
  for (guint r = 0; r < rows->len; r++) {
    const Row *row = &g_array_index (rows, Row, r);
    printf ("%-40s %8.3f %6u", row->label, row->ns / 1e6, row->steps);
    if (row->gflop > 0 && row->ns > 0)
      printf (" %8.1f %5.1f %%", row->gflop / (row->ns / 1e9), 100 * row->gflop * 1e9 / (row->ns / 1e9) / peak (bench));
    printf ("\n");
  }
}

static void
add_rates (JsonBuilder *json, const char *name, const GArray *rows)
{
  json_builder_set_member_name (json, name);
  json_builder_begin_object (json);
  for (guint r = 0; r < rows->len; r++) {
    const Row *row = &g_array_index (rows, Row, r);
    if (row->gflop > 0 && row->ns > 0)
      add_number (json, row->label, row->gflop / (row->ns / 1e9));
  }
  json_builder_end_object (json);
}

static void
add_rows (JsonBuilder *json, const char *name, const GArray *rows)
{
  json_builder_set_member_name (json, name);
  json_builder_begin_object (json);
  for (guint r = 0; r < rows->len; r++)
    add_number (json, g_array_index (rows, Row, r).label, g_array_index (rows, Row, r).ns / 1e6);
  json_builder_end_object (json);
}

/* ---- reporting */

static const char *
precision_of (const Bench *bench)
{
  return bench->mixed ? "mixed" : bench->half ? "fp16" : "fp32";
}

static gboolean
report (Bench *bench, gboolean as_json, gboolean layers, GError **error)
{
  const NddrPlan *plan = nddr_program_get_plan (bench->program);
  const NddrProgramStart *start = nddr_program_get_start (bench->program);
  g_autoptr (GArray) by_layer = NULL, by_kernel = NULL;
  gsize arena = plan->space_bytes[NDDR_SPACE_ARENA], least = nddr_plan_live_bytes (plan);
  if (layers && (!nddr_measure_device (bench->device, &bench->peak, error) || !profile (bench, FALSE, &by_layer, error) || !profile (bench, TRUE, &by_kernel, error)))
    return FALSE;
  NddrNetworkCost cost;
  nddr_network_cost (network_of (bench), bench->width, bench->height, &cost);
  double median = quantile (bench->ms, 0.5), gmac = cost.macs * (double) bench->batch / 1e9;
  double gflops = operations (bench, cost.macs) / (median / 1e3);
  const char *device = nddr_device_get_info (bench->device)->name;
  if (!as_json) {
    printf ("device      %s\nprecision   %s\ninput       %ux%u, batch %u%s\n", device, precision_of (bench), bench->width, bench->height,
        bench->batch, bench->train ? ", a training step" : "");
    printf ("first       %.1f ms\nmedian      %.2f ms (%u runs)\nmin         %.2f ms\np99         %.2f ms\n", bench->first_ms, median, bench->ms->len,
        quantile (bench->ms, 0), quantile (bench->ms, 0.99));
    printf ("start       plan %.1f ms, memory %.1f ms, pipelines %.1f ms", bench->plan_us / 1e3, start->memory / 1e3, start->pipelines / 1e3);
    if (!bench->train)
      printf (", weights %.1f ms", bench->weights_us / 1e3);
    printf ("\narithmetic  %.3f GMAC, %.1f GFLOP/s\nactivations %.1f MiB, of which %.1f at once\nweights     %.1f MiB\n", gmac, gflops,
        arena / 1048576.0, least / 1048576.0, plan->space_bytes[NDDR_SPACE_WEIGHTS] / 1048576.0);
    if (layers) {
      printf ("peak        %.1f GFLOP/s, %.1f GB/s read and written\n", peak (bench) / 1e9, bench->peak.memory / 1e9);
      print_rows (bench, "layer", by_layer, TRUE);
      print_rows (bench, "kernel", by_kernel, FALSE);
    }
    return TRUE;
  }
  g_autoptr (JsonBuilder) json = json_builder_new ();
  json_builder_begin_object (json);
  add_text (json, "device", device);
  add_text (json, "precision", precision_of (bench));
  json_builder_set_member_name (json, "input");
  json_builder_begin_array (json);
  json_builder_add_int_value (json, bench->height);
  json_builder_add_int_value (json, bench->width);
  json_builder_end_array (json);
  add_count (json, "batch", bench->batch);
  add_number (json, "first_ms", bench->first_ms);
  add_number (json, "plan_ms", bench->plan_us / 1e3);
  add_number (json, "memory_ms", start->memory / 1e3);
  add_number (json, "pipelines_ms", start->pipelines / 1e3);
  if (!bench->train)
    add_number (json, "weights_ms", bench->weights_us / 1e3);
  add_number (json, "median_ms", median);
  add_number (json, "min_ms", quantile (bench->ms, 0));
  add_number (json, "p99_ms", quantile (bench->ms, 0.99));
  add_number (json, "gmac", gmac);
  add_number (json, "gflops", gflops);
  add_count (json, "activation_bytes", arena);
  add_count (json, "live_bytes", least);
  add_count (json, "weight_bytes", plan->space_bytes[NDDR_SPACE_WEIGHTS]);
  if (layers) {
    add_number (json, "peak_gflops", peak (bench) / 1e9);
    add_number (json, "peak_gb_per_s", bench->peak.memory / 1e9);
    add_rows (json, "layers", by_layer);
    add_rates (json, "layer_gflops", by_layer);
    add_rows (json, "kernels", by_kernel);
  }
  json_builder_end_object (json);
  g_autoptr (JsonNode) root = json_builder_get_root (json);
  g_autofree char *text = json_to_string (root, TRUE);
  puts (text);
  return TRUE;
}

int
nddr_verb_bench (int argc, char **argv)
{
  g_autofree char *input = NULL, *which = NULL, *precision_name = NULL;
  gboolean json = FALSE, layers = FALSE, train = FALSE, tunes = FALSE;
  int batch = NOT_GIVEN;
  const GOptionEntry entries[] = {
    { "input", 0, 0, G_OPTION_ARG_STRING, &input, "The network's input size; default: the model's", "WxH" },
    { "batch", 0, 0, G_OPTION_ARG_INT, &batch, "Pictures at once; default 1, with --train 8", "N" },
    { "precision", 0, 0, G_OPTION_ARG_STRING, &precision_name, "auto, fp32 or fp16; with --train auto, fp32 or mixed", "PRECISION" },
    { "train", 0, 0, G_OPTION_ARG_NONE, &train, "Time a training step (AdamW, losses at input resolution)", NULL },
    { "layers", 0, 0, G_OPTION_ARG_NONE, &layers, "Also by layer, with the share of the device's measured peak, and by kernel", NULL },
    { "tune", 0, 0, G_OPTION_ARG_NONE, &tunes, "First try which algorithm is fastest for each layer, and keep that for all inference on this device", NULL },
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "Print JSON", NULL },
    { "device", 0, 0, G_OPTION_ARG_STRING, &which, "Index or part of a name, as nddr devices lists them", "DEVICE" },
    { NULL },
  };
  g_autoptr (GError) error = NULL;
  Bench bench = { 0 };
  NddrPrecision precision;
  static const char summary[] = "Times a model: median of at least " G_STRINGIFY (MIN_RUNS) " runs, of " G_STRINGIFY (MIN_STEPS) " training steps.";
  if (!nddr_verb_parse (&argc, &argv, "MODEL", summary, entries, 1, 1)
      || !nddr_verb_parse_size ("bench", input, &bench.width, &bench.height)
      || !nddr_verb_parse_precision ("bench", (bench.mixed = train && g_strcmp0 (precision_name, "mixed") == 0) ? NULL : precision_name, &precision))
    return NDDR_EXIT_USAGE;
  if (batch != NOT_GIVEN && (batch < 1 || batch > 256))
    return nddr_verb_misuse ("bench", "--batch %d: expected 1 to 256", batch);
  if (train && precision == NDDR_PRECISION_FP16)
    return nddr_verb_misuse ("bench", "--train --precision fp16: expected auto, fp32 or mixed");
  if (train && tunes)
    return nddr_verb_misuse ("bench", "--tune is of inference alone: leave --train out");
  g_autoptr (NddrModel) model = nddr_model_load (argv[1], &error);
  g_autoptr (NddrDevice) device = model ? nddr_device_open (which, &error) : NULL;
  if (!device)
    return nddr_verb_fail ("bench", error);

  const NddrTraits *traits = nddr_device_get_traits (device);
  gboolean can_half = traits->fp16 && traits->family == NDDR_FAMILY_GPU;
  if ((precision == NDDR_PRECISION_FP16 || bench.mixed) && !can_half)
    return nddr_verb_misuse ("bench", "--precision %s: %s cannot store 16-bit floats, or is a software driver", precision_name, nddr_device_get_info (device)->name);
  bench.model = model;
  bench.device = device;
  bench.train = train;
  bench.batch = batch != NOT_GIVEN ? batch : train ? 8 : 1;
  bench.half = !train && can_half && precision != NDDR_PRECISION_FP32;
  if (bench.width == 0)
    nddr_model_get_input_size (model, &bench.width, &bench.height);
  gboolean fine = !tunes || tune (&bench, json, &error);
  gint64 started = g_get_monotonic_time ();
  fine = fine && (train ? prepare_training (&bench, &error) : prepare_inference (&bench, &error)) && time_runs (&bench, started, &error)
      && report (&bench, json, layers, &error);
  bench_clear (&bench);
  return fine ? NDDR_EXIT_DONE : nddr_verb_fail ("bench", error);
}
