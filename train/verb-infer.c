/* nddr infer: pictures in, a picture for each task out.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/image.h>
#include <train/npy.h>
#include <train/verb.h>

#include <errno.h>
#include <glib/gstdio.h>
#include <nddr/allocate.h>
#include <string.h>

#define MAX_VIEWS 3

typedef struct
{
  NddrModel *model;
  NddrSession *session;
  NddrOutput *outputs;  /* for each task its views, then its head where npy is wanted */
  guint n_outputs;
  NddrFrame *results;   /* for each output */
  guint *channels, *bits; /* of each output's pixels */
  const char *folder;
  gboolean name_views;  /* NAME.TASK.VIEW.png */
  guint width, height;  /* that the session is set for */
} Inference;

static const char *const view_names[] = { "overlay", "map", "raw", "head" };

static gboolean
parse_views (const char *text, NddrView *views, guint *n_views)
{
  g_auto (GStrv) words = g_strsplit (text ? text : "overlay", ",", -1);
  *n_views = 0;
  for (int i = 0; words[i]; i++) {
    int view = 0;
    while (view < MAX_VIEWS && !g_str_equal (words[i], view_names[view]))
      view++;
    if (view == MAX_VIEWS || *n_views == MAX_VIEWS) {
      nddr_verb_misuse ("infer", "--view %s: expected overlay, map or raw, joined by commas", text);
      return FALSE;
    }
    views[(*n_views)++] = (NddrView) view;
  }
  return TRUE;
}

static NddrPixelFormat
view_format (NddrView view, NddrTaskKind kind)
{
  if (view == NDDR_VIEW_HEAD)
    return NDDR_PIXEL_FLOAT;
  if (view != NDDR_VIEW_RAW)
    return NDDR_PIXEL_RGBA;
  return kind == NDDR_TASK_SEGMENTATION ? NDDR_PIXEL_GRAY8 : kind == NDDR_TASK_NORMAL ? NDDR_PIXEL_RGB : NDDR_PIXEL_GRAY16_LE;
}

static void
choose_outputs (Inference *inference, const NddrView *views, guint n_views, gboolean npy)
{
  guint n_tasks = nddr_model_get_n_tasks (inference->model), n = 0;
  inference->outputs = g_new0 (NddrOutput, n_tasks * (MAX_VIEWS + 1));
  for (guint t = 0; t < n_tasks; t++) {
    const NddrTask *task = nddr_model_get_task (inference->model, t);
    for (guint v = 0; v < n_views; v++)
      inference->outputs[n++] = (NddrOutput){ task->name, views[v], view_format (views[v], task->kind) };
    if (npy)
      inference->outputs[n++] = (NddrOutput){ task->name, NDDR_VIEW_HEAD, NDDR_PIXEL_FLOAT };
  }
  inference->n_outputs = n;
  inference->results = g_new0 (NddrFrame, n);
  inference->channels = g_new0 (guint, n);
  inference->bits = g_new0 (guint, n);
}

static void
free_results (Inference *inference)
{
  for (guint i = 0; i < inference->n_outputs; i++)
    g_clear_pointer (&inference->results[i].planes[0], g_free);
}

/* Sets the session and the memory for results to the pictures' size. */
static gboolean
set_size (Inference *inference, guint width, guint height, GError **error)
{
  NddrFrameFormat format = { .format = NDDR_PIXEL_RGB, .width = width, .height = height, .full_range = TRUE };
  if (!nddr_session_set_frames (inference->session, &format, inference->outputs, inference->n_outputs, error))
    return FALSE;
  free_results (inference);
  for (guint i = 0; i < inference->n_outputs; i++) {
    guint w = width, h = height, channels = 4;
    switch (inference->outputs[i].format) {
      case NDDR_PIXEL_FLOAT:
        nddr_session_get_head_size (inference->session, inference->outputs[i].task, &w, &h, &channels);
        break;
      case NDDR_PIXEL_RGB:
        channels = 3;
        break;
      case NDDR_PIXEL_RGBA:
        break;
      default:
        channels = 1;
        break;
    }
    inference->channels[i] = channels;
    inference->bits[i] = inference->outputs[i].format == NDDR_PIXEL_FLOAT ? 32 : inference->outputs[i].format == NDDR_PIXEL_GRAY16_LE ? 16 : 8;
    gsize stride = (gsize) w * channels * inference->bits[i] / 8;
    inference->results[i] = (NddrFrame){ { nddr_try_alloc (h, stride, "a picture's results", error) }, { (gint) stride } };
    if (!inference->results[i].planes[0])
      return FALSE;
  }
  inference->width = width;
  inference->height = height;
  return TRUE;
}

