/* See report.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/report.h>

#include <math.h>
#include <nddr/network.h>
#include <nddr/nddr-version.h>
#include <string.h>
#include <train/chart.h>
#include <train/html.h>
#include <train/report-scores.h>

/* ---- the head of the page */

static void
add_header (GString *html, const NddrReport *report)
{
  nddr_html_add (html, "<header>\n<h1>%s</h1>\n", report->title);
  const char *description = report->model ? nddr_model_get_metadata (report->model, "description") : NULL;
  g_autofree char *network = report->run ? nddr_run_describe (report->run) : NULL;
  if (description)
    nddr_html_add (html, "<p>%s</p>\n", description);
  else if (network)
    nddr_html_add (html, "<p>%s</p>\n", network);
  g_string_append (html, "<nav><a href=\"#summary\">Summary</a>");
  if (report->gallery)
    g_string_append (html, "<a href=\"#samples\">What it sees</a>");
  if (report->run)
    g_string_append (html, "<a href=\"#training\">Training</a>");
  for (guint t = 0; report->metrics && t < nddr_model_get_n_tasks (report->model); t++)
    nddr_html_add (html, "<a href=\"#task-%s\">%s</a>", nddr_model_get_task (report->model, t)->name, nddr_model_get_task (report->model, t)->name);
  if (report->run)
    g_string_append (html, "<a href=\"#configuration\">Configuration</a>");
  g_string_append (html, "</nav>\n</header>\n");
}

static double
score_of (const NddrMetrics *metrics, const NddrTask *task, const char *suffix, const NddrMetric *metric)
{
  g_autofree char *name = g_strconcat (task->name, suffix, ".", metric->name, NULL);
  return nddr_metrics_get (metrics, name);
}

static gboolean
is_key_figure (const NddrMetric *metric)
{
  static const char *const names[] = { "miou", "pixel_accuracy", "mean", "median", "within_11.25", "within_30", "abs", "rel" };
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_str_equal (names[i], metric->name))
      return TRUE;
  return FALSE;
}

/* The figures that one looks for first, in rows of equal length where they are many. */
static void
add_tiles (GString *html, const NddrReport *report)
{
  guint n, n_tiles = 0;
  const NddrMetric *all_metrics = nddr_metrics_list (&n);
  g_autoptr (GString) tiles = g_string_new (NULL);
  for (guint t = 0; t < nddr_model_get_n_tasks (report->model); t++)
    for (guint m = 0; m < n; m++) {
      const NddrTask *task = nddr_model_get_task (report->model, t);
      double score = score_of (report->metrics, task, "", &all_metrics[m]);
      if (all_metrics[m].kind != task->kind || !is_key_figure (&all_metrics[m]) || !isfinite (score))
        continue;
      g_autofree char *number = nddr_score_format (score, all_metrics[m].unit);
      gboolean degrees = all_metrics[m].unit == NDDR_UNIT_DEGREES; /* their sign is small as it is */
      nddr_html_add (tiles,
          degrees ? "<div class=\"card tile\"><em>%s</em><b>%s%s</b>" : "<div class=\"card tile\"><em>%s</em><b>%s<small>%s</small></b>",
          task->name, number, nddr_report_unit (all_metrics[m].unit));
      nddr_html_add (tiles, "<span>%s</span></div>\n", nddr_report_metric_name (&all_metrics[m]));
      n_tiles++;
    }
  guint n_rows = (n_tiles + 5) / 6;
  if (n_tiles)
    nddr_html_add (html, "<div class=\"tiles\" style=\"--n:%u\">\n", (n_tiles + n_rows - 1) / n_rows);
  g_string_append (html, tiles->str);
  g_string_append (html, n_tiles ? "</div>\n" : "");
}

/* ---- summary */

static void
add_fact (GString *html, const char *name, const char *value)
{
  if (value && *value)
    nddr_html_add (html, "<dt>%s</dt><dd>%s</dd>\n", name, value);
}

