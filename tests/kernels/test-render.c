/* Render: every task, view and picture format, enlarging and shrinking, against the reference.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"
#include "pixels.h"

#include <math.h>
#include <string.h>

#define POISON 0xa5
#define GUARD 256 /* bytes after the picture that nobody may write */

static const struct
{
  int width, height, head_width, head_height;
  int classes;
} sizes[] = {
  { 1, 1, 16, 12, 13 },  { 2, 3, 2, 2, 1 },     { 15, 10, 16, 12, 40 }, { 349, 287, 16, 12, 13 }, { 64, 48, 40, 30, 4 },
  { 1000, 3, 5, 4, 5 },  { 3, 1000, 7, 5, 41 }, { 33, 21, 1, 1, 3 },    { 100, 75, 3, 9, 255 },   { 77, 1, 32, 24, 2 },
  { 640, 480, 16, 12, 13 },
};

static const struct
{
  NddrView view;
  NddrPixelFormat format;
  const char *name;
} pictures[] = {
  { NDDR_VIEW_OVERLAY, NDDR_PIXEL_RGBA, "overlay RGBA" }, { NDDR_VIEW_OVERLAY, NDDR_PIXEL_BGRX, "overlay BGRx" },
  { NDDR_VIEW_MAP, NDDR_PIXEL_RGBX, "map RGBx" },         { NDDR_VIEW_MAP, NDDR_PIXEL_BGRA, "map BGRA" },
  { NDDR_VIEW_RAW, NDDR_PIXEL_GRAY8, "raw" },             { NDDR_VIEW_HEAD, NDDR_PIXEL_FLOAT, "head" },
};

static const NddrFrameFormat frames[] = {
  { NDDR_PIXEL_RGBA, .full_range = TRUE },
  { NDDR_PIXEL_I420, .kr = .2126, .kb = .0722 },
  { NDDR_PIXEL_NV12, .chroma_cosited_x = TRUE },
  { NDDR_PIXEL_BGR },
  { NDDR_PIXEL_YUY2, .full_range = TRUE },
  { NDDR_PIXEL_NV12, .interlaced = TRUE },
  { NDDR_PIXEL_GRAY8 },
};

static NddrClass *
make_classes (int n)
{
  NddrClass *classes = g_new0 (NddrClass, n);

  for (int i = 0; i < n; i++)
    classes[i].color = (0x3a7f11 * (i + 1) + 0x1234 * i * i) & 0xffffff;
  return classes;
}

/* a head whose values suit its task: depths from below 0 to beyond the map's end; still exact in fp16 where @half */
static double *
make_head (NddrTaskKind kind, gsize n, guint64 seed, gboolean half)
{
  double *head = check_random (n, seed, half);

  if (kind == NDDR_TASK_DEPTH)
    for (gsize i = 0; i < n; i++)
      head[i] = head[i] < -.75 ? head[i] * 8 : fabs (head[i]) * 16;
  if (kind == NDDR_TASK_DEPTH && n > 40)
    head[40] = 70; /* 65.535 m is the most that RAW can say */
  return head;
}

