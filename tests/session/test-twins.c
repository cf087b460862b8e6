/* Frames side by side, on twins of a software driver's device: the same pictures in the same order as one after the other, whatever comes in between.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "faults.h"
#include "generator.h"

#include <nddr/gpu/device.h>
#include <nddr/gpu/instance.h>
#include <nddr/session-private.h>

#include <string.h>

#define CONFIG \
  "{ \"backbone\": \"mobilenet_v2\", \"width\": 0.25, \"head_width\": 0.03125, \"fusion\": \"nddr\", \"output_stride\": 16, \"tasks\": [" \
  "{ \"name\": \"normal\", \"kind\": \"normal\" }, { \"name\": \"depth\", \"kind\": \"depth\" } ]," \
  "\"input\": { \"width\": 64, \"height\": 48, \"mean\": [0.5, 0.5, 0.5], \"std\": [0.5, 0.5, 0.5] } }"

#define WIDTH 24
#define HEIGHT 16
#define PICTURE (WIDTH * HEIGHT * 4)
#define N_FRAMES 12
#define PATIENCE_S 60

static NddrModel *model;
static guint8 frames[N_FRAMES][PICTURE], want[N_FRAMES][PICTURE];

static const NddrFrameFormat input = { NDDR_PIXEL_RGBA, WIDTH, HEIGHT, .full_range = TRUE };
static const NddrOutput output = { "normal", NDDR_VIEW_OVERLAY, NDDR_PIXEL_RGBA };

static NddrDevice *
open_device (gboolean with_twins)
{
  g_autoptr (GError) error = NULL;
  NddrDevice *device = nddr_device_open (NULL, &error);

  g_assert_no_error (error);
  if (!with_twins)
    device->max_twins = 0;
  return device;
}

static NddrSession *
new_session (NddrDevice *device, guint slots)
{
  g_autoptr (GError) error = NULL;
  NddrSession *session = nddr_session_new (device, model, &(NddrSessionOptions){ .slots = slots }, &error);

  g_assert_no_error (error);
  nddr_session_set_frames (session, &input, &output, 1, &error);
  g_assert_no_error (error);
  return session;
}

static guint64
submit (NddrSession *session, guint frame, gboolean reuse)
{
  g_autoptr (GError) error = NULL;
  guint64 ticket = nddr_session_submit (session, &(NddrFrame){ { frames[frame] }, { WIDTH * 4 } }, NULL, reuse, &error);

  g_assert_no_error (error);
  return ticket;
}

static void
wait_for (NddrSession *session, guint64 ticket, guint8 *picture)
{
  g_autoptr (GError) error = NULL;

  nddr_session_wait (session, ticket, &(NddrFrame){ { picture }, { WIDTH * 4 } }, NULL, &error);
  g_assert_no_error (error);
}

static void
expect (NddrSession *session, guint64 ticket, const guint8 *picture)
{
  guint8 got[PICTURE] = { 0 };

  wait_for (session, ticket, got);
  g_assert_cmpmem (got, PICTURE, picture, PICTURE);
}

/* How many frames @slots in flight are worked on side by side on @device, once all scenes are there. */
static guint
most (const NddrDevice *device, guint slots)
{
  return MIN (MIN (slots, g_get_num_processors ()), 1 + device->max_twins);
}

static void
wait_for_scenes (NddrSession *session, guint n)
{
  gint64 until = g_get_monotonic_time () + PATIENCE_S * G_USEC_PER_SEC;

  while (nddr_session_get_concurrency (session) < n && g_get_monotonic_time () < until)
    g_usleep (10000);
  g_assert_cmpuint (nddr_session_get_concurrency (session), ==, n);
}

/* Frames that differ, and what one after the other makes of them. */
static void
make_frames (void)
{
  g_autoptr (NddrDevice) device = open_device (FALSE);
  g_autoptr (NddrSession) session = new_session (device, 1);

  for (guint f = 0; f < N_FRAMES; f++) {
    for (guint i = 0; i < PICTURE; i++)
      frames[f][i] = (i * (2 * f + 1) + 977 * f) * 2654435761u >> 24;
    wait_for (session, submit (session, f, FALSE), want[f]);
    for (guint other = 0; other < f; other++)
      g_assert_true (memcmp (want[f], want[other], PICTURE) != 0);
  }
  g_assert_cmpuint (nddr_session_get_concurrency (session), ==, 1);
}

