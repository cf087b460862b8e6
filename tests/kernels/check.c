/* See check.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <math.h>
#include <nddr/gpu/device.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct _NddrCheck
{
  NddrPlan *plan; /* until the program has it */
  NddrProgram *program;
  gboolean half;
};

static NddrDevice *device;
static gboolean benching;
static double random_seconds;

void
check_init (int *argc, char ***argv)
{
  g_autoptr (GError) error = NULL;
  int kept = 1;

  for (int i = 1; i < *argc; i++)
    if (g_str_equal ((*argv)[i], "--bench"))
      benching = TRUE;
    else if (g_str_has_prefix ((*argv)[i], "--random="))
      random_seconds = g_ascii_strtod ((*argv)[i] + strlen ("--random="), NULL);
    else
      (*argv)[kept++] = (*argv)[i];
  *argc = kept;
  g_test_init (argc, argv, NULL);
  device = nddr_device_open (NULL, &error);
  g_assert_no_error (error);
}

int
check_finish (int status)
{
  g_clear_pointer (&device, nddr_device_unref);
  return status;
}

double
check_random_seconds (void)
{
  return random_seconds;
}

gboolean
check_one_in (int n)
{
  return g_test_rand_int_range (0, n) == 0;
}

void
check_shrink (int *const *sizes, int n)
{
  int *size = sizes[g_test_rand_int_range (0, n)];

  *size = MAX (1, *size * 2 / 3);
}

gboolean
check_benching (void)
{
  return benching;
}

const NddrTraits *
check_traits (void)
{
  return nddr_device_get_traits (device);
}

gboolean
check_can (NddrFamily family, gboolean half)
{
  const NddrTraits *traits = check_traits ();

  return (family == NDDR_FAMILY_GPU || traits->family == family) && (!half || (family == NDDR_FAMILY_GPU && traits->fp16));
}

NddrCheck *
check_begin (NddrFamily family, gboolean half)
{
  NddrCheck *check = g_new0 (NddrCheck, 1);
  NddrTraits traits = *check_traits ();

  traits.family = family;
  check->plan = nddr_plan_new (&traits);
  check->plan->activation_type = half ? NDDR_F16 : NDDR_F32;
  check->half = half;
  return check;
}

void
check_end (NddrCheck *check)
{
  nddr_program_free (check->program);
  nddr_plan_free (check->plan);
  g_free (check);
}

NddrPlan *
check_plan (NddrCheck *check)
{
  return check->plan;
}

int
check_count_steps (NddrCheck *check, NddrKernelId kernel)
{
  int n = 0;

  for (guint i = 0; i < check->plan->steps->len; i++)
    n += ((const NddrStep *) g_ptr_array_index (check->plan->steps, i))->kernel->id == kernel;
  return n;
}

NddrProgram *
check_program (NddrCheck *check)
{
  return check->program;
}

NddrTensor *
check_map (NddrCheck *check, const char *name, int branches, int batch, int height, int width, int channels)
{
  NddrTensor *tensor = nddr_plan_map (check->plan, name, branches, batch, height, width, channels);

  tensor->keep = TRUE;
  return tensor;
}

NddrTensor *
check_half_map (NddrCheck *check, const char *name, int branches, int batch, int height, int width, int channels)
{
  NddrTensor *tensor = nddr_plan_tensor (check->plan, name, NDDR_SPACE_ARENA, NDDR_F16, branches, batch, height, width, channels);

  tensor->keep = TRUE;
  return tensor;
}

NddrTensor *
check_flat (NddrCheck *check, const char *name, NddrSpace space, gsize n)
{
  NddrTensor *tensor = nddr_plan_flat (check->plan, name, space, NDDR_F32, n);

  tensor->keep = TRUE;
  return tensor;
}

void
check_ready (NddrCheck *check)
{
  g_autoptr (GError) error = NULL;

  nddr_plan_finish (check->plan, &error);
  g_assert_no_error (error);
  check->program = nddr_program_new (device, g_steal_pointer (&check->plan), 1, &error);
  g_assert_no_error (error);
}

gsize
check_elements (const NddrTensor *t)
{
  return (gsize) t->branches * t->batch * t->height * t->width * t->channels;
}

/* ---- half floats: round to nearest even */

static guint16
to_half (float value)
{
  guint32 f, sign, mantissa;
  int exponent;

  memcpy (&f, &value, 4);
  sign = (f >> 16) & 0x8000;
  exponent = (int) ((f >> 23) & 0xff) - 127 + 15;
  mantissa = f & 0x7fffff;
  if (exponent >= 31)
    return sign | 0x7c00;
  if (exponent <= 0) {
    if (exponent < -10)
      return sign;
    mantissa |= 0x800000;
    return sign | ((mantissa + (1u << (13 - exponent)) - 1 + ((mantissa >> (14 - exponent)) & 1)) >> (14 - exponent));
  }
  return sign | (((guint32) exponent << 10) + ((mantissa + 0xfff + ((mantissa >> 13) & 1)) >> 13));
}

