/* Tuning: see tune.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/tune.h>

#include <nddr/gpu/device.h>
#include <nddr/inference.h>

#define ROUNDS 2   /* over all algorithms, so that a slow minute does not meet one alone */
#define RUNS 4     /* of each, in each round */
#define GAIN 0.95  /* of the estimated algorithm's time is what another must come to */

typedef struct
{
  NddrDevice *device;
  const NddrNetwork *network;
  int width, height, batch;
  gboolean half;
  GPtrArray *shapes;   /* of Shape */
} Tuner;

/* An algorithm of a shape, and the least that its layers took together. */
typedef struct
{
  NddrAlgorithm algorithm;
  guint64 ns;
} Trial;

typedef struct
{
  NddrTuned tuned;
  GHashTable *labels;  /* of the layers */
  NddrAlgorithm estimated;   /* the algorithm that is chosen where there is no tuning */
  GArray *trials;      /* of Trial */
  guint64 run;         /* ns: of the run that is being noted */
} Shape;

static void
shape_free (gpointer data)
{
  Shape *shape = data;
  g_hash_table_unref (shape->labels);
  g_array_unref (shape->trials);
  g_free (shape->tuned.shape);
  g_free (shape);
}

static Shape *
find_shape (Tuner *tuner, const char *name)
{
  for (guint i = 0; i < tuner->shapes->len; i++)
    if (g_str_equal (((Shape *) tuner->shapes->pdata[i])->tuned.shape, name))
      return tuner->shapes->pdata[i];
  Shape *shape = g_new0 (Shape, 1);
  shape->tuned.shape = g_strdup (name);
  shape->labels = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  shape->trials = g_array_new (FALSE, FALSE, sizeof (Trial));
  g_ptr_array_add (tuner->shapes, shape);
  return shape;
}

/* The network with @algorithm wherever it fits. Its weights are zeros: no kernel is faster for that. */
static NddrProgram *
make_program (const Tuner *tuner, const NddrAlgorithm *algorithm, GError **error)
{
  g_autoptr (NddrTuning) uniform = nddr_tuning_new_uniform (algorithm);
  NddrTraits traits = *nddr_device_get_traits (tuner->device);
  traits.tuning = uniform;
  g_autoptr (NddrPlan) plan = nddr_plan_new (&traits);
  plan->activation_type = tuner->half ? NDDR_F16 : NDDR_F32;
  NddrTensor *input = nddr_plan_map (plan, "input", 1, tuner->batch, tuner->height, tuner->width, 3);
  NddrInference *inference = nddr_inference_append (plan, tuner->network, input, error);
  gboolean fine = inference != NULL;
  nddr_inference_free (inference);
  plan->traits.tuning = NULL;
  if (!fine || !nddr_plan_finish (plan, error))
    return NULL;
  return nddr_program_new (tuner->device, g_steal_pointer (&plan), 1, error);
}

static void
note (Shape *shape, const NddrAlgorithm *algorithm, guint64 ns)
{
  for (guint i = 0; i < shape->trials->len; i++) {
    Trial *trial = &g_array_index (shape->trials, Trial, i);
    if (nddr_algorithm_equal (&trial->algorithm, algorithm)) {
      trial->ns = MIN (trial->ns, ns);
      return;
    }
  }
  g_array_append_vals (shape->trials, &(Trial){ *algorithm, ns }, 1);
}

/* Notes what each shape's layers took in one run, by whichever algorithm they ran. @estimated: it was the one that is estimated to be fastest. */
static void
note_run (Tuner *tuner, const NddrPlan *plan, const guint64 *ns, gboolean estimated)
{
  for (guint i = 0; i < plan->steps->len; i++) {
    const NddrStep *step = plan->steps->pdata[i];
    if (!step->shape)
      continue;
    Shape *shape = find_shape (tuner, step->shape);
    shape->tuned.algorithm = step->algorithm;
    shape->run += ns[i];
    g_hash_table_add (shape->labels, g_strdup (step->label));
  }
  for (guint i = 0; i < tuner->shapes->len; i++) {
    Shape *shape = tuner->shapes->pdata[i];
    note (shape, &shape->tuned.algorithm, shape->run);
    if (estimated)
      shape->estimated = shape->tuned.algorithm;
    shape->run = 0;
  }
}

static gboolean
try_algorithm (Tuner *tuner, const NddrAlgorithm *algorithm, GError **error)
{
  const guint phases = 1u << NDDR_PHASE_NETWORK;
  g_autoptr (NddrProgram) program = make_program (tuner, algorithm, error);
  if (!program || !nddr_program_run (program, phases, error)) /* the first run may compile */
    return FALSE;
  const NddrPlan *plan = nddr_program_get_plan (program);
  g_autofree guint64 *ns = g_new (guint64, plan->steps->len);
  for (int i = 0; i < RUNS; i++) {
    if (!nddr_program_profile (program, phases, ns, error))
      return FALSE;
    note_run (tuner, plan, ns, algorithm->kind == NDDR_ALGORITHM_CHOOSE);
  }
  return TRUE;
}

static gboolean
try_all (Tuner *tuner, GError **error)
{
  gboolean software = nddr_device_get_traits (tuner->device)->family == NDDR_FAMILY_SOFTWARE;
  const NddrAlgorithm estimated = { NDDR_ALGORITHM_CHOOSE };
  NddrAlgorithm algorithm;
  for (int round = 0; round < ROUNDS; round++) {
    if (!try_algorithm (tuner, &estimated, error))
      return FALSE;
    for (guint n = 0; nddr_algorithm_nth (software, tuner->half, n, &algorithm); n++)
      if (!try_algorithm (tuner, &algorithm, error))
        return FALSE;
  }
  return TRUE;
}

static void
choose (Shape *shape)
{
  const Trial *best = NULL, *estimated = NULL;
  for (guint i = 0; i < shape->trials->len; i++) {
    const Trial *trial = &g_array_index (shape->trials, Trial, i);
    if (!best || trial->ns < best->ns)
      best = trial;
    if (nddr_algorithm_equal (&trial->algorithm, &shape->estimated))
      estimated = trial;
  }
  gboolean pays = best->ns < GAIN * estimated->ns;
  shape->tuned.algorithm = pays ? best->algorithm : (NddrAlgorithm){ NDDR_ALGORITHM_CHOOSE };
  shape->tuned.ms = (pays ? best : estimated)->ns / 1e6;
  shape->tuned.estimated_ms = estimated->ns / 1e6;
  shape->tuned.layers = g_hash_table_size (shape->labels);
}

GPtrArray *
nddr_tune (NddrDevice *device, const NddrNetwork *network, int width, int height, int batch, gboolean half, NddrTuning *tuning, GError **error)
{
  g_autoptr (GPtrArray) shapes = g_ptr_array_new_with_free_func (shape_free);
  Tuner tuner = { device, network, width, height, batch, half, shapes };
  if (!try_all (&tuner, error))
    return NULL;
  for (guint i = 0; i < shapes->len; i++) {
    Shape *shape = shapes->pdata[i];
    choose (shape);
    nddr_tuning_set (tuning, shape->tuned.shape, &shape->tuned.algorithm);
  }
  return g_steal_pointer (&shapes);
}