/* As many in flight as there are slots, before and after there are others to work on them. */
static void
test_pictures (void)
{
  g_autoptr (NddrDevice) device = open_device (TRUE);
  g_autoptr (NddrSession) session = new_session (device, 3);

  for (guint round = 0; round < 2; round++) {
    guint64 tickets[N_FRAMES];

    for (guint f = 0; f < N_FRAMES; f++) {
      if (f >= 3)
        expect (session, tickets[f - 3], want[f - 3]);
      tickets[f] = submit (session, f, FALSE);
    }
    if (round > 0)
      for (guint s = 0; s < most (device, 3); s++)
        g_assert_cmpuint (session->in_flight[s], >=, 1);
    for (guint f = N_FRAMES - 3; f < N_FRAMES; f++)
      expect (session, tickets[f], want[f]);
    wait_for_scenes (session, most (device, 3));
  }
  for (guint f = 0; f < 2; f++) { /* alone, a frame is the first's */
    guint64 ticket = submit (session, f, FALSE);

    g_assert_cmpuint (session->in_flight[0], ==, 1);
    expect (session, ticket, want[f]);
  }
}

/* A result that is shown again is the last one's, wherever that was made. */
static void
test_reuse (void)
{
  g_autoptr (NddrDevice) device = open_device (TRUE), single = open_device (FALSE);
  g_autoptr (NddrSession) session = new_session (device, 4), one = new_session (single, 1);
  guint8 second[PICTURE], third[PICTURE];

  wait_for (one, submit (one, 1, FALSE), second);
  wait_for (one, submit (one, 2, TRUE), second); /* frame 1's over frame 2 */
  wait_for (one, submit (one, 3, TRUE), third);
  g_assert_true (memcmp (second, want[2], PICTURE) != 0);
  wait_for_scenes (session, most (device, 4));
  for (guint round = 0; round < 3; round++) {
    const guint64 tickets[] = { submit (session, 0, FALSE), submit (session, 1, FALSE), submit (session, 2, TRUE), submit (session, 3, TRUE) };

    expect (session, tickets[0], want[0]);
    expect (session, tickets[1], want[1]);
    expect (session, tickets[2], second);
    expect (session, tickets[3], third);
  }
}

/* Other frames are set, and sessions end, while others are still being made ready. */
static void
test_changes (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrDevice) device = open_device (TRUE);

  for (guint round = 0; round < 4; round++) {
    NddrSession *session = new_session (device, 2);
    NddrFrameFormat smaller = input;

    smaller.height = HEIGHT / 2;
    g_usleep (round * 20000);
    nddr_session_set_frames (session, &smaller, &output, 1, &error);
    g_assert_no_error (error);
    nddr_session_set_frames (session, &input, &output, 1, &error);
    g_assert_no_error (error);
    if (round == 2)
      wait_for_scenes (session, most (device, 2));
    expect (session, submit (session, round, FALSE), want[round]);
    g_assert_cmpuint (nddr_session_get_concurrency (session), >=, 1);
    nddr_session_free (session);
    for (guint i = 0; i < NDDR_DEVICE_MAX_TWINS; i++) /* no scene is left, nor does anybody still make one */
      g_assert_true (!device->twins[i] || g_atomic_ref_count_compare (&device->twins[i]->refs, 1));
  }
}

/* Two sessions at once have the twins in common. */
static void
test_two_sessions (void)
{
  g_autoptr (NddrDevice) device = open_device (TRUE);
  g_autoptr (NddrSession) a = new_session (device, 2), b = new_session (device, 2);

  wait_for_scenes (a, most (device, 2));
  wait_for_scenes (b, most (device, 2));
  for (guint f = 0; f < 4; f += 2) {
    const guint64 of_a[] = { submit (a, f, FALSE), submit (a, f + 1, FALSE) }, of_b[] = { submit (b, f + 4, FALSE), submit (b, f + 5, FALSE) };

    for (guint i = 0; i < 2; i++) {
      expect (b, of_b[i], want[f + 4 + i]);
      expect (a, of_a[i], want[f + i]);
    }
  }
}

