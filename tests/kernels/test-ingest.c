/* Ingest: every pixel format, range, matrix and chroma siting, shrinking and growing, against the reference.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"
#include "pixels.h"

#include <math.h>

static const char *const format_names[] = { "RGBA", "BGRA", "RGBx", "BGRx", "RGB", "BGR", "NV12", "I420", "YUY2", "GRAY8" };

static const struct
{
  int width, height, to_width, to_height;
} sizes[] = {
  { 1, 1, 32, 32 },    { 2, 3, 33, 40 },     { 15, 10, 32, 48 },  { 349, 287, 64, 48 }, { 349, 287, 35, 301 },
  { 1000, 3, 37, 32 }, { 3, 1000, 40, 33 },  { 64, 48, 64, 48 },  { 77, 1, 50, 32 },    { 640, 480, 256, 192 },
};

static const struct
{
  double kr, kb;
  gboolean full_range, cosited_x, cosited_y;
} meanings[] = {
  { 0, 0, FALSE, TRUE, FALSE },          /* BT.601, MPEG-2's siting */
  { .2126, .0722, FALSE, FALSE, FALSE }, /* BT.709, JPEG's siting */
  { .2627, .0593, TRUE, TRUE, TRUE },    /* BT.2020, co-sited */
  { .212, .087, TRUE, FALSE, TRUE },     /* SMPTE 240M */
};

static const double mean[3] = { .485, .456, .406 }, std[3] = { .229, .224, .225 };

static void
fill (guint8 *bytes, gsize n, guint32 seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);

  for (gsize i = 0; i < n; i++)
    bytes[i] = g_rand_int (rand) >> 24;
}

static void
ingest (NddrFamily family, gboolean half, const NddrFrameFormat *format, int width, int height, guint32 seed)
{
  double bound = half ? 2.5e-3 : 1e-5; /* values reach 2.6 in size */
  NddrCheck *c = check_begin (family, half);
  NddrPlan *plan = check_plan (c);
  NddrPacking packing;
  NddrTensor *frame, *image;
  NddrFrame view = { 0 };
  guint8 *bytes;
  g_autofree double *want = NULL, *got = NULL;

  nddr_packing (format, &packing);
  frame = nddr_plan_flat (plan, "frame", NDDR_SPACE_INPUT, NDDR_BYTES, packing.bytes);
  image = check_map (c, "image", 1, 1, height, width, 3);
  nddr_ingest (plan, image, frame, format, mean, std);
  check_ready (c);
  bytes = nddr_program_map (check_program (c), frame, 0);
  fill (bytes, packing.bytes, seed); /* between rows too: none of that may count */
  for (int i = 0; i < packing.n_planes; i++) {
    view.planes[i] = bytes + packing.offset[i];
    view.strides[i] = packing.pitch[i];
  }
  check_run (c, 1);
  got = check_fetch (c, image);
  want = reference_ingest (format, &view, width, height, mean, std);
  for (int i = 0; i < height * width * 3; i++)
    if (!(fabs (got[i] - want[i]) <= bound))
      g_error ("%s %ux%u to %dx%d, kr %g, full %d, co-sited %d %d, interlaced %d: channel %d of (%d, %d): got %.7g, want %.7g",
          format_names[format->format], format->width, format->height, width, height, format->kr, format->full_range,
          format->chroma_cosited_x, format->chroma_cosited_y, format->interlaced, i % 3, i / 3 % width, i / 3 / width, got[i], want[i]);
  check_bench (c, 1, 0, packing.bytes, "ingest %s %ux%u to %dx%d", format_names[format->format], format->width, format->height, width, height);
  check_end (c);
}

typedef struct
{
  NddrFamily family;
  gboolean half;
  NddrPixelFormat format;
} Case;