static void
add_network_facts (GString *html, const NddrModel *model, gboolean has_run)
{
  const NddrConfig *config = nddr_model_get_config (model);
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrNetwork) network = nddr_network_new (config, nddr_model_get_tensors (model), NULL, &error);
  g_autoptr (GString) tasks = g_string_new (NULL);
  for (guint t = 0; t < config->n_tasks; t++) {
    g_string_append_printf (tasks, "%s%s", t ? ", " : "", config->tasks[t].name);
    if (config->tasks[t].kind == NDDR_TASK_SEGMENTATION)
      g_string_append_printf (tasks, " (%u class%s)", config->tasks[t].n_classes, config->tasks[t].n_classes == 1 ? "" : "es");
  }
  char number[G_ASCII_DTOSTR_BUF_SIZE];
  g_ascii_formatd (number, sizeof number, "%g", config->width);
  g_autofree char *width = config->width != 1 ? g_strdup_printf (" × %s", number) : g_strdup ("");
  g_autofree char *shape = g_strdup_printf ("%s%s, output stride %u, %s%s, %s heads", nddr_backbone_name (config->backbone), width,
      config->output_stride,
      config->n_tasks == 1 ? "one task" : nddr_fusion_name (config->fusion), config->shortcut ? " with shortcut" : "", nddr_head_name (config->head));
  g_autofree char *input = g_strdup_printf ("%u × %u", config->input_width, config->input_height);
  add_fact (html, "Network", shape);
  add_fact (html, "Tasks", tasks->str);
  add_fact (html, "Input", input);
  if (!network)
    return; /* the model is sound: its network was made when it was loaded */
  NddrNetworkCost cost;
  nddr_network_cost (network, config->input_width, config->input_height, &cost);
  nddr_html_add (html, "<dt>Size</dt><dd>%.3f million parameters, %.3f GMAC</dd>\n", cost.parameters / 1e6, cost.macs / 1e9);
  if (!has_run)
    add_fact (html, "Trained on", nddr_model_get_metadata (model, "trained_on"));
  add_fact (html, "Licence", nddr_model_get_metadata (model, "license"));
}

/* Of a step. */
static double
count_pictures (const NddrRun *run)
{
  g_autofree char *batch = nddr_run_get (run, "train", "batch"), *accumulate = nddr_run_get (run, "train", "accumulate");
  return g_ascii_strtod (batch, NULL) * (accumulate[0] ? g_ascii_strtod (accumulate, NULL) : 1); /* older runs have no such key */
}

/* How long all steps in the log took: the pictures of each over its rate. */
static double
seconds_in_steps (const NddrRun *run)
{
  const NddrSeries *rate = nddr_run_find_series (run, "images_per_s");
  double pictures = count_pictures (run), sum = 0;
  for (guint i = 0; rate && i < rate->values->len; i++)
    if (g_array_index (rate->values, double, i) > 0)
      sum += pictures / g_array_index (rate->values, double, i);
  return sum;
}

static void
add_run_facts (GString *html, const NddrRun *run)
{
  g_autofree char *steps = nddr_run_get (run, "train", "steps"),
      *optimizer = nddr_run_get (run, "train", "optimizer");
  g_autofree char *lr = nddr_run_get (run, "train", "lr"), *schedule = nddr_run_get (run, "train", "schedule"),
      *data = nddr_run_get (run, "data", "train");
  double seconds = seconds_in_steps (run);
  gint64 last = nddr_run_last_step (run);
  add_fact (html, "Trained on", data);
  nddr_html_add (html, "<dt>Steps</dt><dd>%" G_GINT64_FORMAT " of %s, %g picture%s each</dd>\n", last, steps, count_pictures (run),
      count_pictures (run) == 1 ? "" : "s");
  nddr_html_add (html, "<dt>Optimiser</dt><dd>%s, learning rate %s, %s</dd>\n", optimizer, lr, schedule);
  if (seconds >= 3600)
    nddr_html_add (html, "<dt>Time in steps</dt><dd>%.0f h %02.0f min</dd>\n", floor (seconds / 3600), floor (fmod (seconds, 3600) / 60));
  else if (seconds > 0 && seconds < 60)
    nddr_html_add (html, "<dt>Time in steps</dt><dd>%.1f s</dd>\n", seconds);
  else if (seconds > 0)
    nddr_html_add (html, "<dt>Time in steps</dt><dd>%.0f min %02.0f s</dd>\n", floor (seconds / 60), floor (fmod (seconds, 60)));
}

