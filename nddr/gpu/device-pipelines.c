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

/* Calls @function with each of @n pointers, the first on this thread and the others on threads of their own, or, where there are no more of these to be had,
 * not at all. */
static void
run_side_by_side (GThreadFunc function, gpointer *data, guint n)
{
  g_autofree GThread **others = g_new0 (GThread *, n);

  for (guint i = 1; i < n; i++)
    others[i] = g_thread_try_new ("pipelines", function, data[i], NULL);
  function (data[0]);
  for (guint i = 1; i < n; i++)
    if (others[i])
      g_thread_join (others[i]);
}

/* Pipelines that several threads make, each the next. */
typedef struct
{
  NddrDevice *device;
  NddrPipeline **pipelines;
  GError **errors; /* for each: why it was not made, or NULL */
  guint n;
  gint next;       /* atomic */
} Work;

static gpointer
make_next (gpointer data)
{
  Work *work = data;

  for (guint i; (i = g_atomic_int_add (&work->next, 1)) < work->n;)
    nddr_pipeline_create (work->device, work->pipelines[i], &work->errors[i]);
  return NULL;
}

/* Makes all @n on as many threads as there are processors.
 * @error: of the first pipeline that could not be made */
static gboolean
make_pipelines (NddrDevice *device, NddrPipeline **pipelines, guint n, GError **error)
{
  g_autofree GError **errors = g_new0 (GError *, n);
  Work work = { device, pipelines, errors, n, 0 };
  guint n_threads = MIN (n, g_get_num_processors ());
  g_autofree gpointer *data = g_new (gpointer, n_threads);
  GError *first = NULL;

  for (guint i = 0; i < n_threads; i++)
    data[i] = &work;
  run_side_by_side (make_next, data, n_threads);
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

/* Pipelines that several compilers compile, each the next. */
typedef struct
{
  NddrPipeline *const *pipelines;
  gboolean *ahead; /* for each, before next: whether it was compiled; from there on: whether to compile it */
  guint n;
  gint next;       /* atomic */
} Ahead;

/* One of them, on a thread of its own. */
typedef struct
{
  NddrCompiler *compiler;
  Ahead *work;
} AheadThread;

static gpointer
compile_next (gpointer data)
{
  AheadThread *thread = data;
  Ahead *work = thread->work;
  g_autoptr (GError) error = NULL;

  for (guint i; !error && (i = g_atomic_int_add (&work->next, 1)) < work->n;) {
    work->ahead[i] = work->ahead[i] && nddr_compiler_compile (thread->compiler, work->pipelines[i], &error);
    if (error) /* the others go on without this one */
      g_debug ("%s was not compiled ahead: %s", work->pipelines[i]->kernel->name, error->message);
  }
  return NULL;
}

/* Compiles what the driver otherwise would when it is dispatched, if there is somebody to do so beside this thread.  It may go wrong: then it is late. */
static void
compile_ahead (NddrDevice *device, NddrPipeline *const *pipelines, guint n)
{
  g_autofree gboolean *ahead = g_new0 (gboolean, n);
  Ahead work = { pipelines, ahead, n, 0 };
  AheadThread threads[NDDR_MAX_COMPILERS];
  gpointer data[NDDR_MAX_COMPILERS];
  guint n_ahead, n_threads = 0;

  if (MIN (n, g_get_num_processors ()) < 2 || (n_ahead = nddr_compiler_choose (device, pipelines, n, ahead)) == 0)
    return;
  /* here, not each on its thread: the validation layer forgets to lock where it keeps devices (1.3.239) */
  for (guint i = 0; i < MIN (MIN (n_ahead, g_get_num_processors ()), NDDR_MAX_COMPILERS); i++) {
    g_autoptr (GError) error = NULL;

    threads[n_threads] = (AheadThread){ nddr_compiler_new (device, &error), &work };
    data[n_threads] = &threads[n_threads];
    if (threads[n_threads].compiler)
      n_threads++;
    else
      g_debug ("fewer pipelines are compiled side by side: %s", error->message);
  }
  if (n_threads == 0)
    return;
  run_side_by_side (compile_next, data, n_threads);
  for (guint i = 0; i < n_threads; i++)
    nddr_compiler_free (threads[i].compiler);
  for (guint i = work.next; i < n; i++) /* where all of them failed */
    ahead[i] = FALSE;
  nddr_compiler_record (device, pipelines, n, ahead);
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
  ok = n_made == 0 || make_pipelines (device, made, n_made, error);
  if (ok && n_made)
    compile_ahead (device, made, n_made);
  for (guint i = 0; i < n_made && !ok; i++) {
    g_hash_table_remove (device->pipelines, made[i]);
    nddr_pipeline_free (device, made[i]);
  }
  device->pipeline_cache_dirty |= ok && n_made > 0;
  return ok;
}
