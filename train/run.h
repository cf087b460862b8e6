/* A run as its folder tells of it: the configuration and the log, read again.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>
#include <nddr/nddr-error.h>

G_BEGIN_DECLS

/** One number over the steps. */
typedef struct
{
  char *name;     /* as in the log: "loss", "loss.normal", "lr" */
  GArray *steps;  /* gint64, rising */
  GArray *values; /* double; NAN where it was no number */
} NddrSeries;

typedef struct
{
  gint64 step;
  double loss;      /* NAN: not in the log */
  JsonNode *scores; /* as nddr_metrics_to_json() */
  gboolean is_best; /* its model became best.safetensors */
} NddrValidation;

/** Plain data, read once. */
typedef struct
{
  char *folder;
  GKeyFile *config;       /* config.ini */
  GPtrArray *series;      /* of NddrSeries, in the order in which they first occur */
  GPtrArray *validations; /* of NddrValidation, in the order of the log */
} NddrRun;

/** The names of the files that a run consists of, its report last; NULL-terminated. */
extern const char *const nddr_run_files[];

/** Reads @folder/config.ini and @folder/log.jsonl.  A last line without its end, as in a run that goes on or was killed, is left out. */
NddrRun *nddr_run_read (const char *folder, GError **error);
void nddr_run_free (NddrRun *run);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrRun, nddr_run_free)

/** (transfer full): a key's value as text; "" where there is none. */
char *nddr_run_get (const NddrRun *run, const char *section, const char *key);
/** (nullable): the number of that name. */
const NddrSeries *nddr_run_find_series (const NddrRun *run, const char *name);
/** Of the last step in the log; 0 where there is none. */
gint64 nddr_run_last_step (const NddrRun *run);
/** (nullable): the validation whose model is best.safetensors: as the log says or, where it does not, by [train] best, the first of the best ones. */
const NddrValidation *nddr_run_best (const NddrRun *run);
/** (transfer full): the network in a few words: "vgg16, nddr, shortcut". */
char *nddr_run_describe (const NddrRun *run);

/** A score by its name, such as "normal.mean", of an object as nddr_metrics_to_json() makes it; NAN where there is none. */
double nddr_scores_get (JsonNode *scores, const char *name);

G_END_DECLS
