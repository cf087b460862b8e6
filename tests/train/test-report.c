/* Reports: every figure on the page against the counters that it comes from; that whatever is named in files stays text; that a page is sound markup and
 * loads nothing.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../network/generator.h"
#include "fixture.h"

#include <train/chart.h>
#include <train/html.h>
#include <train/report.h>

#include <locale.h>
#include <math.h>
#include <string.h>

static char *folder;

#define EVIL "</style><script>alert(\"1\")</script>'&\x1b"

/* ---- a reader of markup, strict where browsers are not: every element is closed in order, every attribute is quoted, nothing is loaded */

static gboolean
is_void (const char *name)
{
  static const char *const names[] = { "meta", "img", "br" };
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_str_equal (names[i], name))
      return TRUE;
  return FALSE;
}

static const char *
check_attributes (const char *p)
{
  while (*p != '>' && *p != '/') {
    if (*p == ' ') {
      p++;
      continue;
    }
    const char *name = p;
    p += strspn (p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-0123456789");
    g_assert_true (p > name && p[0] == '=' && p[1] == '"');
    const char *value = p + 2;
    p = strchr (value, '"');
    g_assert_nonnull (p);
    g_assert_null (memchr (value, '<', p - value));
    if (g_str_has_prefix (name, "src=") || g_str_has_prefix (name, "href="))
      g_assert_true (g_str_has_prefix (value, "data:image/") || *value == '#');
    g_assert_false (g_str_has_prefix (name, "on"));
    p++;
  }
  return p;
}

/* Checks it; returns its text, entities as they stand, a space for each element. (transfer full) */
static char *
check_markup (const char *html)
{
  g_autoptr (GPtrArray) open = g_ptr_array_new_with_free_func (g_free);
  GString *text = g_string_new (NULL);
  g_assert_true (g_utf8_validate (html, -1, NULL));
  const char *p = html;
  if (g_str_has_prefix (p, "<!DOCTYPE html>"))
    p += strlen ("<!DOCTYPE html>");
  while (*p) {
    if (*p != '<') {
      g_assert_true (!g_ascii_iscntrl (*p) || *p == '\n');
      g_assert_cmpint (*p, !=, '>');
      if (*p == '&')
        g_assert_true (g_str_has_prefix (p, "&lt;") || g_str_has_prefix (p, "&gt;") || g_str_has_prefix (p, "&amp;")
            || g_str_has_prefix (p, "&quot;") || g_str_has_prefix (p, "&apos;") || g_str_has_prefix (p, "&#39;"));
      g_string_append_c (text, *p++);
      continue;
    }
    gboolean ends = p[1] == '/';
    const char *name = p + 1 + ends, *end = name + strspn (name, "abcdefghijklmnopqrstuvwxyz0123456789");
    g_autofree char *element = g_strndup (name, end - name);
    g_assert_cmpstr (element, !=, "");
    g_assert_cmpstr (element, !=, "script");
    g_assert_cmpstr (element, !=, "link");
    p = ends ? end : check_attributes (end);
    gboolean empty = *p == '/';
    p += empty;
    g_assert_cmpint (*p, ==, '>');
    p++;
    g_string_append_c (text, ' ');
    if (ends) {
      g_assert_cmpuint (open->len, >, 0);
      g_assert_cmpstr (open->pdata[open->len - 1], ==, element);
      g_ptr_array_remove_index (open, open->len - 1);
    } else if (!empty && !is_void (element))
      g_ptr_array_add (open, g_strdup (element));
    if (!ends && g_str_equal (element, "style")) { /* raw text: to its end, which nothing in it may look like */
      const char *close = strstr (p, "</style>");
      g_assert_null (memchr (p, '<', close - p));
      g_autofree char *style = g_strndup (p, close - p);
      g_assert_null (strstr (style, "url("));
      g_assert_null (strstr (style, "@import"));
      p = close;
    }
  }
  g_assert_cmpuint (open->len, ==, 0);
  return g_string_free (text, FALSE);
}

/* Without the spaces that came of elements. */
static gboolean
says (const char *text, const char *words)
{
  g_autoptr (GRegex) spaces = g_regex_new ("[ \n]+", 0, 0, NULL);
  g_autofree char *plain = g_regex_replace_literal (spaces, text, -1, 0, " ", 0, NULL);
  return strstr (plain, words) != NULL;
}

static guint
count (const char *text, const char *part)
{
  guint n = 0;
  for (const char *p = text; (p = strstr (p, part)); p += strlen (part))
    n++;
  return n;
}

/* ---- parts */

static void
test_escaping (void)
{
  g_autoptr (GString) html = g_string_new (NULL);
  nddr_html_add (html, "<p title=\"%s\">%s %d %s</p>", EVIL, EVIL, -5, "\xff\xfeü");
  g_autofree char *text = check_markup (html->str);
  g_assert_nonnull (strstr (text, "&lt;/style&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&apos;&amp;"));
  g_assert_nonnull (strstr (text, " -5 "));
  g_assert_nonnull (strstr (text, "ü"));
}

/* Where numbers have a decimal comma a page's have a point; not every system has such a locale. */
static void
test_locale (void)
{
  static const char *const names[] = { "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8" };
  g_autofree char *before = g_strdup (setlocale (LC_NUMERIC, NULL));
  guint found = 0;
  while (found < G_N_ELEMENTS (names) && !setlocale (LC_NUMERIC, names[found]))
    found++;
  g_test_message ("%s", found < G_N_ELEMENTS (names) ? names[found] : "no locale with a decimal comma");
  g_autoptr (GString) html = g_string_new (NULL);
  nddr_html_add (html, "%.2f %g", 1.25, -0.5);
  g_assert_cmpstr (html->str, ==, "1.25 -0.5");
  setlocale (LC_NUMERIC, before);
}

/* All numbers of a path lie in the picture. */
static void
check_paths (const char *html)
{
  for (const char *p = html; (p = strstr (p, " d=\"M"));)
    for (p += strlen (" d=\"M"); *p != '"';) {
      char *end;
      double number = g_ascii_strtod (p, &end);
      g_assert_true (end > p);
      g_assert_cmpfloat (number, >=, 0);
      g_assert_cmpfloat (number, <=, 560);
      p = end + strspn (end, " LZ");
    }
}

static void
test_charts (void)
{
  enum { N = 5000 };
  g_autofree double *x = g_new (double, N), *y = g_new (double, N);
  for (int i = 0; i < N; i++) {
    x[i] = i + 1;
    y[i] = i % 7 == 3 ? NAN : i % 2 ? 3 : 1;
  }
  g_autoptr (GString) html = g_string_new ("<div>");
  const double flat[] = { 5, 5, 5 }, zero[] = { 0, 0, 0 }, none[] = { NAN, INFINITY, NAN }, tiny[] = { 1e-300, 1e-300, 2e-300 },
      huge[] = { -1e300, 0, 1e300 };
  NddrChart chart = { "a <chart>", "%", 1, 1, N };
  const double *const odd[] = { flat, zero, none, tiny, huge };
  nddr_chart_add_curves (html, &chart, &(NddrCurve){ "noise", x, y, N, TRUE }, 1);
  g_autofree char *noise = check_markup (html->str + strlen ("<div>"));
  g_assert_true (says (noise, "a &lt;chart&gt; noise "));
  g_assert_cmpuint (count (html->str, "class=\"band\""), ==, 1);
  /* a bucket holds 25 steps, of which some 3.6 are missing: its mean is near 2, and the whole chart's axis is, too */
  const char *path = strstr (html->str, "class=\"curve\"");
  g_assert_cmpuint (count (path, "L"), ==, 199);
  for (guint i = 0; i < G_N_ELEMENTS (odd); i++) {
    nddr_chart_add_curves (html, &chart, &(NddrCurve){ "odd", x, odd[i], 3, FALSE }, 1);
    nddr_chart_add_curves (html, &chart, &(NddrCurve){ "odd", x, odd[i], 3, TRUE }, 1);
  }
  nddr_chart_add_curves (html, &chart, &(NddrCurve){ "nothing", NULL, NULL, 0, TRUE }, 1);
  const guint64 bins[4] = { 10, 30, 40, 15 };
  const NddrChartLine marks[] = { { 2, "here", 0.4 }, { 8, "beyond", 1 } };
  NddrChart spread = { "spread", "°", 1, 1, 4 };
  nddr_chart_add_histogram (html, &spread, bins, 4, 100, marks, 2);
  g_assert_cmpuint (count (html->str, "class=\"mark\""), ==, 1); /* none at the axis's end for what is beyond it */
  nddr_chart_add_cumulative (html, &spread, bins, 4, 100, marks, 2);
  nddr_chart_add_histogram (html, &spread, (const guint64[4]){ 0 }, 4, 0, NULL, 0);
  g_string_append (html, "</div>");
  g_autofree char *text = check_markup (html->str);
  g_assert_true (says (text, "2 to 3°: 40.00 % of pixels"));
  g_assert_true (says (text, "beyond 4° 5.0%"));
  /* beside the chart, where shares that are near each other do not overlap */
  g_assert_true (says (text, " at most so large here 40.0% beyond 100.0% "));
  g_assert_null (strstr (html->str, "nan"));
  g_assert_null (strstr (html->str, "inf\""));
  check_paths (html->str);
}

/* There is no half step. */
static void
test_few_steps (void)
{
  const double x[] = { 1, 2 }, y[] = { 10, 20 };
  g_autoptr (GString) html = g_string_new ("<div>");
  nddr_chart_add_curves (html, &(NddrChart){ "C", "", 1, -1, 2 }, &(NddrCurve){ "training", x, y, 2, TRUE }, 1);
  g_string_append (html, "</div>");
  g_autofree char *text = check_markup (html->str);
  g_assert_true (says (text, " 0 1 2 "));
}

/* Nor is a share below nothing or above all. */
static void
test_one_value (void)
{
  const double x[] = { 1, 2 }, values[][2] = { { 0, 0 }, { 1, 1 } };
  for (guint i = 0; i < G_N_ELEMENTS (values); i++) {
    g_autoptr (GString) html = g_string_new ("<div>");
    nddr_chart_add_curves (html, &(NddrChart){ "C", "%", 100, 1, 2 }, &(NddrCurve){ "training", x, values[i], 2, TRUE }, 1);
    g_string_append (html, "</div>");
    g_autofree char *text = check_markup (html->str);
    g_assert_true (says (text, i == 0 ? " 0% 0.2% " : " 80% 100% 0 1 2 "));
    g_assert_null (strstr (text, "-"));
  }
}

/* ---- whole pages */

static NddrModel *
make_model (guint n_classes)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) json = g_string_new ("{\"backbone\":\"mobilenet_v2\",\"width\":0.25,\"head_width\":0.03125,\"output_stride\":16,\"tasks\":["
                                           "{\"name\":\"segmentation\",\"kind\":\"segmentation\",\"classes\":[");
  for (guint c = 0; c < n_classes; c++) {
    g_autofree char *name = c == 0 ? g_strescape ("</b><script>x</script>\"", NULL) : g_strdup_printf ("class %u", c);
    g_string_append_printf (json, "%s{\"name\":\"%s\",\"color\":\"#%06x\"}", c ? "," : "", name, 0x102030 + c);
  }
  g_string_append (json, "]},{\"name\":\"normal\",\"kind\":\"normal\"},{\"name\":\"depth\",\"kind\":\"depth\"}],"
                         "\"input\":{\"width\":64,\"height\":48,\"mean\":[0.5,0.5,0.5],\"std\":[0.5,0.5,0.5]}}");
  NddrConfig *config = nddr_config_parse (json->str, &error);
  g_assert_no_error (error);
  NddrModel *made = nddr_model_new (config, generate_model (config, TRUNK_NORM, FALSE), &error);
  g_assert_no_error (error);
  return made;
}