/* (transfer full): where output @i of the picture BASE goes. */
static char *
result_path (const Inference *inference, guint i, const char *base)
{
  const NddrOutput *output = &inference->outputs[i];
  g_autofree char *name = output->view == NDDR_VIEW_HEAD ? g_strdup_printf ("%s.%s.npy", base, output->task)
      : inference->name_views ? g_strdup_printf ("%s.%s.%s.png", base, output->task, view_names[output->view])
                              : g_strdup_printf ("%s.%s.png", base, output->task);
  return g_build_filename (inference->folder, name, NULL);
}

static gboolean
write_result (const Inference *inference, guint i, const char *base, GError **error)
{
  const NddrOutput *output = &inference->outputs[i];
  const NddrFrame *result = &inference->results[i];
  g_autofree char *path = result_path (inference, i, base);
  if (output->view != NDDR_VIEW_HEAD)
    return nddr_image_write_png (path, inference->width, inference->height, inference->channels[i], inference->bits[i], result->planes[0], 0, error);
  guint w, h, channels;
  nddr_session_get_head_size (inference->session, output->task, &w, &h, &channels);
  return nddr_npy_write_planes (path, (const float *) result->planes[0], w, h, channels, error);
}

/* The file's name without folder and extension. */
static char *
base_name (const char *path)
{
  char *base = g_path_get_basename (path), *dot = strrchr (base, '.');
  if (dot && dot != base)
    *dot = '\0';
  return base;
}

/* Results are named after their picture: no two may be called the same. */
static gboolean
check_names (char **paths, int n, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (int i = 0; i < n; i++) {
    g_autofree char *base = base_name (paths[i]);
    const char *other = g_hash_table_lookup (seen, base);
    if (other)
      return nddr_fail (error, NDDR_ERROR_ARGUMENT, "the results of %s and %s would have the same names: give them in two runs, into two folders",
          other, paths[i]);
    g_hash_table_insert (seen, g_steal_pointer (&base), paths[i]);
  }
  return TRUE;
}