/* Each score beside those of the run's validations. */
static void
add_scores (GString *html, const NddrReport *report)
{
  guint n, n_validations = report->run ? report->run->validations->len : 0;
  const NddrMetric *all_metrics = nddr_metrics_list (&n);
  const NddrValidation *last = n_validations ? report->run->validations->pdata[n_validations - 1] : NULL;
  g_string_append (html, "<div class=\"card scroll\"><h3>Scores</h3>\n<table><tr><th></th><th>this<br>model</th>");
  if (last)
    nddr_html_add (html, "<th>last<br>step %" G_GINT64_FORMAT "</th><th>best of<br>%u validation%s</th>", last->step, n_validations,
        n_validations == 1 ? "" : "s");
  g_string_append (html, "</tr>\n");
  for (guint t = 0; t < nddr_model_get_n_tasks (report->model); t++)
    for (guint paper = 0; paper < 2; paper++)
      for (guint m = 0, rows = 0; m < n; m++) {
        const NddrTask *task = nddr_model_get_task (report->model, t);
        const char *suffix = paper ? "_paper" : "", *unit = nddr_report_unit (all_metrics[m].unit);
        double score = score_of (report->metrics, task, suffix, &all_metrics[m]), best = NAN;
        if (all_metrics[m].kind != task->kind || (paper && !isfinite (score)))
          continue;
        g_autofree char *name = g_strconcat (task->name, suffix, ".", all_metrics[m].name, NULL),
            *number = nddr_score_format (score, all_metrics[m].unit);
        if (rows++ == 0)
          nddr_html_add (html, "<tr class=\"task\"><td colspan=\"%u\">%s%s</td></tr>\n", last ? 4 : 2, task->name,
              paper ? ", as the published code scores it" : "");
        nddr_html_add (html, "<tr><td>%s</td><td><b>%s</b> %s</td>", nddr_report_metric_name (&all_metrics[m]), number, unit);
        for (guint v = 0; v < n_validations; v++) {
          double other = nddr_scores_get (((NddrValidation *) report->run->validations->pdata[v])->scores, name);
          best = !isfinite (other) ? best : all_metrics[m].more_is_better ? fmax (best, other) : fmin (best, other);
        }
        if (last && !paper) {
          g_autofree char *now = nddr_score_format (nddr_scores_get (last->scores, name), all_metrics[m].unit),
              *top = nddr_score_format (best, all_metrics[m].unit);
          nddr_html_add (html, "<td>%s %s</td><td>%s %s</td>", now, unit, top, unit);
        }
        g_string_append (html, "</tr>\n");
      }
  g_string_append (html, "</table>\n");
  if (last && report->is_other_data)
    g_string_append (html, "<p class=\"note\">The validations were taken on the run's own data, not on what the model was scored on here.</p>\n");
  g_string_append (html, "</div>\n");
}

static void
add_summary (GString *html, const NddrReport *report)
{
  g_string_append (html, "<h2 id=\"summary\">Summary</h2>\n<div class=\"grid\">\n<div class=\"card\"><dl class=\"facts\">\n");
  if (report->model)
    add_network_facts (html, report->model, report->run != NULL);
  if (report->run)
    add_run_facts (html, report->run);
  if (report->metrics) {
    add_fact (html, "Model scored", report->model_name);
    nddr_html_add (html, "<dt>Scored on</dt><dd>%s: %u picture%s labels' size</dd>\n", report->data, report->n_pictures,
        report->n_pictures == 1 ? ", at its" : "s, at their");
    if (report->input_width)
      nddr_html_add (html, "<dt>Input for it</dt><dd>%u × %u</dd>\n", report->input_width, report->input_height);
    add_fact (html, "Device", report->device);
  }
  g_string_append (html, "</dl></div>\n");
  if (report->metrics)
    add_scores (html, report);
  g_string_append (html, "</div>\n");
}

/* ---- samples */

static void
add_sample_picture (GString *html, const NddrGalleryItem *item, const NddrPicture *picture, const char *task, const char *what)
{
  g_autofree char *name = g_strdup_printf ("%s%s%s", task, *task ? ": " : "", what), *alternative = g_strdup_printf ("%s, %s", item->name, name);
  g_string_append (html, "<figure>");
  if (picture->bytes)
    nddr_html_add_picture (html, picture, item->width, item->height, alternative);
  else
    g_string_append (html, "<div class=\"none\">no label</div>");
  nddr_html_add (html, "<figcaption class=\"%s\">%s</figcaption></figure>\n", *task ? "what" : "name", *task ? name : item->name);
}