/* Two pixels of class 1: one found, one taken for class 2; one of class 0, found. Angles of 0 and 90 degrees; depth 0.3 m off. */
static void
add_pixels (NddrMetrics *metrics, guint n_classes)
{
  static const guint8 labels[] = { 1, 1, 0 }, predictions[] = { 1, 2, 0 }, normals[] = { 255, 128, 128, 255, 128, 128, 128, 128, 128 };
  g_autoptr (NddrSample) truth = nddr_sample_new (3, 1);
  truth->segmentation = g_memdup2 (labels, sizeof labels);
  truth->normal = g_memdup2 (normals, sizeof normals);
  truth->depth = g_memdup2 ((const guint16[]){ 1000, 1000, 0 }, 6);
  g_autofree float *scores = g_new0 (float, 3 * n_classes);
  for (guint i = 0; i < 3; i++)
    scores[i * n_classes + predictions[i]] = 1;
  const float vectors[] = { 1, 0, 0, 0, 1, 0, 1, 1, 1 }, depths[] = { 1.3, 0.7, 5 };
  const NddrHeadOutput outputs[] = { { scores, 3, 1, n_classes }, { vectors, 3, 1, 3 }, { depths, 3, 1, 1 } };
  for (guint t = 0; t < 3; t++)
    nddr_metrics_add (metrics, t, &outputs[t], NDDR_RESIZE_HALF_PIXEL, truth);
}