static void
render (NddrFamily family, gboolean half, NddrTaskKind kind, guint s, guint p, guint seed)
{
  NddrCheck *c = check_begin (family, half);
  NddrPlan *plan = check_plan (c);
  NddrFrameFormat input = frames[seed % G_N_ELEMENTS (frames)];
  NddrResizeMode resize = seed % 3;
  static const double opacities[3] = { 0, .3, 1 };
  int w = sizes[s].head_width, h = sizes[s].head_height;
  int channels = kind == NDDR_TASK_SEGMENTATION ? sizes[s].classes : kind == NDDR_TASK_NORMAL ? 3 : 1, branch = seed % 2;
  gsize n = (gsize) h * w * channels;
  NddrPixelFormat format = pictures[p].format;
  NddrClass *classes = make_classes (channels);
  g_autofree double *values = make_head (kind, 2 * n, seed, half);
  g_autofree char *what = NULL, *wrong = NULL;
  NddrPacking packing, picture_packing;
  NddrTensor *frame, *head, *picture, *opacity;
  NddrFrame planes = { 0 };
  guint8 *bytes, *got;
  gsize picture_bytes;
  guint32 most;
  NddrRender op;
  ReferenceView view;

  if (pictures[p].view == NDDR_VIEW_RAW && kind != NDDR_TASK_SEGMENTATION)
    format = kind == NDDR_TASK_NORMAL ? NDDR_PIXEL_RGB : NDDR_PIXEL_GRAY16_LE;
  input.width = sizes[s].width;
  input.height = sizes[s].height;
  nddr_packing (&input, &packing);
  nddr_packing (&(NddrFrameFormat){ format, input.width, input.height }, &picture_packing);
  picture_bytes = pictures[p].view == NDDR_VIEW_HEAD ? (4 * n + 15) / 16 * 16 : picture_packing.bytes;
  frame = nddr_plan_flat (plan, "frame", NDDR_SPACE_INPUT, NDDR_BYTES, packing.bytes);
  opacity = nddr_plan_flat (plan, "opacities", NDDR_SPACE_INPUT, NDDR_F32, 3);
  picture = nddr_plan_flat (plan, "picture", NDDR_SPACE_OUTPUT, NDDR_BYTES, picture_bytes + GUARD);
  head = check_map (c, "head", 2, 1, h, w, channels);
  op = (NddrRender){ picture, frame, input, { head, branch, 1 }, kind, pictures[p].view, format, resize, classes, channels, opacity, seed % 3 };
  most = plan->traits.max_groups[0];
  if (pictures[p].view == NDDR_VIEW_HEAD) /* a grid that is full in x goes on in y */
    plan->traits.max_groups[0] = 2;
  nddr_render (plan, &op);
  if (pictures[p].view == NDDR_VIEW_HEAD)
    g_assert_cmpuint (((const NddrStep *) g_ptr_array_index (plan->steps, 0))->groups[0], <=, 2);
  plan->traits.max_groups[0] = most;
  check_ready (c);

  bytes = nddr_program_map (check_program (c), frame, 0);
  for (gsize i = 0; i < packing.bytes; i++)
    bytes[i] = (seed + i) * 2654435761u >> 24;
  for (int i = 0; i < packing.n_planes; i++) {
    planes.planes[i] = bytes + packing.offset[i];
    planes.strides[i] = packing.pitch[i];
  }
  for (int i = 0; i < 3; i++)
    ((float *) nddr_program_map (check_program (c), opacity, 0))[i] = opacities[i];
  got = nddr_program_map (check_program (c), picture, 0);
  memset (got, POISON, picture_bytes + GUARD);
  check_fill (c, head, values);
  check_run (c, 1);

  what = g_strdup_printf ("%s, task %d, %ux%u from %dx%dx%d, resize %d, over format %d", pictures[p].name, kind, input.width, input.height, w, h,
      channels, resize, input.format);
  for (int i = 0; i < GUARD; i++)
    if (got[picture_bytes + i] != POISON)
      g_error ("%s: writes %d bytes beyond its picture", what, i + 1);
  if (pictures[p].view == NDDR_VIEW_HEAD) {
    for (gsize i = 0; i < n; i++)
      g_assert_cmpfloat (((float *) got)[i], ==, (float) values[branch * n + i]);
  } else {
    view = (ReferenceView){ values + branch * n, h, w, channels, kind, classes, resize, pictures[p].view, &input, &planes, opacities[seed % 3] };
    wrong = reference_check_picture (&view, format, got, picture_packing.pitch[0]);
    if (wrong)
      g_error ("%s: %s", what, wrong);
  }
  if (input.width * input.height >= 640 * 480)
    check_bench (c, 1, 0, picture_bytes, "%s", what);
  check_end (c);
  g_free (classes);
}

typedef struct
{
  NddrFamily family;
  gboolean half;
  NddrTaskKind kind;
  guint picture;
} Case;