static float
from_half (guint16 h)
{
  int exponent = (h >> 10) & 31, mantissa = h & 0x3ff;
  float value = exponent == 0 ? ldexpf (mantissa, -24) : exponent == 31 ? (mantissa ? NAN : INFINITY) : ldexpf (mantissa | 0x400, exponent - 25);

  return h & 0x8000 ? -value : value;
}

double *
check_random (gsize n, guint64 seed, gboolean half)
{
  double *values = g_new (double, MAX (n, 1));
  guint64 state = seed * 0x9e3779b97f4a7c15u + 1;

  for (gsize i = 0; i < n; i++) { /* splitmix64 */
    guint64 z = state += 0x9e3779b97f4a7c15u;
    float f;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    f = (float) ((double) (z >> 40) / (1 << 23) - 1);
    values[i] = half ? from_half (to_half (f)) : f;
  }
  return values;
}

/* ---- host <-> device */

static gboolean
is_mapped (const NddrTensor *t)
{
  return t->space == NDDR_SPACE_INPUT || t->space == NDDR_SPACE_OUTPUT;
}

void
check_fill (NddrCheck *check, NddrTensor *t, const double *dense)
{
  g_autofree guint8 *raw = g_malloc0 (t->bytes);
  gsize rows = check_elements (t) / t->channels;
  g_autoptr (GError) error = NULL;

  for (gsize r = 0; r < rows; r++)
    for (int c = 0; c < t->channels; c++) {
      gsize at = r * t->stride + c;
      float value = (float) dense[r * t->channels + c];

      if (t->type == NDDR_F32)
        ((float *) raw)[at] = value;
      else if (t->type == NDDR_F16)
        ((guint16 *) raw)[at] = to_half (value);
      else
        raw[at] = (guint8) value;
    }
  if (is_mapped (t))
    memcpy (nddr_program_map (check->program, t, 0), raw, t->bytes);
  else
    nddr_program_write (check->program, t, 0, raw, t->bytes, &error);
  g_assert_no_error (error);
}

double *
check_fetch (NddrCheck *check, NddrTensor *t)
{
  g_autofree guint8 *raw = g_malloc0 (t->bytes);
  gsize rows = check_elements (t) / t->channels;
  double *dense = g_new (double, MAX (check_elements (t), 1));
  g_autoptr (GError) error = NULL;

  if (is_mapped (t))
    memcpy (raw, nddr_program_map (check->program, t, 0), t->bytes);
  else
    nddr_program_read (check->program, t, 0, raw, t->bytes, &error);
  g_assert_no_error (error);
  for (gsize r = 0; r < rows; r++)
    for (int c = 0; c < t->stride; c++) {
      gsize at = r * t->stride + c;
      double value = t->type == NDDR_F32 ? ((float *) raw)[at] : t->type == NDDR_F16 ? from_half (((guint16 *) raw)[at]) : raw[at];

      if (c < t->channels)
        dense[r * t->channels + c] = value;
      else if (value != 0)
        g_error ("%s: padding channel %d of pixel %" G_GSIZE_FORMAT " is %g, not 0", t->name, c, r, value);
    }
  return dense;
}

void
check_run (NddrCheck *check, guint mask)
{
  g_autoptr (GError) error = NULL;

  nddr_program_run (check->program, mask, &error);
  g_assert_no_error (error);
}

void
check_compare (NddrCheck *check, NddrTensor *t, const double *want, double bound, const char *what, ...)
{
  g_autofree double *got = check_fetch (check, t);
  g_autofree char *text = NULL;
  double difference = 0, norm = 0, worst = -1;
  gsize worst_at = 0, n = check_elements (t);
  va_list args;

  va_start (args, what);
  text = g_strdup_vprintf (what, args);
  va_end (args);
  for (gsize i = 0; i < n; i++) {
    double d = fabs (got[i] - want[i]);

    difference += d * d;
    norm += want[i] * want[i];
    if (!(d <= worst)) {
      worst = d;
      worst_at = i;
    }
  }
  difference = sqrt (difference);
  norm = sqrt (norm);
  if (!(difference <= bound * norm + 1e-30))
    g_error ("%s: %s: relative error %.3g > %.3g; worst at element %" G_GSIZE_FORMAT ": got %.9g, want %.9g", text, t->name,
        difference / norm, bound, worst_at, got[worst_at], want[worst_at]);
}

#define POISON 57.0 /* exact in half floats */

void
check_poison (NddrCheck *check, NddrTensor *t)
{
  g_autofree guint8 *raw = g_malloc (t->bytes);
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < t->bytes / (t->type == NDDR_F16 ? 2 : 4); i++)
    if (t->type == NDDR_F16)
      ((guint16 *) raw)[i] = to_half (POISON);
    else
      ((float *) raw)[i] = POISON;
  nddr_program_write (check->program, t, 0, raw, t->bytes, &error);
  g_assert_no_error (error);
}

