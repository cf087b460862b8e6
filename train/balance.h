/* A balance: how much each task's loss counts in a step.
 *
 * fixed        the recipe's weights w_k
 * uncertainty  w_k / (2 exp (s_k)), where the log-variances s_k are learnt along with the network: the sum is that of
 *              w_k L_k / (2 exp (s_k)) + s_k / 2 (Kendall, Gal and Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses", CVPR 2018)
 * dwa          w_k K softmax_k (r_k / T), r_k = the task's mean loss in the last epoch over that in the one before; w_k in the first two
 *              epochs (Liu, Johns and Davison, "End-to-End Multi-Task Learning with Attention", CVPR 2019)
 *
 * It lives on the host, which sees the losses after each step.  All of its state is in nddr_balance_to_text(), to the last bit.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/recipe.h>

G_BEGIN_DECLS

typedef struct _NddrBalance NddrBalance;

/** @recipe must outlive it; @tasks need not. */
NddrBalance *nddr_balance_new (const NddrRecipe *recipe, const NddrTask *tasks, guint n_tasks);
void nddr_balance_free (NddrBalance *balance);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrBalance, nddr_balance_free)

/** What an epoch is: so many pictures; a step belongs to the epoch of its first.  0, as at first: there are no epochs. */
void nddr_balance_set_epoch (NddrBalance *balance, guint64 pictures);

/** Settles the weights of step @t = 0, 1, …; steps come in order. */
void nddr_balance_begin (NddrBalance *balance, gint64 t);
/** [tasks]: of the last step that began. */
const double *nddr_balance_get_weights (const NddrBalance *balance);
/** [tasks]: the log-variances that it began with; NULL where none are learnt. */
const double *nddr_balance_get_log_variances (const NddrBalance *balance);
/** The weighted sum of @losses, with what the weighting adds to it. */
double nddr_balance_total (const NddrBalance *balance, const double *losses);
/** Ends step @t: learns from its losses, but for tasks of which no pixel counted. @counted: [tasks]: their number or weight */
void nddr_balance_end (NddrBalance *balance, gint64 t, const double *losses, const double *counted);

/** (transfer full): the state, and back. */
char *nddr_balance_to_text (const NddrBalance *balance);
gboolean nddr_balance_from_text (NddrBalance *balance, const char *text, GError **error);

G_END_DECLS
