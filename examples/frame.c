/* libnddr alone: both of a network's answers for one picture, without GStreamer.
 *
 *   frame MODEL PICTURE.ppm     writes PICTURE.ppm.TASK.ppm, the task's overlay, for each task
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/nddr.h>

#include <stdio.h>

/* A picture of eight bits a channel, as `pngtopnm` and ImageMagick's `convert` write it: "P6 WIDTH HEIGHT 255", then the bytes. */
static guint8 *
read_ppm (const char *path, guint *width, guint *height)
{
  FILE *file = fopen (path, "rb");
  guint8 *rgb = NULL;
  int end = 0; /* of the header: 0 where it is another */
  gboolean fine = file && fscanf (file, "P6 %u %u 255%*1[ \t\r\n]%n", width, height, &end) == 2 && end > 0 && *width - 1 < 16384 && *height - 1 < 16384;

  if (fine) {
    gsize bytes = (gsize) *width * *height * 3;
    rgb = g_malloc (bytes);
    if (fread (rgb, 1, bytes, file) != bytes)
      g_clear_pointer (&rgb, g_free);
  }
  if (file)
    fclose (file);
  return rgb;
}

static gboolean
write_ppm (const char *path, guint width, guint height, const guint8 *rgba)
{
  FILE *file = fopen (path, "wb");
  gboolean fine = file && fprintf (file, "P6\n%u %u\n255\n", width, height) > 0;

  for (gsize i = 0; fine && i < (gsize) width * height; i++)
    fine = fwrite (rgba + 4 * i, 3, 1, file) == 1;
  return file && fclose (file) == 0 && fine;
}

/* Every task's overlay, as RGBA. */
static gboolean
show (NddrSession *session, const NddrModel *model, const char *path, guint8 *rgb, guint width, guint height, GError **error)
{
  guint n = nddr_model_get_n_tasks (model);
  g_autofree NddrOutput *outputs = g_new (NddrOutput, n);
  g_autofree NddrFrame *results = g_new0 (NddrFrame, n);
  g_autofree guint8 *pictures = g_malloc ((gsize) n * width * height * 4);
  NddrFrameFormat input = { .format = NDDR_PIXEL_RGB, .width = width, .height = height, .full_range = TRUE };
  NddrFrame frame = { { rgb }, { (gint) width * 3 } };
  gboolean fine = TRUE;

  for (guint t = 0; t < n; t++) {
    outputs[t] = (NddrOutput){ nddr_model_get_task (model, t)->name, NDDR_VIEW_OVERLAY, NDDR_PIXEL_RGBA };
    results[t] = (NddrFrame){ { pictures + (gsize) t * width * height * 4 }, { (gint) width * 4 } };
  }
  if (!nddr_session_set_frames (session, &input, outputs, n, error))
    return FALSE;
  /* several frames may be under way: one thread submits, another waits */
  guint64 ticket = nddr_session_submit (session, &frame, NULL, FALSE, error);
  if (!ticket || !nddr_session_wait (session, ticket, results, NULL, error))
    return FALSE;
  for (guint t = 0; t < n && fine; t++) {
    g_autofree char *name = g_strdup_printf ("%s.%s.ppm", path, outputs[t].task);
    fine = write_ppm (name, width, height, results[t].planes[0]);
    if (fine)
      g_print ("%s\n", name);
    else
      g_set_error (error, NDDR_ERROR, NDDR_ERROR_FILE, "%s cannot be written", name);
  }
  return fine;
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  guint width, height;

  if (argc != 3) {
    g_printerr ("usage: %s MODEL PICTURE.ppm\n", argv[0]);
    return 2;
  }
  g_autofree guint8 *rgb = read_ppm (argv[2], &width, &height);
  if (!rgb) {
    g_printerr ("%s is no whole P6 picture of eight bits a channel\n", argv[2]);
    return 1;
  }
  g_autoptr (NddrDevice) device = nddr_device_open (NULL, &error);
  g_autoptr (NddrModel) model = device ? nddr_model_load (argv[1], &error) : NULL;
  g_autoptr (NddrSession) session = model ? nddr_session_new (device, model, NULL, &error) : NULL;
  if (session && show (session, model, argv[2], rgb, width, height, &error))
    return 0;
  g_printerr ("%s\n", error->message);
  return 1;
}
