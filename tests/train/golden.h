/* Training goldens: small networks, what PyTorch says of their gradients and of ten steps, and a learner that starts as PyTorch did.
 * See tests/network/make_training_goldens.py and make_option_goldens.py.
 *
 * Under mpirun the program's tests are those of all ranks together: each learns from its share of the batches, with synchronised normalisations, and the
 * first reports.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/learner.h>

typedef struct
{
  const char *name;
  NddrStart *start;
  NddrRecipe *recipe;
  NddrLearner *learner;
  int gradient_exponent, movement_exponent; /* stored numbers are 2^these times the truth */
} Golden;

/** Takes the file from the arguments, and behind it the names of the cases that are wanted, where not all are; joins the ranks, opens the device. */
void golden_init (int *argc, char ***argv);
/** g_test_run(), then leaves and closes all of that. */
int golden_run (void);
/** Whether the file has that case. */
gboolean golden_has (const char *name);
/** Adds "/PREFIX/CASE" for each case of the file, with the case's name as data. */
void golden_add_tests (const char *prefix, GTestDataFunc func);

/** @family: NDDR_FAMILY_SOFTWARE: the device's own, which on a GPU is the other */
Golden *golden_load (const char *name, NddrFamily family);
/** @sets: what else the recipe says, NULL-terminated. @memory: of the device that is planned for; 0: its own */
Golden *golden_load_with (const char *name, NddrFamily family, const char *const *sets, guint64 memory);
void golden_free (Golden *golden);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Golden, golden_free)

/** Fails where the ranks' parameters and statistics are not the same to the last bit. */
void golden_check_alike (const Golden *golden);

/** The rank's share of the batch of step t = 1, 2, …; free with golden_batch_free(). */
NddrBatch *golden_batch (const Golden *golden, int t);
void golden_batch_free (NddrBatch *batch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrBatch, golden_batch_free)

/** (nullable): CASE/@what, or CASE/@what/@name. */
const NddrArray *golden_tensor (const Golden *golden, const char *what, const char *name);
/** ||got - scale * want|| and ||scale * want||. */
void golden_distance (const NddrArray *got, const NddrArray *want, double scale, double *distance, double *norm);