static char *
write_and_read (const NddrReport *report)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = fixture_path (folder, "report.html");
  char *html = NULL;
  nddr_report_write (path, report, &error);
  g_assert_no_error (error);
  g_file_get_contents (path, &html, NULL, &error);
  g_assert_no_error (error);
  return html;
}

/* What is in a page's pictures: files that begin as PNG and JPEG do. */
static void
check_pictures (const char *html, guint pngs, guint jpegs)
{
  static const char *const starts[] = { "data:image/png;base64,", "data:image/jpeg;base64," }, *const magics[] = { "\x89PNG", "\xff\xd8\xff" };
  const guint expected[] = { pngs, jpegs };
  for (guint kind = 0; kind < 2; kind++) {
    g_assert_cmpuint (count (html, starts[kind]), ==, expected[kind]);
    for (const char *p = html; (p = strstr (p, starts[kind]));) {
      gsize n;
      p += strlen (starts[kind]);
      g_autofree char *base64 = g_strndup (p, strcspn (p, "\""));
      g_autofree guchar *bytes = g_base64_decode (base64, &n);
      g_assert_cmpuint (n, >, 60);
      g_assert_cmpmem (bytes, 3, magics[kind], 3);
    }
  }
}

static NddrRun *
make_run (void)
{
  static const char config[] = "[model]\nbackbone=mobilenet_v2\nfusion=nddr\nshortcut=false\ntasks=segmentation;normal;depth\n[data]\ntrain=<folder:rooms>\n"
                               "[train]\nsteps=40\nbatch=4\naccumulate=2\noptimizer=sgd\nlr=0.5\nschedule=poly\n[<about>]\nlicense=a<b>\n";
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) log = g_string_new (NULL);
  g_autofree char *config_path = fixture_path (folder, "run/config.ini"), *log_path = fixture_path (folder, "run/log.jsonl"),
      *path = fixture_path (folder, "run");
  for (int step = 1; step <= 40; step++) {
    g_string_append_printf (log, "{\"step\":%d,\"loss\":%d,\"loss.normal\":0.5,\"lr\":0.5,\"images_per_s\":0.05,\"loss_scale\":%d,"
                                 "\"grad_norm\":2,\"weight.normal\":3,\"<new>\":1}\n",
        step, 80 - step, step < 40 ? 65536 : 512);
    if (step % 20 == 0)
      g_string_append_printf (log, "{\"step\":%d,\"val\":{\"segmentation\":{\"miou\":0.%d,\"pixel_accuracy\":null},\"<b>\":1,"
                                   "\"normal\":{\"mean\":%d,\"within_30\":0.5}},\"val_loss\":3}\n",
          step, 20 + step, step);
  }
  fixture_write (config_path, config, strlen (config));
  fixture_write (log_path, log->str, log->len);
  NddrRun *run = nddr_run_read (path, &error);
  g_assert_no_error (error);
  return run;
}