static void
test_ingest (gconstpointer data)
{
  const Case *test = data;

  if (!check_can (test->family, test->half)) {
    g_test_skip ("this device has no such kernels");
    return;
  }
  for (guint s = 0; s < G_N_ELEMENTS (sizes); s++)
    for (guint m = 0; m < G_N_ELEMENTS (meanings); m++) {
      NddrFrameFormat format = { test->format, sizes[s].width, sizes[s].height, meanings[m].kr, meanings[m].kb,
        meanings[m].full_range, meanings[m].cosited_x, meanings[m].cosited_y };

      if (sizes[s].width * sizes[s].height > 50000 && m != s % G_N_ELEMENTS (meanings)) /* large ones once */
        continue;
      ingest (test->family, test->half, &format, sizes[s].to_width, sizes[s].to_height, 100 * s + m);
      if (test->format == NDDR_PIXEL_NV12 || test->format == NDDR_PIXEL_I420) {
        format.interlaced = TRUE;
        ingest (test->family, test->half, &format, sizes[s].to_width, sizes[s].to_height, 100 * s + m);
      }
    }
}

/* Figures worked out by hand: they do not share the reference's understanding. */
static void
test_known (void)
{
  static const double no_mean[3] = { 0, 0, 0 }, no_std[3] = { 1, 1, 1 };
  NddrFamily family = check_can (NDDR_FAMILY_SOFTWARE, FALSE) ? NDDR_FAMILY_SOFTWARE : NDDR_FAMILY_GPU;
  /* BT.601's red, limited range: Y 81, Cb 90, Cr 240; four grey levels shrunk by two: (3 a + 3 b + c) / 7 and so on */
  NddrFrameFormat red = { NDDR_PIXEL_YUY2, 2, 1, .299, .114, FALSE, TRUE, FALSE }, grey = { NDDR_PIXEL_GRAY8, 4, 1, 0, 0, TRUE };
  static const guint8 red_bytes[4] = { 81, 90, 81, 240 }, grey_bytes[4] = { 0, 70, 140, 210 };
  static const double red_want[3] = { .9981, .0000, .0000 }, grey_want[2] = { 50. / 255, 160. / 255 };

  for (int which = 0; which < 2; which++) {
    NddrCheck *c = check_begin (family, FALSE);
    NddrTensor *frame = nddr_plan_flat (check_plan (c), "frame", NDDR_SPACE_INPUT, NDDR_BYTES, 16);
    NddrTensor *image = check_map (c, "image", 1, 1, 1, 2, 3);
    g_autofree double *got = NULL;

    nddr_ingest (check_plan (c), image, frame, which ? &grey : &red, no_mean, no_std);
    check_ready (c);
    memcpy (nddr_program_map (check_program (c), frame, 0), which ? grey_bytes : red_bytes, 4);
    check_run (c, 1);
    got = check_fetch (c, image);
    for (int i = 0; i < 6; i++)
      g_assert_cmpfloat_with_epsilon (got[i], which ? grey_want[i / 3] : red_want[i % 3], which ? 1e-6 : 4e-3);
    check_end (c);
  }
}

int
main (int argc, char **argv)
{
  static const struct
  {
    NddrFamily family;
    gboolean half;
    const char *name;
  } variants[] = { { NDDR_FAMILY_SOFTWARE, FALSE, "software" }, { NDDR_FAMILY_GPU, FALSE, "gpu" }, { NDDR_FAMILY_GPU, TRUE, "half" } };

  check_init (&argc, &argv);
  for (guint v = 0; v < G_N_ELEMENTS (variants); v++)
    for (guint f = 0; f < G_N_ELEMENTS (format_names); f++) {
      g_autofree char *path = g_strdup_printf ("/ingest/%s/%s", variants[v].name, format_names[f]);
      Case *test = g_new (Case, 1);

      *test = (Case){ variants[v].family, variants[v].half, f };
      g_test_add_data_func_full (path, test, test_ingest, g_free);
    }
  g_test_add_func ("/ingest/known", test_known);
  return check_finish (g_test_run ());
}
