/* A device's pipelines: see device-pipelines.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/gpu/device-pipelines.h>

#include <nddr/gpu/compiler.h>
#include <nddr/gpu/pipeline-cache.h>

void
nddr_pipelines_init (NddrDevice *device)
{
  g_mutex_init (&device->pipeline_mutex);
  device->pipelines = g_hash_table_new (nddr_pipeline_hash, nddr_pipeline_equal);
  nddr_pipeline_cache_init (device);
}

void
nddr_pipelines_clear (NddrDevice *device)
{
  GHashTableIter iter;
  gpointer pipeline;

  if (!device->pipelines)
    return;
  nddr_pipeline_cache_clear (device);
  g_hash_table_iter_init (&iter, device->pipelines);
  while (g_hash_table_iter_next (&iter, &pipeline, NULL))
    nddr_pipeline_free (device, pipeline);
  g_hash_table_unref (device->pipelines);
  g_mutex_clear (&device->pipeline_mutex);
}

/* Pipelines that several threads make, each the next. */
typedef struct
{
  NddrDevice *device;
  NddrPipeline **pipelines;
  GError **errors;       /* for each: why it was not made, or NULL */
  gboolean *ahead;       /* for each: whether to compile it, too; then, whether it was */
  guint n;
  gint next;             /* atomic */
} Work;

/* @compiler: of this thread; NULL: not yet.  FALSE: it went wrong, as it may: the device compiles late, then. */
static gboolean
compile_ahead (NddrDevice *device, const NddrPipeline *pipeline, NddrCompiler **compiler)
{
  g_autoptr (GError) error = NULL;

  if (!*compiler)
    *compiler = nddr_compiler_new (device, &error);
  if (*compiler && nddr_compiler_compile (*compiler, pipeline, &error))
    return TRUE;
  g_debug ("%s was not compiled ahead, nor is what would follow it: %s", pipeline->kernel->name, error->message);
  return FALSE;
}

static gpointer
make_pipelines (gpointer data)
{
  Work *work = data;
  NddrCompiler *compiler = NULL;
  gboolean can = TRUE;

  for (guint i; (i = g_atomic_int_add (&work->next, 1)) < work->n;) {
    gboolean made = nddr_pipeline_create (work->device, work->pipelines[i], &work->errors[i]);

    if (work->ahead[i])
      work->ahead[i] = made && can && (can = compile_ahead (work->device, work->pipelines[i], &compiler));
  }
  nddr_compiler_free (compiler);
  return NULL;
}

/* Makes all @n, on as many threads as there are processors or, where there are no more threads to be had, on fewer: this one is the first.
 * @error: of the first pipeline that could not be made */
static gboolean
make_side_by_side (NddrDevice *device, NddrPipeline **pipelines, guint n, GError **error)
{
  g_autofree GError **errors = g_new0 (GError *, n);
  g_autofree gboolean *ahead = g_new0 (gboolean, n);
  Work work = { device, pipelines, errors, ahead, n, 0 };
  guint n_others = MIN (n, g_get_num_processors ()) - 1, n_ahead = 0;
  g_autofree GThread **others = g_new0 (GThread *, n_others);
  GError *first = NULL;

  if (n_others)
    n_ahead = nddr_compiler_choose (device, pipelines, n, ahead);
  if (n_ahead)
    n_others = MIN (n_others, NDDR_MAX_COMPILERS - 1);
  for (guint i = 0; i < n_others; i++)
    others[i] = g_thread_try_new ("pipelines", make_pipelines, &work, NULL);
  make_pipelines (&work);
  for (guint i = 0; i < n_others; i++)
    if (others[i])
      g_thread_join (others[i]);
  if (n_ahead)
    nddr_compiler_record (device, pipelines, n, ahead);
  for (guint i = 0; i < n; i++)
    if (first == NULL)
      first = errors[i];
    else
      g_clear_error (&errors[i]);
  if (first == NULL)
    return TRUE;
  g_propagate_error (error, first);
  return FALSE;
}

gboolean
nddr_device_get_pipelines (NddrDevice *device, NddrStep *const *steps, guint n, NddrPipeline **pipelines, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&device->pipeline_mutex);
  g_autofree NddrPipeline **made = g_new (NddrPipeline *, n);
  guint n_made = 0;
  gboolean ok;

  (void) locker;
  for (guint i = 0; i < n; i++) {
    NddrPipeline *wanted = nddr_pipeline_new (steps[i]->kernel, steps[i]->spec, steps[i]->n_spec);

    pipelines[i] = g_hash_table_lookup (device->pipelines, wanted);
    if (pipelines[i]) {
      nddr_pipeline_free (device, wanted);
      continue;
    }
    pipelines[i] = made[n_made++] = wanted;
    g_hash_table_add (device->pipelines, wanted);
  }
  ok = n_made == 0 || make_side_by_side (device, made, n_made, error);
  for (guint i = 0; i < n_made && !ok; i++) {
    g_hash_table_remove (device->pipelines, made[i]);
    nddr_pipeline_free (device, made[i]);
  }
  device->pipeline_cache_dirty |= ok && n_made > 0;
  return ok;
}