static void
test_page (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrModel) model = make_model (4);
  const NddrConfig *config = nddr_model_get_config (model);
  g_autoptr (NddrRun) run = make_run ();
  g_autoptr (NddrMetrics) metrics = nddr_metrics_new (config->tasks, config->n_tasks, NULL);
  add_pixels (metrics, 4);
  g_autoptr (NddrDataset) dataset = nddr_dataset_open ("synth:1,9,40x32", "val", &error);
  g_assert_no_error (error);
  g_autoptr (NddrGallery) gallery = nddr_gallery_new (config, dataset, 3, 320);
  g_autoptr (NddrSample) sample = fixture_sample (40, 30, 1);
  g_clear_pointer (&sample->depth, g_free);
  const float output[4] = { 0, 0, 1 };
  const NddrHeadOutput heads[3] = { { output, 1, 1, 4 }, { output, 1, 1, 4 }, { output, 1, 1, 4 } };
  for (guint i = 0; i < 6; i++) /* as if the rest were broken: the third is not shown */
    g_assert_true (nddr_gallery_show (gallery, i, sample, heads, &error));
  NddrReport report = { .title = EVIL, .run = run, .model = model, .model_name = "<best>", .data = "<folder:rooms>", .n_pictures = 9,
      .metrics = metrics, .gallery = gallery, .device = "<device>" };
  g_autofree char *html = write_and_read (&report), *text = check_markup (html);
  g_assert_true (g_str_has_prefix (html, "<!DOCTYPE html>"));
  g_assert_nonnull (strstr (html, "Content-Security-Policy\" content=\"default-src 'none'"));
  check_pictures (html, 4, 2 * (1 + 2 + 1));
  g_assert_cmpuint (count (text, "no label"), ==, 2);
  g_assert_true (says (text, " 2 of the 9 pictures, "));
  g_assert_cmpuint (count (html, ", segmentation: label\" src="), ==, 2); /* behind its picture's name */
  g_assert_true (says (text, "&lt;/b&gt;&lt;script&gt;x&lt;/script&gt;&quot;"));

  /* IoU of class 0: 1 / 1; of 1: 1 / 2; of 2: 0 / 1; class 3 does not occur */
  g_assert_true (says (text, " segmentation 50.0 % mean IoU "));
  g_assert_true (says (text, " segmentation 66.7 % pixel accuracy "));
  g_assert_true (says (text, " class 1 50.0 66.7% "));
  g_assert_true (says (text, " class 2 0.0 0.0% "));
  g_assert_true (says (text, " class 3 – 0.0% "));
  g_assert_true (says (text, " class 1, taken for class 2: 50.0 % 50 "));
  g_assert_true (says (text, " label taken for of the class of all pixels class 1 class 2 50.0% 33.3% "));
  g_assert_true (says (text, " normal 45.0° mean angle error "));
  g_assert_true (says (text, " ≤ 11.25° 50.0% "));
  g_assert_true (says (text, " 0 to 1°: 50.00 % of pixels "));
  g_assert_true (says (text, " depth 0.300 m mean error "));
  g_assert_true (says (text, " ≤ 0.1 m 0.0% "));
  g_assert_true (says (text, " ≤ 0.5 m 100.0% "));

  /* the run: 40 steps of two batches of four pictures at 0.05 a second; validations; what the log has that this version does not know */
  g_assert_true (says (text, " Time in steps 1 h 46 min "));
  g_assert_true (says (text, " Steps 40 of 40, 8 pictures each "));
  g_assert_true (says (text, " mean IoU 50.0 % 60.0 % 60.0 % "));
  g_assert_true (says (text, " mean angle error 45.0 ° 40.0 ° 20.0 ° "));
  g_assert_true (says (text, " Loss training 40 validation 3 "));
  g_assert_true (says (text, " Validation: segmentation, scores mean IoU 60.0% "));
  g_assert_true (says (text, " &lt;new&gt; training 1 "));
  g_assert_true (says (text, " Norm of the gradients, before clipping training 2 "));
  g_assert_true (says (text, " Weight of the loss of normal training 3 "));
  g_assert_true (says (text, " Scale of the loss training 512 "));
  g_assert_true (says (text, " [&lt;about&gt;] license a&lt;b&gt; "));
  g_assert_null (strstr (html, "nan"));
  check_paths (html);
}

