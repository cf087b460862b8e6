/* What every kernel test stands on: a device, both families, seeded random tensors, comparison with a reference.
 *
 *   NddrCheck *c = check_begin (family, half);          a fresh plan
 *   NddrTensor *x = check_map (c, "x", B, N, H, W, C);  arena maps that the host fills and reads
 *   ...append operations to check_plan (c)...
 *   check_ready (c);                                    finish, make the program
 *   check_fill (c, x, ref_x);                           dense [B][N][H][W][C] doubles -> the device, padding zero
 *   check_run (c, mask);
 *   check_compare (c, y, ref_y, bound, "conv 3x3 ...");  norm of the difference over the norm; padding must be zero
 *   check_end (c);
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/ops/ops.h>
#include <nddr/program.h>

typedef struct _NddrCheck NddrCheck;

/** g_test_init () plus the device (the default one; --bench and --random are taken out of the arguments).  Fails where there is no device. */
void check_init (int *argc, char ***argv);
/** Closes the device; the program's exit status: g_test_run ()'s. */
int check_finish (int status);
/** Whether --bench was given: then tests time each row as well. */
gboolean check_benching (void);
/** For how many seconds --random=SECONDS asks each way to compute to be tried on shapes that are drawn; 0: it was not given.  GLib's --seed, which a test
 * prints, draws the same again. */
double check_random_seconds (void);
/** What drawn shapes are made of: TRUE once in @n times; and makes one of @n sizes two thirds of what it is, but at least 1. */
gboolean check_one_in (int n);
void check_shrink (int *const *sizes, int n);
/** Whether the device can run @family (with @half): the GPU family runs on all, the software family on software drivers. */
gboolean check_can (NddrFamily family, gboolean half);

/** What the device can do. */
const NddrTraits *check_traits (void);

NddrCheck *check_begin (NddrFamily family, gboolean half);
void check_end (NddrCheck *check);
NddrPlan *check_plan (NddrCheck *check);
/** How many of its steps so far run @kernel. */
int check_count_steps (NddrCheck *check, NddrKernelId kernel);
NddrProgram *check_program (NddrCheck *check);

/** A map in the arena that outlives the run, of the plan's activation type. */
NddrTensor *check_map (NddrCheck *check, const char *name, int branches, int batch, int height, int width, int channels);
/** The same of fp16, whatever the plan's. */
NddrTensor *check_half_map (NddrCheck *check, const char *name, int branches, int batch, int height, int width, int channels);
/** A flat float tensor in @space. */
NddrTensor *check_flat (NddrCheck *check, const char *name, NddrSpace space, gsize n);

void check_ready (NddrCheck *check);
/** Dense values in, the tensor's padding (if any) zero.  INPUT tensors too. */
void check_fill (NddrCheck *check, NddrTensor *tensor, const double *dense);
/** Dense values out, (transfer full); padding channels must be zero. */
double *check_fetch (NddrCheck *check, NddrTensor *tensor);
/** Runs the phases of @mask. */
void check_run (NddrCheck *check, guint mask);
/** Fails, naming @what and the worst element, where ||got - want|| / ||want|| > bound. */
void check_compare (NddrCheck *check, NddrTensor *tensor, const double *want, double bound, const char *what, ...) G_GNUC_PRINTF (5, 6);
/** Fills all of @tensor, its padding too, with a number that no test expects: what a kernel leaves out is then seen. */
void check_poison (NddrCheck *check, NddrTensor *tensor);
/** Dense values of @n branches of @view in, their padding zero; its other branches are poisoned. */
void check_fill_view (NddrCheck *check, NddrBranches view, int n, const double *dense);
/** As check_compare (), of the @n branches of a poisoned @view alone; all of its other branches must be as poisoned. */
void check_compare_view (NddrCheck *check, NddrBranches view, int n, const double *want, double bound, const char *what, ...) G_GNUC_PRINTF (6, 7);
/** With --bench: the median time of the phases in @mask, as GFLOP/s and GB/s. */
void check_bench (NddrCheck *check, guint mask, double flops, double bytes, const char *what, ...) G_GNUC_PRINTF (5, 6);

gsize check_elements (const NddrTensor *tensor); /* dense */
/** Uniform in [-1, 1), the same for the same @seed; float32-representable (fp16-representable where @half). */
double *check_random (gsize n, guint64 seed, gboolean half);
