/* See jobs.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jobs.h"

/* As bench/jobs.py has them. */
static const Job jobs[] = {
  { "standard", "\"backbone\": \"vgg16\"", 321, 321, 10 },
  { "standard-shortcut", "\"backbone\": \"vgg16\", \"shortcut\": true", 321, 321, 10 },
  { "compact", "\"backbone\": \"vgg16\", \"width\": 0.25", 161, 161, 2 },
  { "small", "\"backbone\": \"mobilenet_v2\", \"output_stride\": 16, \"head_width\": 0.0625, \"shortcut\": true", 256, 192, 8 },
  { "base", "\"backbone\": \"mobilenet_v2\", \"output_stride\": 8, \"head_width\": 0.25, \"shortcut\": true", 320, 240, 8 },
  { "resnet101", "\"backbone\": \"resnet101\", \"output_stride\": 8", 321, 321, 2 },
};

NddrConfig *
job_config (const Job *job)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *json = g_strdup_printf ("{ %s, \"fusion\": \"nddr\", \"input\": { \"width\": %d, \"height\": %d, \"mean\": [0, 0, 0], \"std\": [1, 1, 1] }, "
      "\"tasks\": [{ \"name\": \"segmentation\", \"kind\": \"segmentation\", \"classes\": [{ \"name\": \"a\", \"color\": \"#000000\" }, "
      "{ \"name\": \"b\", \"color\": \"#ffffff\" }] }, { \"name\": \"normal\", \"kind\": \"normal\" }] }", job->network, job->width, job->height);
  NddrConfig *config = nddr_config_parse (json, &error);
  g_assert_no_error (error);
  return config;
}

void
job_add_tests (const char *path, const char *const *names, GTestDataFunc test)
{
  guint n = 0;
  for (guint i = 0; i < G_N_ELEMENTS (jobs); i++) {
    g_autofree char *name = g_strdup_printf ("%s/%s", path, jobs[i].name);
    if (names && !g_strv_contains (names, jobs[i].name))
      continue;
    g_test_add_data_func (name, &jobs[i], test);
    n++;
  }
  g_assert_cmpuint (n, ==, names ? g_strv_length ((char **) names) : G_N_ELEMENTS (jobs));
}