/* Beside a curve's name stands its last value, however many steps are one point of it. */
static void
test_last_value (void)
{
  enum { N = 5000 };
  g_autofree double *x = g_new (double, N), *y = g_new (double, N);
  g_autoptr (GString) html = g_string_new ("<div>");
  for (int i = 0; i < N; i++) {
    x[i] = i + 1;
    y[i] = i < N - 2 ? 7 : i < N - 1 ? 0.125 : NAN;
  }
  nddr_chart_add_curves (html, &(NddrChart){ "C", "", 1, -1, N }, &(NddrCurve){ "training", x, y, N, TRUE }, 1);
  g_string_append (html, "</div>");
  g_autofree char *text = check_markup (html->str);
  g_assert_true (says (text, " C training 0.125 "));
}

/* Data sets that are joined may number their pictures alike: samples are told apart all the same, and are called the same each time. */
static void
test_sample_names (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrModel) model = make_model (4);
  g_autoptr (NddrDataset) dataset = nddr_dataset_open ("synth:1,2,40x32+synth:2,2,40x32", "val", &error);
  g_assert_no_error (error);
  g_autoptr (NddrGallery) gallery = nddr_gallery_new (nddr_model_get_config (model), dataset, 4, 320);
  const float output[4] = { 0, 0, 1 };
  const NddrHeadOutput heads[3] = { { output, 1, 1, 4 }, { output, 1, 1, 4 }, { output, 1, 1, 4 } };
  for (guint time = 0; time < 2; time++) {
    for (guint i = 0; i < 4; i++) {
      g_autoptr (NddrSample) sample = fixture_sample (40, 30, 1);
      g_assert_true (nddr_gallery_show (gallery, i, sample, heads, &error));
    }
    for (guint i = 0; i < 2; i++) {
      g_autofree char *second = g_strconcat (nddr_gallery_get (gallery, i)->name, " (2)", NULL);
      g_assert_cmpstr (nddr_gallery_get (gallery, 2 + i)->name, ==, second);
    }
  }
}

