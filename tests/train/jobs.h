/* The networks that bench/ times and those of the default models, as plans are made of them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/config.h>

typedef struct
{
  const char *name, *network; /* of the config: what is not the input and the tasks */
  int width, height, batch;   /* of a training step; inference has one picture, too */
} Job;

/** (transfer full): its config, of two tasks. */
NddrConfig *job_config (const Job *job);
/** Adds PATH/NAME for each job in @names, NULL-terminated, or for all where that is NULL; @test is given the job. */
void job_add_tests (const char *path, const char *const *names, GTestDataFunc test);