/* A twin that cannot be had costs time alone. */
static void
test_failing (void)
{
  g_autoptr (NddrDevice) device = open_device (TRUE);

  if (device->max_twins == 0)
    return;
  faults_set ("vkCreateDevice", 1, VK_ERROR_OUT_OF_HOST_MEMORY);
  g_autoptr (NddrSession) session = new_session (device, 2);
  for (guint f = 0; f < 2; f++)
    expect (session, submit (session, f, FALSE), want[f]);
  g_clear_pointer (&session->adding, g_thread_join);
  g_assert_cmpuint (faults_count ("vkCreateDevice"), ==, 1);
  g_assert_cmpuint (nddr_session_get_concurrency (session), ==, 1);
  faults_set (NULL, 0, VK_SUCCESS);
  const guint64 tickets[] = { submit (session, 2, FALSE), submit (session, 3, FALSE) };
  expect (session, tickets[0], want[2]);
  expect (session, tickets[1], want[3]);
}

/* Under the validation layer none is opened by a thread that works beside others. */
static void
test_validated (void)
{
  g_autoptr (NddrDevice) device = open_device (TRUE);

  if (!nddr_instance_is_validated ()) {
    g_test_skip ("without NDDR_VALIDATION=1 they are");
    return;
  }
  faults_set (NULL, 0, VK_SUCCESS);
  g_autoptr (NddrSession) session = new_session (device, 2);
  guint n = most (device, 2);
  wait_for_scenes (session, n);
  g_assert_cmpuint (faults_count ("vkCreateDevice"), >=, n - 1);
  g_assert_cmpuint (faults_count_elsewhere ("vkCreateInstance") + faults_count_elsewhere ("vkCreateDevice"), ==, 0);
}

/* Where steps are long, or much memory is needed, nothing is gained by it. */
static void
test_when (void)
{
  g_autoptr (NddrDevice) device = open_device (TRUE);
  g_autoptr (NddrSession) session = new_session (device, 8);
  g_autoptr (NddrPlan) plan = nddr_plan_new (nddr_device_get_traits (device));
  guint all = most (device, 8);

  plan->phase = NDDR_PHASE_NETWORK;
  for (guint i = 0; i < 10; i++)
    nddr_plan_step (plan, NDDR_KERNEL_ZERO, 1, 1, 1)->work = 20e6;
  g_assert_cmpuint (nddr_session_count_scenes (session, plan), ==, all);
  plan->space_bytes[NDDR_SPACE_WEIGHTS] = 200 << 20;
  plan->space_bytes[NDDR_SPACE_ARENA] = 50 << 20;
  g_assert_cmpuint (nddr_session_count_scenes (session, plan), ==, MIN (all, 2));
  plan->space_bytes[NDDR_SPACE_WEIGHTS] = (gsize) 1 << 30;
  g_assert_cmpuint (nddr_session_count_scenes (session, plan), ==, 1);
  plan->space_bytes[NDDR_SPACE_WEIGHTS] = 0;
  nddr_plan_step (plan, NDDR_KERNEL_ZERO, 1, 1, 1)->work = 1e12;
  g_assert_cmpuint (nddr_session_count_scenes (session, plan), ==, 1);
  plan->phase = NDDR_PHASE_PACK; /* is no frame's */
  for (guint i = 0; i < plan->steps->len; i++)
    ((NddrStep *) plan->steps->pdata[i])->work = 20e6;
  nddr_plan_step (plan, NDDR_KERNEL_ZERO, 1, 1, 1)->work = 1e12;
  g_assert_cmpuint (nddr_session_count_scenes (session, plan), ==, all);
  device->max_twins = 0;
  g_assert_cmpuint (nddr_session_count_scenes (session, plan), ==, 1);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  NddrConfig *config;

  g_test_init (&argc, &argv, NULL);
  config = nddr_config_parse (CONFIG, &error);
  g_assert_no_error (error);
  model = nddr_model_new (config, generate_model (config, TRUNK_NORM, FALSE), &error);
  g_assert_no_error (error);
  make_frames ();
  g_test_add_func ("/twins/pictures", test_pictures);
  g_test_add_func ("/twins/reuse", test_reuse);
  g_test_add_func ("/twins/changes", test_changes);
  g_test_add_func ("/twins/two-sessions", test_two_sessions);
  g_test_add_func ("/twins/failing", test_failing);
  g_test_add_func ("/twins/validated", test_validated);
  g_test_add_func ("/twins/when", test_when);
  int status = g_test_run ();
  nddr_model_unref (model);
  return status;
}