/* Parts that are not there. */
static void
test_parts (void)
{
  g_autoptr (NddrModel) model = make_model (3);
  const NddrConfig *config = nddr_model_get_config (model);
  g_autoptr (NddrRun) run = make_run ();
  NddrReport report = { .title = "only a run", .run = run };
  g_autofree char *html = write_and_read (&report), *text = check_markup (html);
  g_assert_true (says (text, " Loss training 40 "));
  g_assert_null (strstr (html, "id=\"samples\""));

  /* scores that no pixel defines; nothing learnt yet */
  g_autoptr (NddrMetrics) metrics = nddr_metrics_new (config->tasks, config->n_tasks, NULL);
  g_assert_true (nddr_metrics_score_as_published (metrics, NULL));
  NddrReport empty = { .title = "empty", .model = model, .model_name = "m", .data = "d", .n_pictures = 1, .metrics = metrics, .device = "e" };
  g_autofree char *empty_html = write_and_read (&empty), *empty_text = check_markup (empty_html);
  g_assert_true (says (empty_text, " mean IoU – % "));
  g_assert_null (strstr (empty_html, "id=\"task-"));
  g_autoptr (NddrModel) single = make_model (1);
  empty.model = single;
  g_autofree char *single_html = write_and_read (&empty), *single_text = check_markup (single_html);
  g_assert_true (says (single_text, " segmentation (1 class), normal, depth "));
  g_assert_true (says (single_text, " d: 1 picture, at its labels' size "));
  empty.model = model;
  g_ptr_array_set_size (run->series, 0);
  g_ptr_array_set_size (run->validations, 0);
  g_autofree char *young = write_and_read (&report), *young_text = check_markup (young);
  g_assert_true (says (young_text, " The log has no step yet. "));
  add_pixels (metrics, 3);
  g_autofree char *paper = write_and_read (&empty), *paper_text = check_markup (paper);
  g_assert_true (says (paper_text, " normal, as the published code scores it mean angle error "));
}