static void
add_samples (GString *html, const NddrReport *report)
{
  const NddrConfig *config = nddr_model_get_config (report->model);
  g_string_append (html, "<h2 id=\"samples\">What it sees</h2>\n");
  guint n_shown = 0;
  for (guint i = 0; i < nddr_gallery_get_size (report->gallery); i++)
    n_shown += nddr_gallery_get (report->gallery, i) != NULL;
  if (n_shown == report->n_pictures)
    g_string_append (html, "<p class=\"note\">All that there is.");
  else
    nddr_html_add (html, "<p class=\"note\">%u of the %u pictures, evenly spread, not chosen by hand.", n_shown, report->n_pictures);
  g_string_append (html, " Where a label is ignored it is chequered, or gray.");
  gboolean has_kind[3] = { FALSE };
  for (guint t = 0; t < config->n_tasks; t++)
    has_kind[config->tasks[t].kind] = TRUE;
  g_string_append (html, has_kind[NDDR_TASK_NORMAL] ? " Of normals red is right, green up, blue towards the camera." : "");
  g_string_append (html, has_kind[NDDR_TASK_DEPTH] ? " Depth goes from violet, 0 m, to yellow, 10 m.</p>\n" : "</p>\n");
  nddr_html_add (html, "<div class=\"card\"><div class=\"samples\">\n<div class=\"sample heads\" style=\"--n:%u\"><span>picture</span>",
      1 + 2 * config->n_tasks);
  for (guint t = 0; t < config->n_tasks; t++)
    nddr_html_add (html, "<span>%s, label</span><span>%s, prediction</span>", config->tasks[t].name, config->tasks[t].name);
  g_string_append (html, "</div>\n");
  for (guint i = 0; i < nddr_gallery_get_size (report->gallery); i++) {
    const NddrGalleryItem *item = nddr_gallery_get (report->gallery, i);
    if (!item)
      continue;
    nddr_html_add (html, "<div class=\"sample\" style=\"--n:%u\">\n", 1 + 2 * config->n_tasks);
    add_sample_picture (html, item, &item->input, "", "picture");
    for (guint t = 0; t < config->n_tasks; t++) {
      add_sample_picture (html, item, &item->labels[t], config->tasks[t].name, "label");
      add_sample_picture (html, item, &item->predictions[t], config->tasks[t].name, "prediction");
    }
    g_string_append (html, "</div>\n");
  }
  g_string_append (html, "</div>\n");
  const NddrTask *named = NULL; /* segmentation tasks of one model share their classes */
  for (guint t = 0; t < config->n_tasks && !named; t++)
    if (config->tasks[t].kind == NDDR_TASK_SEGMENTATION)
      named = &config->tasks[t];
  g_string_append (html, named ? "<div class=\"classes\">\n" : "");
  for (guint c = 0; named && c < named->n_classes; c++)
    nddr_html_add (html, "<span><span class=\"swatch\" style=\"background:#%06x\"></span> %s</span>\n", named->classes[c].color & 0xffffff,
        named->classes[c].name);
  g_string_append (html, named ? "</div></div>\n" : "</div>\n");
}

/* ---- training's curves */

/* A series' steps as numbers. */
static double *
steps_of (const NddrSeries *series)
{
  double *x = g_new (double, MAX (series->steps->len, 1));
  for (guint i = 0; i < series->steps->len; i++)
    x[i] = g_array_index (series->steps, gint64, i);
  return x;
}

static void
add_series (GString *html, const char *title, const NddrSeries *series, double x_end)
{
  g_autofree double *x = steps_of (series);
  NddrChart chart = { title, "", 1, -1, x_end };
  NddrCurve curve = { "training", x, (const double *) series->values->data, series->values->len, TRUE };
  nddr_chart_add_curves (html, &chart, &curve, 1);
}