static void
test_render (gconstpointer data)
{
  const Case *test = data;

  if (!check_can (test->family, test->half)) {
    g_test_skip ("this device has no such kernels");
    return;
  }
  for (guint s = 0; s < G_N_ELEMENTS (sizes); s++)
    for (guint seed = s; seed < s + 6; seed++) { /* all resize modes, opacities and frame formats, both branches */
      if (sizes[s].width * sizes[s].height > 50000 && seed != s)
        break;
      render (test->family, test->half, test->kind, s, test->picture, seed);
    }
}

/* What can be said without the reference. */
static void
test_known (void)
{
  NddrFamily family = check_can (NDDR_FAMILY_SOFTWARE, FALSE) ? NDDR_FAMILY_SOFTWARE : NDDR_FAMILY_GPU;
  /* metres, and what Matplotlib's viridis is there */
  static const double depth[5] = { 0, 2.5, 5, 7.5, 10 };
  static const guint8 viridis[5][3] = { { 68, 1, 84 }, { 59, 82, 139 }, { 33, 145, 140 }, { 94, 201, 98 }, { 253, 231, 37 } };
  /* a wall that faces the camera, a floor, nothing */
  static const double normal[9] = { 0, 0, 2, 0, .1, 0, 0, 0, 0 };
  static const guint8 encoded[9] = { 128, 128, 255, 128, 255, 128, 128, 128, 128 };
  /* equal scores: the lower class */
  static const double scores[3 * 5] = { 1, 1, 0, 0, 1, 0, 0, 2, 2, 2, -3, -3, -3, -3, -3 };
  static const guint8 ids[3] = { 0, 2, 0 };
  const struct
  {
    NddrTaskKind kind;
    NddrView view;
    NddrPixelFormat format;
    int n, channels, slack;
    const double *values;
    int step;
    const guint8 *want;
  } rows[] = {
    { NDDR_TASK_DEPTH, NDDR_VIEW_MAP, NDDR_PIXEL_RGBA, 5, 1, 4, depth, 4, viridis[0] },
    { NDDR_TASK_NORMAL, NDDR_VIEW_RAW, NDDR_PIXEL_RGB, 3, 3, 0, normal, 3, encoded },
    { NDDR_TASK_SEGMENTATION, NDDR_VIEW_RAW, NDDR_PIXEL_GRAY8, 3, 5, 0, scores, 1, ids },
  };
  NddrClass *classes = make_classes (5);

  for (guint r = 0; r < G_N_ELEMENTS (rows); r++) {
    NddrCheck *c = check_begin (family, FALSE);
    NddrTensor *head = check_map (c, "head", 1, 1, 1, rows[r].n, rows[r].channels);
    NddrTensor *picture = nddr_plan_flat (check_plan (c), "picture", NDDR_SPACE_OUTPUT, NDDR_BYTES, 32);
    NddrRender op = { .picture = picture, .input = { NDDR_PIXEL_GRAY8, rows[r].n, 1 }, .head = NDDR_BRANCHES (head), .kind = rows[r].kind,
      .view = rows[r].view, .format = rows[r].format, .classes = classes, .n_classes = 5 };
    const guint8 *got;
    int per_pixel = MIN (rows[r].step, 3);

    nddr_render (check_plan (c), &op);
    check_ready (c);
    check_fill (c, head, rows[r].values);
    check_run (c, 1);
    got = nddr_program_map (check_program (c), picture, 0);
    for (int i = 0; i < rows[r].n * per_pixel; i++)
      g_assert_cmpint (abs (got[i / per_pixel * rows[r].step + i % per_pixel] - rows[r].want[i]), <=, rows[r].slack);
    check_end (c);
  }
  g_free (classes);
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
    for (guint k = NDDR_TASK_SEGMENTATION; k <= NDDR_TASK_DEPTH; k++)
      for (guint p = 0; p < G_N_ELEMENTS (pictures); p++) {
        g_autofree char *path = g_strdup_printf ("/render/%s/%s/%s", variants[v].name, nddr_task_kind_name (k), pictures[p].name);
        Case *test = g_new (Case, 1);

        *test = (Case){ variants[v].family, variants[v].half, k, p };
        g_test_add_data_func_full (path, test, test_render, g_free);
      }
  g_test_add_func ("/render/known", test_known);
  return check_finish (g_test_run ());
}