void
check_fill_view (NddrCheck *check, NddrBranches view, int n, const double *dense)
{
  const NddrTensor *t = view.tensor;
  gsize rows = (gsize) t->batch * t->height * t->width, bytes = rows * t->stride * (t->type == NDDR_F16 ? 2 : 4);
  g_autofree guint8 *raw = g_malloc0 (bytes);
  g_autoptr (GError) error = NULL;

  check_poison (check, view.tensor);
  for (int b = 0; b < n; b++) {
    for (gsize r = 0; r < rows; r++)
      for (int c = 0; c < t->channels; c++, dense++)
        if (t->type == NDDR_F16)
          ((guint16 *) raw)[r * t->stride + c] = to_half ((float) *dense);
        else
          ((float *) raw)[r * t->stride + c] = (float) *dense;
    nddr_program_write (check->program, t, (view.first + b * view.step) * bytes, raw, bytes, &error);
    g_assert_no_error (error);
  }
}

void
check_compare_view (NddrCheck *check, NddrBranches view, int n, const double *want, double bound, const char *what, ...)
{
  NddrTensor *t = view.tensor;
  gsize rows = (gsize) t->batch * t->height * t->width;
  g_autofree guint8 *raw = g_malloc (t->bytes);
  g_autofree char *text = NULL, *worst_text = NULL;
  double difference = 0, norm = 0, worst = -1;
  g_autoptr (GError) error = NULL;
  va_list args;

  va_start (args, what);
  text = g_strdup_vprintf (what, args);
  va_end (args);
  nddr_program_read (check->program, t, 0, raw, t->bytes, &error);
  g_assert_no_error (error);
  for (int branch = 0; branch < t->branches; branch++) {
    int b = 0; /* of the view */

    while (b < n && view.first + b * view.step != branch)
      b++;
    for (gsize r = 0; r < rows; r++)
      for (int c = 0; c < t->stride; c++) {
        gsize at = (branch * rows + r) * t->stride + c;
        double got = t->type == NDDR_F16 ? from_half (((guint16 *) raw)[at]) : ((float *) raw)[at], d;

        if (b == n && got != POISON)
          g_error ("%s: %s: wrote %g to channel %d of pixel %" G_GSIZE_FORMAT " of branch %d, which is not its own", text, t->name, got, c, r, branch);
        if (b == n)
          continue;
        if (c >= t->channels) {
          if (got != 0)
            g_error ("%s: %s: padding channel %d of pixel %" G_GSIZE_FORMAT " of branch %d is %g, not 0", text, t->name, c, r, branch, got);
          continue;
        }
        at = (b * rows + r) * t->channels + c;
        d = fabs (got - want[at]);
        difference += d * d;
        norm += want[at] * want[at];
        if (!(d <= worst)) {
          worst = d;
          g_free (worst_text);
          worst_text = g_strdup_printf ("branch %d, pixel %" G_GSIZE_FORMAT ", channel %d: got %.9g, want %.9g", branch, r, c, got, want[at]);
        }
      }
  }
  difference = sqrt (difference);
  norm = sqrt (norm);
  if (!(difference <= bound * norm + 1e-30))
    g_error ("%s: %s: relative error %.3g > %.3g; worst at %s", text, t->name, difference / norm, bound, worst_text);
  g_test_message ("%s: %s: relative error %.2g", text, t->name, difference / norm);
}

static int
compare_times (const void *a, const void *b)
{
  const gint64 x = *(const gint64 *) a, y = *(const gint64 *) b;

  return x < y ? -1 : x > y;
}

/** Of all threads, in seconds: what a busy machine does not change. */
static double
processor_time (void)
{
  struct timespec t;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

void
check_bench (NddrCheck *check, guint mask, double flops, double bytes, const char *what, ...)
{
  gint64 times[9];
  g_autofree char *text = NULL;
  double seconds, processor;
  va_list args;

  if (!benching)
    return;
  va_start (args, what);
  text = g_strdup_vprintf (what, args);
  va_end (args);
  check_run (check, mask);
  processor = processor_time ();
  for (guint i = 0; i < G_N_ELEMENTS (times); i++) {
    gint64 start = g_get_monotonic_time ();

    check_run (check, mask);
    times[i] = g_get_monotonic_time () - start;
  }
  processor = (processor_time () - processor) / G_N_ELEMENTS (times);
  qsort (times, G_N_ELEMENTS (times), sizeof times[0], compare_times);
  seconds = times[G_N_ELEMENTS (times) / 2] / 1e6;
  g_print ("# %-60s %9.3f ms (best %.3f, processor %.3f)", text, seconds * 1e3, times[0] / 1e3, processor * 1e3);
  if (flops > 0)
    g_print ("  %7.1f GFLOP/s", flops / seconds / 1e9);
  if (bytes > 0)
    g_print ("  %6.1f GB/s", bytes / seconds / 1e9);
  g_print ("\n");
}