/* The weighted sum over the steps, and that of the validations. */
static void
add_loss (GString *html, const NddrRun *run, double x_end)
{
  guint n = run->validations->len;
  g_autofree double *at = g_new (double, MAX (n, 1)), *loss = g_new (double, MAX (n, 1));
  for (guint v = 0; v < n; v++) {
    const NddrValidation *validation = run->validations->pdata[v];
    at[v] = validation->step;
    loss[v] = validation->loss;
  }
  const NddrSeries *series = nddr_run_find_series (run, "loss");
  g_autofree double *x = series ? steps_of (series) : NULL;
  NddrChart chart = { "Loss", "", 1, -1, x_end };
  NddrCurve curves[] = { { "training", x, series ? (const double *) series->values->data : NULL, series ? series->values->len : 0, TRUE },
    { "validation", at, loss, n, FALSE } };
  nddr_chart_add_curves (html, &chart, curves, n ? 2 : 1);
}

/* A kind's scores that share a unit, over the validations. */
static void
add_score_curves (GString *html, const NddrRun *run, const char *task, NddrTaskKind kind, NddrUnit unit, double x_end)
{
  static const char *const titles[][4] = {
    [NDDR_TASK_SEGMENTATION] = { [NDDR_UNIT_FRACTION] = "scores" },
    [NDDR_TASK_NORMAL] = { [NDDR_UNIT_FRACTION] = "pixels within an angle", [NDDR_UNIT_DEGREES] = "angle errors" },
    [NDDR_TASK_DEPTH] = { [NDDR_UNIT_METRES] = "errors", [NDDR_UNIT_RATIO] = "relative error" },
  };
  guint n_metrics, n = run->validations->len, n_curves = 0;
  const NddrMetric *all_metrics = nddr_metrics_list (&n_metrics);
  NddrCurve curves[4];
  g_autofree double *x = g_new (double, n), *y = g_new (double, 4 * n);
  for (guint v = 0; v < n; v++)
    x[v] = ((NddrValidation *) run->validations->pdata[v])->step;
  for (guint m = 0; m < n_metrics && n_curves < G_N_ELEMENTS (curves); m++) {
    if (all_metrics[m].kind != kind || all_metrics[m].unit != unit)
      continue;
    gboolean any = FALSE;
    g_autofree char *name = g_strconcat (task, ".", all_metrics[m].name, NULL);
    for (guint v = 0; v < n; v++) {
      y[n_curves * n + v] = nddr_scores_get (((NddrValidation *) run->validations->pdata[v])->scores, name);
      any |= isfinite (y[n_curves * n + v]);
    }
    if (any) {
      curves[n_curves] = (NddrCurve){ nddr_report_metric_name (&all_metrics[m]), x, y + n_curves * n, n, FALSE };
      n_curves++;
    }
  }
  if (n_curves == 0)
    return;
  g_autofree char *title = g_strdup_printf ("Validation: %s, %s", task, titles[kind][unit]);
  gboolean metres = unit == NDDR_UNIT_METRES, fraction = unit == NDDR_UNIT_FRACTION;
  NddrChart chart = { title, metres ? " m" : nddr_report_unit (unit), fraction ? 100 : 1, metres || unit == NDDR_UNIT_RATIO ? 3 : 1, x_end };
  nddr_chart_add_curves (html, &chart, curves, n_curves);
}

/* Tasks are named by the validations; what kind they are is seen from their scores, as the log may be all that there is. */
static void
add_validation_curves (GString *html, const NddrRun *run, double x_end)
{
  const NddrValidation *last = run->validations->pdata[run->validations->len - 1];
  g_autoptr (GList) tasks = json_object_get_members (json_node_get_object (last->scores));
  for (GList *task = tasks; task; task = task->next)
    for (guint unit = NDDR_UNIT_FRACTION; unit <= NDDR_UNIT_RATIO; unit++) {
      JsonNode *node = json_object_get_member (json_node_get_object (last->scores), task->data);
      JsonObject *scores = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
      if (scores && json_object_has_member (scores, "miou"))
        add_score_curves (html, run, task->data, NDDR_TASK_SEGMENTATION, unit, x_end);
      else if (scores && json_object_has_member (scores, "within_30"))
        add_score_curves (html, run, task->data, NDDR_TASK_NORMAL, unit, x_end);
      else if (scores && json_object_has_member (scores, "rel"))
        add_score_curves (html, run, task->data, NDDR_TASK_DEPTH, unit, x_end);
    }
}

