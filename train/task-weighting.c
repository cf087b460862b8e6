/* See task-weighting.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/task-weighting.h>
#include <nddr/error.h>

#include <math.h>

#define FIRST_LOG_VARIANCE -0.5
#define GROUP "weighting"

struct _NddrTaskWeighting
{
  const NddrRecipe *recipe;
  guint n;
  double *fixed;   /* each [n], as all below: the recipe's weights */
  double *weights; /* in the step that began last */
  /* uncertainty */
  double *log_variance, *moment1, *moment2, *updates; /* updates: how often each was learnt */
  double *settled; /* the log-variances that the step began with */
  /* dwa: means of the last epoch and the one before, sums of this one */
  double *last, *before, *sums, *counts;
  gint64 epoch, complete; /* this one's number; how many of the means are there */
  guint64 pictures;
};

/* What is kept, by the name that it has in the text. */
typedef struct
{
  const char *name;
  double *values;
} Row;

static guint
list_rows (const NddrTaskWeighting *b, Row *rows)
{
  guint n = 0;
  if (b->recipe->weighting == NDDR_WEIGHTING_UNCERTAINTY) {
    rows[n++] = (Row){ "log_variance", b->log_variance };
    rows[n++] = (Row){ "moment1", b->moment1 };
    rows[n++] = (Row){ "moment2", b->moment2 };
    rows[n++] = (Row){ "updates", b->updates };
  }
  if (b->recipe->weighting == NDDR_WEIGHTING_DWA) {
    rows[n++] = (Row){ "last", b->last };
    rows[n++] = (Row){ "before", b->before };
    rows[n++] = (Row){ "sums", b->sums };
    rows[n++] = (Row){ "counts", b->counts };
  }
  return n;
}

#define MAX_ROWS 4

NddrTaskWeighting *
nddr_task_weighting_new (const NddrRecipe *recipe, const NddrTask *tasks, guint n_tasks)
{
  NddrTaskWeighting *b = g_new0 (NddrTaskWeighting, 1);
  double **const arrays[] = { &b->fixed, &b->weights, &b->log_variance, &b->moment1, &b->moment2, &b->updates, &b->settled, &b->last, &b->before,
    &b->sums, &b->counts };
  b->recipe = recipe;
  b->n = n_tasks;
  for (guint i = 0; i < G_N_ELEMENTS (arrays); i++)
    *arrays[i] = g_new0 (double, n_tasks);
  for (guint k = 0; k < n_tasks; k++) {
    b->fixed[k] = b->weights[k] = nddr_recipe_task_weight (recipe, tasks[k].name);
    b->log_variance[k] = b->settled[k] = FIRST_LOG_VARIANCE;
  }
  return b;
}

void
nddr_task_weighting_free (NddrTaskWeighting *b)
{
  if (!b)
    return;
  g_free (b->fixed);
  g_free (b->weights);
  g_free (b->log_variance);
  g_free (b->moment1);
  g_free (b->moment2);
  g_free (b->updates);
  g_free (b->settled);
  g_free (b->last);
  g_free (b->before);
  g_free (b->sums);
  g_free (b->counts);
  g_free (b);
}

void
nddr_task_weighting_set_epoch (NddrTaskWeighting *b, guint64 pictures)
{
  b->pictures = pictures;
}

/* ---- dynamic weight averaging */

/* Where step @t is the first of an epoch, the one before is over. */
static void
turn_epoch (NddrTaskWeighting *b, gint64 t)
{
  guint64 first = (guint64) t * b->recipe->batch * b->recipe->accumulate;
  gint64 epoch = b->pictures ? first / b->pictures : 0;
  if (epoch == b->epoch)
    return;
  b->epoch = epoch;
  b->complete = MIN (b->complete + 1, 2);
  for (guint k = 0; k < b->n; k++) {
    b->before[k] = b->last[k];
    b->last[k] = b->counts[k] > 0 ? b->sums[k] / b->counts[k] : b->last[k]; /* no pixel all the epoch: as if nothing had changed */
    b->sums[k] = b->counts[k] = 0;
  }
}

static void
average_weights (NddrTaskWeighting *b)
{
  double sum = 0, largest = -INFINITY;
  g_autofree double *ratios = g_new (double, b->n);
  for (guint k = 0; k < b->n; k++) {
    ratios[k] = (b->before[k] > 0 ? b->last[k] / b->before[k] : 1) / b->recipe->dwa_temperature;
    largest = MAX (largest, ratios[k]);
  }
  for (guint k = 0; k < b->n; k++)
    sum += exp (ratios[k] - largest);
  for (guint k = 0; k < b->n; k++)
    b->weights[k] = b->fixed[k] * b->n * exp (ratios[k] - largest) / sum;
}