/* (transfer full) (nullable): what tells the file at @path, whatever its name, from all others; NULL: there is none. */
static char *
identity_of (const char *path)
{
  GStatBuf info;
  return g_stat (path, &info) == 0 ? g_strdup_printf ("%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT, (guint64) info.st_dev, (guint64) info.st_ino) : NULL;
}

/* No result may take the place of a file that is read: the model or a picture, all of @inputs. */
static gboolean
check_results (const Inference *inference, char **inputs, int n)
{
  g_autoptr (GHashTable) read = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (int i = 0; i < n; i++) {
    char *identity = identity_of (inputs[i]);
    if (identity)
      g_hash_table_add (read, identity);
  }
  for (int p = 1; p < n; p++) {
    g_autofree char *base = base_name (inputs[p]);
    for (guint i = 0; i < inference->n_outputs; i++) {
      g_autofree char *path = result_path (inference, i, base), *identity = identity_of (path);
      if (identity && g_hash_table_contains (read, identity)) {
        nddr_verb_misuse ("infer", "the result %s is the file that is read, and would be replaced: give another folder with -o", path);
        return FALSE;
      }
    }
  }
  return TRUE;
}

static gboolean
infer_one (Inference *inference, const char *path, GError **error)
{
  g_autoptr (NddrImage) image = nddr_image_read (path, NDDR_IMAGE_RGB, error);
  if (!image)
    return FALSE;
  if ((image->width != inference->width || image->height != inference->height) && !set_size (inference, image->width, image->height, error))
    return FALSE;
  NddrFrame frame = { { image->data }, { (gint) image->width * 3 } };
  guint64 ticket = nddr_session_submit (inference->session, &frame, NULL, FALSE, error);
  if (!ticket || !nddr_session_wait (inference->session, ticket, inference->results, NULL, error))
    return FALSE;
  g_autofree char *base = base_name (path);
  for (guint i = 0; i < inference->n_outputs; i++)
    if (!write_result (inference, i, base, error))
      return FALSE;
  return TRUE;
}

int
nddr_verb_infer (int argc, char **argv)
{
  g_autofree char *folder = NULL, *which = NULL, *precision = NULL, *input = NULL, *view_list = NULL;
  gboolean npy = FALSE;
  const GOptionEntry entries[] = {
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &folder, "Where NAME.TASK.png go (required)", "DIR" },
    { "view", 0, 0, G_OPTION_ARG_STRING, &view_list, "overlay, map, raw, joined by commas: writes NAME.TASK.VIEW.png", "VIEWS" },
    { "npy", 0, 0, G_OPTION_ARG_NONE, &npy, "Also write heads' outputs, NAME.TASK.npy, float32 [channels, h, w]", NULL },
    { "input", 0, 0, G_OPTION_ARG_STRING, &input, "The network's input size; default: the model's", "WxH" },
    { "precision", 0, 0, G_OPTION_ARG_STRING, &precision, "auto, fp32 or fp16", "PRECISION" },
    { "device", 0, 0, G_OPTION_ARG_STRING, &which, "Index or part of a name, as nddr devices lists them", "DEVICE" },
    { NULL },
  };
  g_autoptr (GError) error = NULL;
  NddrSessionOptions options = { .slots = 1 };
  NddrView views[MAX_VIEWS];
  guint n_views;
  if (!nddr_verb_parse (&argc, &argv, "MODEL IMAGE...", "Runs a model over pictures and writes what it sees in them.", entries, 2, -1)
      || !nddr_verb_parse_size ("infer", input, &options.width, &options.height)
      || !nddr_verb_parse_precision ("infer", precision, &options.precision) || !parse_views (view_list, views, &n_views))
    return NDDR_EXIT_USAGE;
  if (!folder)
    return nddr_verb_misuse ("infer", "-o DIR is missing: the folder that gets the pictures");
  if (!check_names (argv + 2, argc - 2, &error))
    return nddr_verb_misuse ("infer", "%s", error->message);
  if (g_mkdir_with_parents (folder, 0777) != 0) {
    g_set_error (&error, NDDR_ERROR, NDDR_ERROR_FILE, "cannot make the folder %s: %s", folder, g_strerror (errno));
    return nddr_verb_fail ("infer", error);
  }
  g_autoptr (NddrModel) model = nddr_model_load (argv[1], &error);
  g_autoptr (NddrDevice) device = model ? nddr_device_open (which, &error) : NULL;
  g_autoptr (NddrSession) session = device ? nddr_session_new (device, model, &options, &error) : NULL;
  if (!session)
    return nddr_verb_fail ("infer", error);

  Inference inference = { .model = model, .session = session, .folder = folder, .name_views = view_list != NULL };
  choose_outputs (&inference, views, n_views, npy);
  gboolean distinct = check_results (&inference, argv + 1, argc - 1), fine = distinct;
  for (int i = 2; fine && i < argc; i++)
    fine = infer_one (&inference, argv[i], &error);
  free_results (&inference);
  g_free (inference.outputs);
  g_free (inference.results);
  g_free (inference.channels);
  g_free (inference.bits);
  if (!distinct)
    return NDDR_EXIT_USAGE;
  return fine ? NDDR_EXIT_DONE : nddr_verb_fail ("infer", error);
}