/* As many classes as there can be: the matrix shows those with the most pixels. */
static void
test_many_classes (void)
{
  g_autoptr (NddrModel) model = make_model (255);
  const NddrConfig *config = nddr_model_get_config (model);
  g_autoptr (NddrMetrics) metrics = nddr_metrics_new (config->tasks, config->n_tasks, NULL);
  enum { N = 4000 };
  g_autoptr (NddrSample) truth = nddr_sample_new (N, 1);
  truth->segmentation = g_malloc (N);
  g_autofree float *scores = g_new0 (float, N * 256);
  for (guint i = 0; i < N; i++) {
    truth->segmentation[i] = i % 255;
    scores[256 * i + (i * 7 + i / 255) % 255] = 1;
  }
  nddr_metrics_add (metrics, 0, &(NddrHeadOutput){ scores, N, 1, 256 }, NDDR_RESIZE_HALF_PIXEL, truth);
  NddrReport report = { .title = "many", .model = model, .model_name = "m", .data = "d", .n_pictures = 1, .metrics = metrics, .device = "e" };
  g_autofree char *html = write_and_read (&report), *text = check_markup (html);
  g_assert_true (says (text, "The 60 classes with the most pixels."));
  g_assert_cmpuint (count (html, "class=\"diagonal\""), ==, 60);
  g_assert_cmpuint (strlen (html), <, 1 << 20);
}

static void
test_failures (void)
{
  g_autoptr (GError) error = NULL;
  NddrReport report = { .title = "none" };
  g_assert_false (nddr_report_write ("no-such-folder/report.html", &report, &error));
  g_assert_nonnull (strstr (error->message, "no-such-folder"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  folder = fixture_folder ();
  g_test_add_func ("/report/escaping", test_escaping);
  g_test_add_func ("/report/locale", test_locale);
  g_test_add_func ("/report/charts", test_charts);
  g_test_add_func ("/report/few-steps", test_few_steps);
  g_test_add_func ("/report/one-value", test_one_value);
  g_test_add_func ("/report/page", test_page);
  g_test_add_func ("/report/last-value", test_last_value);
  g_test_add_func ("/report/sample-names", test_sample_names);
  g_test_add_func ("/report/parts", test_parts);
  g_test_add_func ("/report/many-classes", test_many_classes);
  g_test_add_func ("/report/failures", test_failures);
  int status = g_test_run ();
  fixture_remove (folder);
  return status;
}
