/* nddr bench: times inference, or a training step.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/bench-layers.h>
#include <train/learner.h>
#include <train/measure.h>
#include <train/metrics.h>
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
  GArray *ms;         /* of double, sorted */
} Bench;

/* What the runs say. */
typedef struct
{
  double median_ms, min_ms, p99_ms;
  double gmac, gflops;             /* 10⁹ multiply-adds of the network forward; 10⁹ operations a second of all that was timed */
  gsize arena, least, weights;     /* bytes: of activations, of which at once, of weights as the kernels have them */
  double peak, peak_memory;        /* of the device: operations and bytes a second; with --layers, as the next two */
  GArray *by_layer, *by_kernel;    /* of NddrBenchRow; NULL: without --layers */
} Result;

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

static void
result_clear (Result *result)
{
  g_clear_pointer (&result->by_layer, g_array_unref);
  g_clear_pointer (&result->by_kernel, g_array_unref);
}

static gboolean
prepare_inference (Bench *bench, GError **error)
{
  const NddrArrays *tensors = nddr_model_get_tensors (bench->model);
  bench->network = nddr_network_new (nddr_model_get_config (bench->model), tensors, NULL, error);
  if (!bench->network)
    return FALSE;
  gint64 before = g_get_monotonic_time ();
  NddrTraits traits = *nddr_device_get_traits (bench->device);
  traits.tuning = nddr_device_get_tuning (bench->device);
  g_autoptr (NddrPlan) plan = nddr_plan_new (&traits);
  plan->activation_type = bench->half ? NDDR_F16 : NDDR_F32;
  NddrTensor *input = nddr_plan_map (plan, "input", 1, bench->batch, bench->height, bench->width, 3);
  bench->inference = nddr_inference_append (plan, bench->network, input, error);
  if (!bench->inference || !nddr_plan_finish (plan, error))
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
  if (!network || !nddr_device_can_save_tuning (bench->device, error))
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
  const NddrArrays *tensors = nddr_model_get_tensors (bench->model);
  g_autoptr (NddrArrays) copy = nddr_arrays_new ();
  bench->recipe = nddr_recipe_load (NULL, sets, error);
  if (!bench->recipe)
    return FALSE;
  for (guint i = 0; i < tensors->arrays->len; i++) {
    const NddrArray *from = tensors->arrays->pdata[i];
    NddrArray *array = nddr_array_copy (from, from->name, error);
    if (!array)
      return FALSE;
    nddr_arrays_take (copy, array);
  }
  bench->start = nddr_start_new_from_tensors (nddr_config_copy (nddr_model_get_config (bench->model)), g_steal_pointer (&copy), error);
  if (!bench->start)
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
  while (bench->ms->len < (bench->train ? MIN_STEPS : MIN_RUNS)
      || (bench->ms->len < MAX_RUNS && g_get_monotonic_time () - begin < ENOUGH_SECONDS * G_USEC_PER_SEC)) {
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

/* ---- measuring */

static const NddrNetwork *
network_of (const Bench *bench)
{
  return bench->train ? bench->start->network : bench->network;
}

/* A multiply-add is two operations; in training there are three of each: forward, the input's gradient, the weights'. */
static double
gflop_per_mac (const Bench *bench)
{
  return 2e-9 * bench->batch * (bench->train ? 3 : 1);
}

/* Also the device's peak for the network's arithmetic, which these are held against. */
static gboolean
measure_layers (Bench *bench, Result *result, GError **error)
{
  NddrDevicePeak peak;
  if (!nddr_measure_device (bench->device, &peak, error))
    return FALSE;
  result->peak = (bench->half || bench->mixed) && peak.matrix > 0 ? peak.matrix : peak.fma;
  result->peak_memory = peak.memory;
  result->by_layer = nddr_bench_profile (bench->program, bench->phases, FALSE, error);
  result->by_kernel = result->by_layer ? nddr_bench_profile (bench->program, bench->phases, TRUE, error) : NULL;
  if (!result->by_kernel)
    return FALSE;
  nddr_bench_count_operations (result->by_layer, network_of (bench), bench->width, bench->height, gflop_per_mac (bench));
  return TRUE;
}

static gboolean
measure (Bench *bench, gboolean layers, Result *result, GError **error)
{
  const NddrPlan *plan = nddr_program_get_plan (bench->program);
  NddrNetworkCost cost;
  if (layers && !measure_layers (bench, result, error))
    return FALSE;
  nddr_network_cost (network_of (bench), bench->width, bench->height, &cost);
  result->median_ms = quantile (bench->ms, 0.5);
  result->min_ms = quantile (bench->ms, 0);
  result->p99_ms = quantile (bench->ms, 0.99);
  result->gmac = cost.macs * (double) bench->batch / 1e9;
  result->gflops = gflop_per_mac (bench) * cost.macs / (result->median_ms / 1e3);
  result->arena = plan->space_bytes[NDDR_SPACE_ARENA];
  result->least = nddr_plan_live_bytes (plan);
  result->weights = plan->space_bytes[NDDR_SPACE_WEIGHTS];
  return TRUE;
}

/* ---- reporting */

static const char *
precision_of (const Bench *bench)
{
  return bench->mixed ? "mixed" : bench->half ? "fp16" : "fp32";
}

static void
print_text (const Bench *bench, const Result *result)
{
  const NddrProgramStart *start = nddr_program_get_start (bench->program);
  printf ("device      %s\nprecision   %s\ninput       %ux%u, batch %u%s\n", nddr_device_get_info (bench->device)->name, precision_of (bench),
      bench->width, bench->height, bench->batch, bench->train ? ", a training step" : "");
  printf ("first       %.1f ms\nmedian      %.2f ms (%u runs)\nmin         %.2f ms\np99         %.2f ms\n", bench->first_ms, result->median_ms,
      bench->ms->len, result->min_ms, result->p99_ms);
  printf ("start       plan %.1f ms, memory %.1f ms, pipelines %.1f ms", bench->plan_us / 1e3, start->memory / 1e3, start->pipelines / 1e3);
  if (!bench->train)
    printf (", weights %.1f ms", bench->weights_us / 1e3);
  printf ("\narithmetic  %.3f GMAC, %.1f GFLOP/s\nactivations %.1f MiB, of which %.1f at once\nweights     %.1f MiB\n", result->gmac,
      result->gflops, result->arena / 1048576.0, result->least / 1048576.0, result->weights / 1048576.0);
  if (result->by_layer) {
    printf ("peak        %.1f GFLOP/s, %.1f GB/s read and written\n", result->peak / 1e9, result->peak_memory / 1e9);
    NddrBenchBound bound = nddr_bench_bound (result->by_layer, result->peak, result->peak_memory);
    printf ("roofline    %.2f ms (arithmetic alone %.2f, memory alone %.2f): the median is %.1f times that\n", bound.roofline, bound.arithmetic, bound.memory,
        result->median_ms / bound.roofline);
    nddr_bench_print_rows ("layer", result->by_layer, result->peak, result->peak_memory);
    nddr_bench_print_rows ("kernel", result->by_kernel, 0, 0);
  }
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

static void
print_json (const Bench *bench, const Result *result)
{
  const NddrProgramStart *start = nddr_program_get_start (bench->program);
  g_autoptr (JsonBuilder) json = json_builder_new ();
  json_builder_begin_object (json);
  add_text (json, "device", nddr_device_get_info (bench->device)->name);
  add_text (json, "precision", precision_of (bench));
  json_builder_set_member_name (json, "input");
  json_builder_begin_array (json);
  json_builder_add_int_value (json, bench->height);
  json_builder_add_int_value (json, bench->width);
  json_builder_end_array (json);
  add_count (json, "batch", bench->batch);
  nddr_json_add_number (json, "first_ms", bench->first_ms);
  nddr_json_add_number (json, "plan_ms", bench->plan_us / 1e3);
  nddr_json_add_number (json, "memory_ms", start->memory / 1e3);
  nddr_json_add_number (json, "pipelines_ms", start->pipelines / 1e3);
  if (!bench->train)
    nddr_json_add_number (json, "weights_ms", bench->weights_us / 1e3);
  nddr_json_add_number (json, "median_ms", result->median_ms);
  nddr_json_add_number (json, "min_ms", result->min_ms);
  nddr_json_add_number (json, "p99_ms", result->p99_ms);
  nddr_json_add_number (json, "gmac", result->gmac);
  nddr_json_add_number (json, "gflops", result->gflops);
  add_count (json, "activation_bytes", result->arena);
  add_count (json, "live_bytes", result->least);
  add_count (json, "weight_bytes", result->weights);
  if (result->by_layer) {
    nddr_json_add_number (json, "peak_gflops", result->peak / 1e9);
    nddr_json_add_number (json, "peak_gb_per_s", result->peak_memory / 1e9);
    NddrBenchBound bound = nddr_bench_bound (result->by_layer, result->peak, result->peak_memory);
    nddr_json_add_number (json, "roofline_ms", bound.roofline);
    nddr_json_add_number (json, "arithmetic_ms", bound.arithmetic);
    nddr_json_add_number (json, "memory_ms", bound.memory);
    nddr_bench_add_times (json, "layers", result->by_layer);
    nddr_bench_add_rates (json, "layer_gflops", result->by_layer);
    nddr_bench_add_traffic (json, "layer_gbytes", result->by_layer);
    nddr_bench_add_times (json, "kernels", result->by_kernel);
  }
  json_builder_end_object (json);
  g_autoptr (JsonNode) root = json_builder_get_root (json);
  g_autofree char *text = json_to_string (root, TRUE);
  puts (text);
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
    { "layers", 0, 0, G_OPTION_ARG_NONE, &layers, "Also by layer, with the shares of the device's measured peak and of its roofline, and by kernel", NULL },
    { "tune", 0, 0, G_OPTION_ARG_NONE, &tunes,
      "First try which algorithm is fastest for each layer that is a step of its own, and keep that for all inference on this device", NULL },
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "Print JSON", NULL },
    { "device", 0, 0, G_OPTION_ARG_STRING, &which, "Index or part of a name, as nddr devices lists them", "DEVICE" },
    { NULL },
  };
  g_autoptr (GError) error = NULL;
  Bench bench = { 0 };
  Result result = { 0 };
  NddrPrecision precision;
  static const char summary[] = "Times a model: median of at least " G_STRINGIFY (MIN_RUNS) " runs, of " G_STRINGIFY (MIN_STEPS) " training steps.";
  if (!nddr_verb_parse (&argc, &argv, "MODEL", summary, entries, 1, 1)
      || !nddr_verb_parse_size ("bench", input, &bench.width, &bench.height))
    return NDDR_EXIT_USAGE;
  bench.mixed = train && g_strcmp0 (precision_name, "mixed") == 0;
  if (!nddr_verb_parse_precision ("bench", bench.mixed ? NULL : precision_name, &precision))
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
    return nddr_verb_misuse ("bench", "--precision %s: %s cannot store 16-bit floats, or is a software driver", precision_name,
        nddr_device_get_info (device)->name);
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
      && measure (&bench, layers, &result, &error);
  if (fine && json)
    print_json (&bench, &result);
  else if (fine)
    print_text (&bench, &result);
  result_clear (&result);
  bench_clear (&bench);
  return fine ? NDDR_EXIT_DONE : nddr_verb_fail ("bench", error);
}
