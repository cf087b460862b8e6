/* A task weighting: how much each task's loss counts in a step.
 *
 * fixed        the recipe's weights w_k
 * uncertainty  w_k / (2 exp (s_k)), where the log-variances s_k are learnt along with the network: the sum is that of
 *              w_k L_k / (2 exp (s_k)) + s_k / 2 (Kendall, Gal and Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses", CVPR 2018)
 * dwa          w_k K softmax_k (r_k / T), r_k = the task's mean loss in the last epoch over that in the one before; w_k in the first two
 *              epochs (Liu, Johns and Davison, "End-to-End Multi-Task Learning with Attention", CVPR 2019)
 *
 * It lives on the host, which sees the losses after each step.  All of its state is in nddr_task_weighting_to_text(), to the last bit.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/recipe.h>

G_BEGIN_DECLS

typedef struct _NddrTaskWeighting NddrTaskWeighting;

/** @recipe must outlive it; @tasks need not. */
NddrTaskWeighting *nddr_task_weighting_new (const NddrRecipe *recipe, const NddrTask *tasks, guint n_tasks);
void nddr_task_weighting_free (NddrTaskWeighting *weighting);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrTaskWeighting, nddr_task_weighting_free)

/** What an epoch is: so many pictures; a step belongs to the epoch of its first.  0, as at first: there are no epochs. */
void nddr_task_weighting_set_epoch (NddrTaskWeighting *weighting, guint64 pictures);

/** Settles the weights of step @t = 0, 1, …; steps come in order. */
void nddr_task_weighting_begin (NddrTaskWeighting *weighting, gint64 t);
/** [tasks]: of the last step that began. */
const double *nddr_task_weighting_get_weights (const NddrTaskWeighting *weighting);
/** [tasks]: the log-variances that it began with; NULL where none are learnt. */
const double *nddr_task_weighting_get_log_variances (const NddrTaskWeighting *weighting);
/** The weighted sum of @losses, with what the weighting adds to it. */
double nddr_task_weighting_total (const NddrTaskWeighting *weighting, const double *losses);
/** Ends step @t: learns from its losses, but for tasks of which no pixel counted. @counted: [tasks]: their number or weight */
void nddr_task_weighting_end (NddrTaskWeighting *weighting, gint64 t, const double *losses, const double *counted);

/** (transfer full): the state, and back. */
char *nddr_task_weighting_to_text (const NddrTaskWeighting *weighting);
gboolean nddr_task_weighting_from_text (NddrTaskWeighting *weighting, const char *text, GError **error);

G_END_DECLS
