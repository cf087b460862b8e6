/* A report: what a run or an evaluation came to, as one HTML file that needs nothing else.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/model.h>
#include <nddr/nddr-device.h>
#include <train/gallery.h>
#include <train/metrics.h>
#include <train/run.h>

G_BEGIN_DECLS

/** What goes into it; parts are left out where they are NULL. */
typedef struct
{
  const char *title;
  const NddrRun *run;         /* its curves and configuration */
  const NddrModel *model;     /* the network */
  const char *model_name;     /* which model was scored, in words */
  const char *data;           /* which data set it was scored on, … */
  gboolean is_other_data;     /* not the one that the run's validations are taken on, */
  guint n_pictures;           /* and how many pictures that has */
  const NddrMetrics *metrics; /* with @model's tasks */
  const NddrGallery *gallery; /* with @model's tasks */
  guint input_width, input_height; /* that it ran at; 0: the model's */
  const char *device;         /* that it was scored on */
} NddrReport;

/** Writes @path, beside it first. */
gboolean nddr_report_write (const char *path, const NddrReport *report, GError **error);

/** How many pictures reports show, and their size. */
#define NDDR_REPORT_PICTURES 8
#define NDDR_REPORT_PICTURE_SIZE 320

typedef struct
{
  const char *data;                /* (nullable): a data set; NULL: the run's own for validation; "": none, so no scores */
  NddrDataset *dataset;            /* (nullable): the same, where it is open already */
  /* (nullable): called after each picture */
  void (*progress) (guint done, guint total, gpointer user_data);
  gpointer user_data;
} NddrReportOptions;

/** Scores a run's best model (without one, its last checkpoint's) and writes a report of the run.  Without validation data it says nothing of scores.
 * Broken samples are skipped and named, unless [data] broken says stop.
 * @folder: the run's */
gboolean nddr_report_run (NddrDevice *device, const char *folder, const char *path, const NddrReportOptions *options, GError **error);

G_END_DECLS
