/* What tests of the tool stand on: a folder that has a model, a picture, a data set and a configuration, and the tool run in it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../train/fixture.h"

extern char *tool;    /* its path */
extern char *sources; /* the project's */
extern char *folder;  /* with model.safetensors, picture.png, recipe.ini, broken.ini, the data set `data' and `holed', one with a torn picture */

/** g_test_init(); the program's arguments are the tool's path and the project's.  Makes the folder. */
void tool_init (int *argc, char ***argv);
/** g_test_run(), then removes the folder; the exit status. */
int tool_run_tests (void);

/** Runs the tool in the folder with @line's words.  Returns the exit status; *out and *err are what it said. */
int run (const char *line, char **out, char **err);
/** Runs it; it must exit with @status and say @part: on standard output where it worked, else on standard error. */
void expect (const char *line, int status, const char *part);
/** (transfer full) */
char *in_folder (const char *name);

/* For `train recipe.ini': a network of which a step takes a moment. */
#define SMALL "--set model.width=0.0625 --set model.head_width=0.015625 --set model.input=48x40 --set data.crop=48x40 --set train.batch=1 "
