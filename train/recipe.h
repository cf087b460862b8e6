/* A recipe: a training configuration, read from a key file, every key with its default and checked.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/config.h>

G_BEGIN_DECLS

typedef enum { NDDR_OPTIMIZER_SGD, NDDR_OPTIMIZER_ADAMW } NddrOptimizerKind;
typedef enum { NDDR_SCHEDULE_POLY, NDDR_SCHEDULE_COSINE, NDDR_SCHEDULE_CONSTANT } NddrSchedule;
typedef enum { NDDR_FUSION_NORM_AUTO, NDDR_FUSION_NORM_ONE, NDDR_FUSION_NORM_DATA } NddrFusionNormInit;
typedef enum { NDDR_HEAD_INIT_FILE, NDDR_HEAD_INIT_NEW, NDDR_HEAD_INIT_WIDEN } NddrHeadInit;
typedef enum { NDDR_CHECKPOINTING_AUTO, NDDR_CHECKPOINTING_ON, NDDR_CHECKPOINTING_OFF } NddrCheckpointing;
typedef enum { NDDR_NORM_TRAIN, NDDR_NORM_EVAL, NDDR_NORM_FROZEN } NddrNormMode;
typedef enum { NDDR_NORM_SCOPE_ALL, NDDR_NORM_SCOPE_TRUNK } NddrNormScope;
typedef enum { NDDR_RESOLUTION_HEAD, NDDR_RESOLUTION_INPUT } NddrResolution;
typedef enum { NDDR_NORMAL_LOSS_COSINE, NDDR_NORMAL_LOSS_ANGLE } NddrNormalLoss;
typedef enum { NDDR_WEIGHTING_FIXED, NDDR_WEIGHTING_UNCERTAINTY, NDDR_WEIGHTING_DWA } NddrWeighting;

typedef enum { NDDR_LEARN_AUTO, NDDR_LEARN_FP32, NDDR_LEARN_MIXED } NddrLearnPrecision;

typedef enum { NDDR_BROKEN_SKIP, NDDR_BROKEN_STOP } NddrBroken;

typedef struct { int width, height; } NddrSize;

/** One key's value as written; sections and keys as docs/training.md lists them. */
typedef struct
{
  /* [model]: the keys of a model file's config as text, in order; nddr_recipe_make_config() reads them */
  char *backbone, *width, *head_width, *fusion, *shortcut, *head, *tasks, *output_stride, *norm_eps, *pool_padding, *resize, *mean, *std;
  NddrSize input;
  char *fusion_init; /* "alpha;beta" or "xavier" */
  int fusion_norm_init; /* NddrFusionNormInit */
  int head_init; /* NddrHeadInit */
  /* [data] */
  char *train, *val;
  double scale[2];
  gboolean mirror, shuffle;
  NddrSize crop;
  double brightness, contrast, saturation, cutmix;
  gint64 seed;
  int broken; /* NddrBroken */
  gint64 threads, prefetch, cache; /* 0: see nddr_loader_new(); MiB */
  /* [train] */
  gint64 steps, batch, accumulate, warmup, patience, val_every, checkpoint_every;
  int optimizer, schedule; /* NddrOptimizerKind, NddrSchedule */
  double lr, clip_norm, momentum, beta1, beta2, adam_eps, power, weight_decay, dropout, bn_momentum;
  double lr_fusion, lr_head, lr_head_weight, lr_head_bias, lr_weighting;
  int activation_checkpointing; /* NddrCheckpointing */
  int bn_mode, bn_scope; /* NddrNormMode, NddrNormScope */
  gboolean sync_bn;
  int precision; /* NddrLearnPrecision; auto is fp32 once it is read */
  char *best;
  gboolean half; /* models are stored as fp16 */
  /* [loss] */
  GHashTable *weights; /* char* -> double*: by task; read with nddr_recipe_task_weight() */
  int weighting, resolution, normal_loss; /* NddrWeighting, NddrResolution, NddrNormalLoss */
  double dwa_temperature, class_balance, sluice_penalty; /* class_balance: an exponent, see class-balance.h */
  /* [distillation] */
  char *teacher; /* a model's path; "": none */
  double teacher_weight, temperature;
  /* [about]: free text for the model file */
  char *license, *description, *trained_on;
  gboolean about_left_out; /* the file's: see nddr_recipe_load() */
} NddrRecipe;

/**
 * Reads @path, then applies @sets ("section.key=value").  Unknown sections and keys are errors that name the nearest known one; values
 * are checked.  Where @sets train on other data than @path says, what its [about] says is not true of the model and is left out, but for what
 * @sets say themselves.
 * @path: (nullable): NULL: the defaults
 * @sets: (nullable): NULL-terminated
 */
NddrRecipe *nddr_recipe_load (const char *path, const char *const *sets, GError **error);
/** The way back from nddr_recipe_to_text(). */
NddrRecipe *nddr_recipe_parse (const char *text, GError **error);
void nddr_recipe_free (NddrRecipe *recipe);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrRecipe, nddr_recipe_free)

/** (transfer full): every key, so that reading it back gives the same recipe. */
char *nddr_recipe_to_text (const NddrRecipe *recipe);

/** fusion_init's two numbers; FALSE where it is not two numbers, but xavier. */
gboolean nddr_recipe_get_fusion_init (const NddrRecipe *recipe, double *alpha, double *beta);

/** What the [model] section means, with the classes of segmentation tasks (which all segmentation tasks share). */
NddrConfig *nddr_recipe_make_config (const NddrRecipe *recipe, const NddrClass *classes, guint n_classes, GError **error);

/** The loss weight of a task: 1 where the recipe does not say. */
double nddr_recipe_task_weight (const NddrRecipe *recipe, const char *task);
/** (transfer full) (nullable): a key of [loss] that was set, and is the usual name of a task that the recipe does not have. */
char *nddr_recipe_unused_weight (const NddrRecipe *recipe);

/** Whether two recipes would train the same: for resuming.  What only decides when something is written or said does not matter.
 * On a difference FALSE, and (out) (transfer full) *what says it. */
gboolean nddr_recipe_same_training (const NddrRecipe *a, const NddrRecipe *b, char **what);

/** The learning rate of step @t = 0, 1, … before multipliers. */
double nddr_recipe_rate (const NddrRecipe *recipe, gint64 t);

G_END_DECLS