static void
add_training (GString *html, const NddrRun *run)
{
  static const char *const titles[][2] = { { "lr", "Learning rate" }, { "loss_scale", "Scale of the loss" }, { "images_per_s", "Pictures a second" },
    { "grad_norm", "Norm of the gradients, before clipping" }, { "overflows", "Steps that overflowed, so far" },
    { "data_wait_s", "Seconds that a step waited for its pictures" }, { "skipped", "Pictures of a batch that stand for broken ones" } };
  static const char *const of_tasks[][2] = { { "weight.", "Weight of the loss of " }, { "log_variance.", "Log-variance of " },
    { "distillation.", "Loss against the teacher, " } };
  double x_end = nddr_run_last_step (run);
  for (guint v = 0; v < run->validations->len; v++)
    x_end = MAX (x_end, ((NddrValidation *) run->validations->pdata[v])->step);
  g_string_append (html, "<h2 id=\"training\">Training</h2>\n");
  if (x_end <= 0) {
    g_string_append (html, "<p class=\"note\">The log has no step yet.</p>\n");
    return;
  }
  g_string_append (html,
      "<p class=\"note\">Over the steps. A line is the mean of neighbouring steps, the band behind it goes from their least to their greatest; "
                         "beside a name stands the last value.</p>\n<div class=\"grid charts\">\n");
  add_loss (html, run, x_end);
  for (guint i = 0; i < run->series->len; i++) {
    const NddrSeries *series = run->series->pdata[i];
    g_autofree char *title = g_strdup_printf ("Loss of %s, before its weight", series->name + MIN (5, strlen (series->name)));
    if (g_str_has_prefix (series->name, "loss."))
      add_series (html, title, series, x_end);
  }
  if (run->validations->len)
    add_validation_curves (html, run, x_end);
  for (guint i = 0; i < run->series->len; i++) {
    const NddrSeries *series = run->series->pdata[i];
    const char *title = series->name;
    for (guint n = 0; n < G_N_ELEMENTS (titles); n++)
      title = g_str_equal (titles[n][0], series->name) ? titles[n][1] : title;
    g_autofree char *of_task = NULL;
    for (guint n = 0; n < G_N_ELEMENTS (of_tasks) && !of_task; n++)
      if (g_str_has_prefix (series->name, of_tasks[n][0]))
        title = of_task = g_strconcat (of_tasks[n][1], series->name + strlen (of_tasks[n][0]), NULL);
    if (!g_str_equal (series->name, "loss") && !g_str_has_prefix (series->name, "loss."))
      add_series (html, title, series, x_end);
  }
  g_string_append (html, "</div>\n");
}

/* ---- configuration */

static void
add_configuration (GString *html, const NddrRun *run)
{
  g_auto (GStrv) sections = g_key_file_get_groups (run->config, NULL);
  g_string_append (html,
      "<h2 id=\"configuration\">Configuration</h2>\n<div class=\"card\"><details><summary>Every key, as the run resolved it (config.ini)</summary>\n"
                         "<div class=\"settings\">\n");
  for (int s = 0; sections[s]; s++) {
    g_auto (GStrv) keys = g_key_file_get_keys (run->config, sections[s], NULL, NULL);
    nddr_html_add (html, "<section><h3>[%s]</h3><dl>\n", sections[s]);
    for (int k = 0; keys && keys[k]; k++) {
      g_autofree char *value = nddr_run_get (run, sections[s], keys[k]);
      nddr_html_add (html, "<dt>%s</dt><dd>%s</dd>\n", keys[k], value);
    }
    g_string_append (html, "</dl></section>\n");
  }
  g_string_append (html, "</div></details></div>\n");
}

gboolean
nddr_report_write (const char *path, const NddrReport *report, GError **error)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();
  g_autofree char *date = g_date_time_format (now, "%Y-%m-%d %H:%M");
  GString *html = nddr_html_begin (report->title);
  add_header (html, report);
  if (report->metrics)
    add_tiles (html, report);
  add_summary (html, report);
  if (report->gallery)
    add_samples (html, report);
  if (report->run)
    add_training (html, report->run);
  for (guint t = 0; report->metrics && t < nddr_model_get_n_tasks (report->model); t++)
    nddr_report_add_task (html, report->metrics, nddr_model_get_task (report->model, t), t);
  if (report->run)
    add_configuration (html, report->run);
  nddr_html_add (html, "<footer>Written by nddr %s on %s.</footer>\n", NDDR_VERSION, date);
  return nddr_html_finish (html, path, error);
}