/* ---- a step */

void
nddr_task_weighting_begin (NddrTaskWeighting *b, gint64 t)
{
  switch (b->recipe->weighting) {
    case NDDR_WEIGHTING_UNCERTAINTY:
      for (guint k = 0; k < b->n; k++) {
        b->settled[k] = b->log_variance[k];
        b->weights[k] = b->fixed[k] / (2 * exp (b->settled[k]));
      }
      break;
    case NDDR_WEIGHTING_DWA:
      turn_epoch (b, t);
      if (b->complete == 2)
        average_weights (b);
      break;
    default:
      break;
  }
}

const double *
nddr_task_weighting_get_weights (const NddrTaskWeighting *b)
{
  return b->weights;
}

const double *
nddr_task_weighting_get_log_variances (const NddrTaskWeighting *b)
{
  return b->recipe->weighting == NDDR_WEIGHTING_UNCERTAINTY ? b->settled : NULL;
}

double
nddr_task_weighting_total (const NddrTaskWeighting *b, const double *losses)
{
  double total = 0;
  for (guint k = 0; k < b->n; k++) {
    total += b->weights[k] * losses[k];
    if (b->recipe->weighting == NDDR_WEIGHTING_UNCERTAINTY && b->fixed[k] > 0)
      total += b->settled[k] / 2;
  }
  return total;
}

/* One log-variance's step of the recipe's optimiser, without decay.  As PyTorch's do, moments count the steps that they had: none in which
 * nothing of the task counted, neither a pixel nor a teacher, and none that overflowed. */
static void
learn (NddrTaskWeighting *b, guint k, gint64 t, double gradient)
{
  const NddrRecipe *r = b->recipe;
  double rate = nddr_recipe_rate (r, t) * r->lr_weighting;
  if (r->optimizer == NDDR_OPTIMIZER_SGD) {
    b->moment1[k] = r->momentum * b->moment1[k] + gradient;
    b->log_variance[k] -= rate * b->moment1[k];
    return;
  }
  b->moment1[k] = r->beta1 * b->moment1[k] + (1 - r->beta1) * gradient;
  b->moment2[k] = r->beta2 * b->moment2[k] + (1 - r->beta2) * gradient * gradient;
  b->updates[k]++;
  double m = b->moment1[k] / (1 - pow (r->beta1, b->updates[k])), v = b->moment2[k] / (1 - pow (r->beta2, b->updates[k]));
  b->log_variance[k] -= rate * m / (sqrt (v) + r->adam_eps);
}

void
nddr_task_weighting_end (NddrTaskWeighting *b, gint64 t, const double *losses, const double *counted)
{
  for (guint k = 0; k < b->n; k++) {
    if (counted[k] == 0 || b->fixed[k] == 0)
      continue;
    if (b->recipe->weighting == NDDR_WEIGHTING_UNCERTAINTY)
      learn (b, k, t, 0.5 - b->weights[k] * losses[k]);
    b->sums[k] += losses[k];
    b->counts[k]++;
  }
}

/* ---- the state */

char *
nddr_task_weighting_to_text (const NddrTaskWeighting *b)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  Row rows[MAX_ROWS];
  guint n = list_rows (b, rows);
  for (guint i = 0; i < n; i++)
    g_key_file_set_double_list (file, GROUP, rows[i].name, rows[i].values, b->n);
  g_key_file_set_int64 (file, GROUP, "epoch", b->epoch);
  g_key_file_set_int64 (file, GROUP, "complete", b->complete);
  return g_key_file_to_data (file, NULL, NULL);
}

gboolean
nddr_task_weighting_from_text (NddrTaskWeighting *b, const char *text, GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  Row rows[MAX_ROWS];
  guint n = list_rows (b, rows);
  if (!g_key_file_load_from_data (file, text, -1, G_KEY_FILE_NONE, error))
    return FALSE;
  for (guint i = 0; i < n; i++) {
    gsize length = 0;
    g_autofree double *values = g_key_file_get_double_list (file, GROUP, rows[i].name, &length, NULL);
    gboolean fine = values && length == b->n;
    for (gsize k = 0; fine && k < length; k++)
      fine = isfinite (rows[i].values[k] = values[k]);
    if (!fine)
      return nddr_fail (error, NDDR_ERROR_FORMAT, "the state of the losses' weights lacks %u numbers called %s", b->n, rows[i].name);
  }
  b->epoch = g_key_file_get_int64 (file, GROUP, "epoch", NULL);
  b->complete = CLAMP (g_key_file_get_int64 (file, GROUP, "complete", NULL), 0, 2);
  return TRUE;
}
