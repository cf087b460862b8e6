/* The nddr tool as people use it: what it prints and writes, its exit statuses and its messages.
 *
 *   test-tool NDDR SOURCES
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool.h"

#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <math.h>
#include <nddr/model.h>
#include <string.h>
#include <train/image.h>

static const char *const verbs[] = { "devices", "infer", "train", "eval", "report", "compare", "average", "synth", "import", "export", "info", "bench" };

static void
test_help (void)
{
  g_autofree char *out = NULL, *err = NULL;
  g_assert_cmpint (run ("", &out, &err), ==, 2);
  g_assert_nonnull (strstr (err, "Usage: nddr VERB"));
  expect ("--version", 0, "nddr 0.");
  expect ("frobnicate", 2, "there is no verb frobnicate");
  for (guint i = 0; i < G_N_ELEMENTS (verbs); i++) {
    g_autofree char *line = g_strconcat (verbs[i], " --help", NULL), *wrong = g_strconcat (verbs[i], " --frobnicate", NULL);
    g_autofree char *usage = g_strconcat ("nddr ", verbs[i], NULL);
    expect ("--help", 0, verbs[i]);
    expect (line, 0, usage);
    expect (wrong, 2, "--frobnicate");
  }
}

/* (transfer full): the set of long options, without dashes, that @text has behind each @before */
static GHashTable *
find_options (const char *text, const char *before)
{
  GHashTable *options = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (const char *p = strstr (text, before); p; p = strstr (p, before)) {
    p += strlen (before);
    gsize length = strspn (p, "abcdefghijklmnopqrstuvwxyz");
    if (length)
      g_hash_table_add (options, g_strndup (p, length));
  }
  return options;
}

static void
expect_all (GHashTable *wanted, GHashTable *got, const char *what, const char *verb)
{
  GHashTableIter iter;
  gpointer option;
  g_hash_table_iter_init (&iter, wanted);
  while (g_hash_table_iter_next (&iter, &option, NULL))
    if (!g_hash_table_contains (got, option))
      g_error ("%s lacks --%s of nddr %s", what, (char *) option, verb);
}

/* The manual page and the shell's completion know the options that --help lists, and no others. */
static void
test_documents (void)
{
  g_autofree char *man_path = g_build_filename (sources, "docs", "nddr.1", NULL), *man = NULL;
  g_autofree char *completion_path = g_build_filename (sources, "train", "completion.bash", NULL), *completion = NULL;
  g_assert_true (g_file_get_contents (man_path, &man, NULL, NULL));
  g_assert_true (g_file_get_contents (completion_path, &completion, NULL, NULL));
  g_autoptr (GHashTable) in_man = find_options (man, "\\-\\-"), all = find_options ("--help --version", "--");
  for (guint i = 0; i < G_N_ELEMENTS (verbs); i++) {
    g_autofree char *line = g_strconcat (verbs[i], " --help", NULL), *out = NULL, *err = NULL;
    g_autofree char *begin = g_strconcat ("      ", verbs[i], ") options=\"", NULL);
    g_assert_cmpint (run (line, &out, &err), ==, 0);
    g_autoptr (GHashTable) in_help = find_options (strstr (out, "Options:"), "--");
    const char *row = strstr (completion, begin);
    g_autofree char *words = row ? g_strndup (row, strcspn (row, "\n")) : g_strdup ("--help");
    g_autoptr (GHashTable) in_completion = find_options (words, "--");
    expect_all (in_help, in_completion, "the completion", verbs[i]);
    expect_all (in_completion, in_help, "--help", verbs[i]);
    GHashTableIter iter;
    gpointer option;
    g_hash_table_iter_init (&iter, in_help);
    while (g_hash_table_iter_next (&iter, &option, NULL))
      g_hash_table_add (all, g_strdup (option));
    g_hash_table_remove (in_help, "help");
    expect_all (in_help, in_man, "the manual page", verbs[i]);
  }
  expect_all (in_man, all, "--help", "any verb");
}

/* What bash offers behind @words, the last of which is being written. */
static void
expect_completion (const char *words, const char *offers)
{
  g_autofree char *completion = g_build_filename (sources, "train", "completion.bash", NULL), *out = NULL;
  g_autofree char *script = g_strdup_printf ("source '%s'; COMP_WORDS=(%s); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _nddr; printf '[%%s]' \"${COMPREPLY[@]}\"",
      completion, words);
  char *argv[] = { (char *) "bash", (char *) "-c", script, NULL };
  g_autoptr (GError) error = NULL;
  int status;
  g_spawn_sync (folder, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, NULL, &status, &error);
  g_assert_no_error (error);
  g_assert_cmpint (status, ==, 0);
  g_assert_cmpstr (out, ==, offers);
}

static void
test_completion (void)
{
  g_autofree char *blank = in_folder ("a blank.png");
  g_assert_true (g_file_set_contents (blank, "", 0, NULL));
  expect_completion ("nddr rep", "[report]");
  expect_completion ("nddr infer m 'a\\ b'", "[a blank.png]"); /* names with blanks are one word, which bash hands over as it was typed */
  expect_completion ("nddr infer m --precision = fp1", "[fp16]"); /* --precision=fp1, as bash takes it apart */
  expect_completion ("nddr infer m --precision =", "[auto][fp32][fp16]");
  expect_completion ("nddr bench --train --precision m", "[mixed]");
  expect_completion ("nddr bench m --train --precision m", "[mixed]");
  expect_completion ("nddr info m --plan s", "[software]");
  g_assert_cmpint (g_unlink (blank), ==, 0);
}

static void
test_devices (void)
{
  expect ("devices", 0, "0: ");
  expect ("devices", 0, "usable    yes");
  expect ("devices", 0, "matrices  ");
  expect ("devices --measure", 0, "GFLOP/s in fp32, ");
  expect ("devices 1", 2, "expected no arguments");
}

/* model.safetensors with another description. */
static void
save_telling_model (const char *name, const char *description)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *from = in_folder ("model.safetensors"), *to = in_folder (name);
  g_autoptr (NddrArrays) tensors = nddr_safetensors_read (from, TRUE, &error);
  g_assert_no_error (error);
  g_hash_table_insert (tensors->metadata, g_strdup ("description"), g_strdup (description));
  nddr_safetensors_write (tensors, to, NDDR_STORE_F32, &error);
  g_assert_no_error (error);
}

static void
test_info (void)
{
  expect ("info model.safetensors", 0, "backbone      mobilenet_v2, width 0.25, output stride 16");
  expect ("info model.safetensors", 0, "task          segmentation (segmentation: 0 wall, 1 floor, 2 other)");
  expect ("info model.safetensors", 0, "at once, for software drivers");
  expect ("info --input 128x96 model.safetensors", 0, "input         128x96");
  expect ("info --plan software --input 96x64 model.safetensors", 0, "conv_direct");
  expect ("info --plan gpu model.safetensors", 0, "arena");
  expect ("info --plan vulkan model.safetensors", 2, "expected gpu or software");
  expect ("info --input 16x16 model.safetensors", 2, "each from 32");
  expect ("info no-such.safetensors", 1, "no-such.safetensors");
  /* what a file says of itself reaches the terminal as text alone: here an escape sequence that names the window; so does a file's name */
  save_telling_model ("told.safetensors", "\033]0;mine\a");
  expect ("info told.safetensors", 0, "description   \xef\xbf\xbd]0;mine\xef\xbf\xbd");
  expect ("info picture.png", 1, "picture.png");
}

/* The picture that the tool wrote, of the size of the one that it read. */
static NddrImage *
read_result (const char *name, NddrImageContent content)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = in_folder (name);
  NddrImage *image = nddr_image_read (path, content, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (image->width, ==, 60);
  g_assert_cmpuint (image->height, ==, 44);
  return image;
}

static void
test_infer (void)
{
  expect ("infer model.safetensors picture.png -o one", 0, "");
  g_autoptr (NddrImage) overlay = read_result ("one/picture.segmentation.png", NDDR_IMAGE_RGB);
  g_autoptr (NddrImage) normals = read_result ("one/picture.normal.png", NDDR_IMAGE_RGB);

  expect ("infer model.safetensors picture.png -o two --view raw,map --npy --input 96x64 --precision fp32", 0, "");
  g_autoptr (NddrImage) ids = read_result ("two/picture.segmentation.raw.png", NDDR_IMAGE_IDS);
  g_autoptr (NddrImage) vectors = read_result ("two/picture.normal.raw.png", NDDR_IMAGE_VECTORS);
  g_autoptr (NddrImage) colors = read_result ("two/picture.segmentation.map.png", NDDR_IMAGE_RGB);
  static const guint8 palette[3][3] = { { 0x10, 0x20, 0x30 }, { 0xf0, 0xe0, 0xd0 }, { 0x80, 0x00, 0x80 } };
  for (guint i = 0; i < 60 * 44; i++) {
    guint8 id = ((guint8 *) ids->data)[i];
    g_assert_cmpuint (id, <, 3);
    g_assert_cmpmem (palette[id], 3, (guint8 *) colors->data + 3 * i, 3);
    double length = 0;
    for (int c = 0; c < 3; c++)
      length += pow (((guint8 *) vectors->data)[3 * i + c] / 127.5 - 1, 2);
    g_assert_cmpfloat_with_epsilon (sqrt (length), 1, 0.02);
  }

  /* the head's output: 96x64 over 16 */
  g_autofree char *path = in_folder ("two/picture.segmentation.npy"), *npy = NULL;
  gsize bytes;
  g_assert_true (g_file_get_contents (path, &npy, &bytes, NULL));
  g_assert_cmpmem (npy, 6, "\x93NUMPY", 6);
  g_assert_nonnull (strstr (npy + 10, "'shape': (3, 4, 6)"));
  g_assert_cmpuint (bytes % 64, ==, (3 * 4 * 6 * 4) % 64);

  expect ("infer model.safetensors picture.png", 2, "-o DIR is missing");
  expect ("infer model.safetensors -o one", 2, "expected MODEL IMAGE...");
  expect ("infer model.safetensors picture.png -o one --view sideways", 2, "overlay, map or raw");
  expect ("infer model.safetensors picture.png -o one --precision fp8", 2, "fp16");
  expect ("infer model.safetensors no-such.png -o one", 1, "no-such.png");
  expect ("infer model.safetensors -o one -- -no-such.png", 1, "-no-such.png");
  expect ("infer model.safetensors model.safetensors -o one", 1, "model.safetensors");
  expect ("infer model.safetensors picture.png -o picture.png", 1, "cannot make the folder picture.png");
  expect ("infer model.safetensors picture.png -o one --device no-such-device", 1, "no-such-device");
  g_autofree char *usual = g_strdup (g_getenv ("NDDR_DEVICE"));
  g_setenv ("NDDR_DEVICE", "no-such-device", TRUE);
  expect ("infer model.safetensors picture.png -o one", 1, "no-such-device\" (from the environment's NDDR_DEVICE)");
  usual ? g_setenv ("NDDR_DEVICE", usual, TRUE) : g_unsetenv ("NDDR_DEVICE");
  expect ("infer model.safetensors picture.png data/val/image/../../../picture.png -o one", 2, "the same names");

  /* results take no input's place, nor the model's, by whatever path */
  expect ("infer model.safetensors picture.png one/picture.segmentation.png -o one", 2, "one/picture.segmentation.png is the file that is read");
  expect ("infer model.safetensors ./one/../picture.png one/picture.normal.png -o two/../one", 2, "picture.normal.png is the file that is read");
  g_autoptr (NddrImage) again = read_result ("one/picture.segmentation.png", NDDR_IMAGE_RGB);
  g_assert_cmpmem (again->data, 60 * 44 * 3, overlay->data, 60 * 44 * 3);

  /* a result that cannot be put in its place leaves nothing beside it */
  g_autofree char *three = in_folder ("three"), *in_the_way = in_folder ("three/picture.normal.png");
  g_assert_cmpint (g_mkdir_with_parents (in_the_way, 0777), ==, 0);
  expect ("infer model.safetensors picture.png -o three", 1, "picture.normal.png");
  g_autoptr (GDir) dir = g_dir_open (three, 0, NULL);
  for (const char *name = g_dir_read_name (dir); name; name = g_dir_read_name (dir))
    g_assert_true (g_str_has_suffix (name, ".png"));
}

static JsonNode *
run_json (const char *line)
{
  g_autofree char *out = NULL, *err = NULL;
  g_autoptr (GError) error = NULL;
  int status = run (line, &out, &err);
  if (status)
    g_error ("nddr %s: %s", line, err);
  JsonNode *node = json_from_string (out, &error);
  g_assert_no_error (error);
  return node;
}

/* The scores of what nddr infer writes for the pictures: ids, and normals rounded to 8 bits. */
static void
score_files (double *miou, double *accuracy, double *angle)
{
  g_autoptr (GError) error = NULL;
  guint both[3] = { 0 }, either[3] = { 0 }, right = 0, labelled = 0, known = 0;
  double angles = 0;
  expect ("infer model.safetensors data/val/image/2.png data/val/image/3.png -o scored --view raw --precision fp32", 0, "");
  for (guint picture = 2; picture < 4; picture++) {
    g_autofree char *label_path = fixture_path (folder, "data/val/segmentation/%u.png", picture);
    g_autofree char *id_path = fixture_path (folder, "scored/%u.segmentation.raw.png", picture);
    g_autofree char *truth_path = fixture_path (folder, "data/val/normal/%u.png", picture);
    g_autofree char *vector_path = fixture_path (folder, "scored/%u.normal.raw.png", picture);
    g_autoptr (NddrImage) labels = nddr_image_read (label_path, NDDR_IMAGE_IDS, &error), ids = nddr_image_read (id_path, NDDR_IMAGE_IDS, &error);
    g_autoptr (NddrImage) truths = nddr_image_read (truth_path, NDDR_IMAGE_VECTORS, &error);
    g_autoptr (NddrImage) vectors = nddr_image_read (vector_path, NDDR_IMAGE_VECTORS, &error);
    g_assert_no_error (error);
    for (guint i = 0; i < 60 * 44; i++) {
      guint label = ((guint8 *) labels->data)[i], id = ((guint8 *) ids->data)[i];
      const guint8 *t = (guint8 *) truths->data + 3 * i, *v = (guint8 *) vectors->data + 3 * i;
      double dot = 0, tt = 0, vv = 0;
      for (int c = 0; c < 3; c++) {
        double x = t[c] / 127.5 - 1, y = v[c] / 127.5 - 1;
        dot += x * y;
        tt += x * x;
        vv += y * y;
      }
      if (tt >= 0.25) {
        known++;
        angles += acos (CLAMP (dot / sqrt (tt * vv), -1, 1)) * 180 / G_PI;
      }
      for (guint c = 0; c < 3 && label != 255; c++) {
        both[c] += label == c && id == c;
        either[c] += label == c || id == c;
      }
      labelled += label != 255;
      right += label == id;
    }
  }
  *miou = 0;
  for (guint c = 0; c < 3; c++)
    *miou += (double) both[c] / either[c] / 3;
  *accuracy = (double) right / labelled;
  *angle = angles / known;
}

static void
test_eval (void)
{
  double expected_miou, expected_accuracy, expected_angle;
  g_autoptr (JsonNode) exact = run_json ("eval model.safetensors folder:data --json --precision fp32");
  JsonObject *seg = json_object_get_object_member (json_node_get_object (exact), "segmentation");
  JsonObject *nor = json_object_get_object_member (json_node_get_object (exact), "normal");
  score_files (&expected_miou, &expected_accuracy, &expected_angle);
  g_assert_cmpfloat_with_epsilon (json_object_get_double_member (seg, "miou"), expected_miou, 1e-3);
  g_assert_cmpfloat_with_epsilon (json_object_get_double_member (seg, "pixel_accuracy"), expected_accuracy, 1e-3);
  g_assert_cmpfloat_with_epsilon (json_object_get_double_member (nor, "mean"), expected_angle, 0.2);

  g_autoptr (JsonNode) node = run_json ("eval model.safetensors folder:data --json --input 64x64");
  JsonObject *scores = json_node_get_object (node);
  JsonObject *segmentation = json_object_get_object_member (scores, "segmentation"), *normal = json_object_get_object_member (scores, "normal");
  double miou = json_object_get_double_member (segmentation, "miou"), mean = json_object_get_double_member (normal, "mean");
  g_assert_cmpfloat (miou, >=, 0);
  g_assert_cmpfloat (miou, <=, 1);
  g_assert_true (json_object_has_member (json_object_get_object_member (segmentation, "class_iou"), "wall"));
  g_assert_cmpfloat (mean, >, 0);
  g_assert_cmpfloat (mean, <, 180);
  g_assert_true (json_object_has_member (normal, "within_11.25"));
  g_assert_false (json_object_has_member (scores, "normal_paper"));
  expect ("eval model.safetensors folder:data --paper --report eval.html", 0, "normal_paper");
  g_autofree char *path = in_folder ("eval.html"), *page = NULL;
  g_assert_true (g_file_get_contents (path, &page, NULL, NULL));
  g_assert_nonnull (strstr (page, "<h1>model.safetensors</h1>"));
  g_assert_nonnull (strstr (page, "normal, as the published code scores it"));
  expect ("eval model.safetensors folder:data --report model.safetensors", 2, "--report model.safetensors is the file that is read");
  /* scores that took long are not lost with their report */
  g_autofree char *printed = NULL, *why = NULL;
  g_assert_cmpint (run ("eval model.safetensors folder:data --report no-such/eval.html", &printed, &why), ==, 1);
  g_assert_nonnull (strstr (printed, "mean"));
  g_assert_nonnull (strstr (why, "no-such/eval.html"));
  g_autofree char *bare = in_folder ("bare/val/image"), *picture = in_folder ("picture.png"), *copy = in_folder ("bare/val/image/0.png"), *bytes = NULL;
  gsize size;
  g_assert_cmpint (g_mkdir_with_parents (bare, 0700), ==, 0);
  g_assert_true (g_file_get_contents (picture, &bytes, &size, NULL) && g_file_set_contents (copy, bytes, size, NULL));
  expect ("eval model.safetensors folder:bare", 1, "folder:bare has no labels of the tasks of model.safetensors");
  expect ("eval model.safetensors folder:no-such", 1, "no-such");
  expect ("eval model.safetensors rooms", 1, "\"rooms\" is not a data set");
  expect ("eval picture.png folder:data", 1, "picture.png");
  expect ("eval model.safetensors", 2, "expected MODEL DATASET");
}

static void
test_synth (void)
{
  static const char *const made[] = { "image", "segmentation", "normal", "depth" };
  expect ("synth rooms --count 2 --size 48x32 --seed 3 --split val --threads 1", 0, "");
  for (guint i = 0; i < G_N_ELEMENTS (made); i++)
    for (guint n = 0; n < 3; n++) {
      g_autofree char *name = g_strdup_printf ("rooms/val/%s/%04u.png", made[i], n), *path = in_folder (name);
      g_assert_true (g_file_test (path, G_FILE_TEST_EXISTS) == (n < 2));
    }
  expect ("synth", 2, "expected DIR");
  expect ("synth rooms --count 0", 2, "1 to 1000000");
  expect ("synth rooms --count many", 2, "many");
  expect ("synth rooms --seed -1", 2, "0 or more");
  expect ("synth rooms --split a/b", 2, "a folder's name");
  expect ("synth rooms --split ..", 2, "a folder's name");
  expect ("eval model.safetensors folder:data,.", 1, "folder:DIR,SPLIT");
  expect ("synth rooms --count 1 --size 48x32 --split val", 1, "0001.png, which would be part");
  expect ("synth rooms --size 8x8", 2, "each from 32");
  expect ("synth rooms --size 48", 2, "48 is no size");
  expect ("synth picture.png --count 1", 1, "picture.png");
  expect ("synth data --count 1 --size 48x32 --split other", 1, "names other classes");
  /* a folder with other pictures stays as it was; what is no picture is nobody's */
  g_autofree char *image = in_folder ("normals/train/image"), *room = g_build_filename (image, "room.png", NULL),
      *hidden = g_build_filename (image, ".DS_Store", NULL);
  g_autofree char *half = g_build_filename (image, "0000.png.A1B2C3", NULL), *classes = in_folder ("normals/classes.txt");
  g_assert_cmpint (g_mkdir_with_parents (image, 0777), ==, 0);
  g_assert_true (g_file_set_contents (room, "", 0, NULL) && g_file_set_contents (hidden, "", 0, NULL) && g_file_set_contents (half, "", 0, NULL));
  expect ("synth normals --count 1 --size 48x32", 1, "room.png, which would be part");
  g_assert_false (g_file_test (classes, G_FILE_TEST_EXISTS));
  g_assert_cmpint (g_unlink (room), ==, 0);
  expect ("synth normals --count 1 --size 48x32", 0, "");
}

/* Layers' operations are the network's. */
static void
check_rates (JsonObject *object)
{
  JsonObject *layers = json_object_get_object_member (object, "layers"), *rates = json_object_get_object_member (object, "layer_gflops");
  g_autoptr (GList) names = json_object_get_members (rates);
  double gflop = 0;
  for (GList *name = names; name; name = name->next) {
    double rate = json_object_get_double_member (rates, name->data);
    g_assert_cmpfloat (rate, >, 0);
    gflop += rate * json_object_get_double_member (layers, name->data) / 1e3;
  }
  g_assert_cmpfloat (json_object_get_double_member (object, "peak_gflops"), >, 0);
  g_assert_cmpfloat_with_epsilon (gflop, 2 * json_object_get_double_member (object, "gmac"), 1e-6 * gflop);
}

/* The roofline is that of the layers, by what is said of each. */
static void
check_roofline (JsonObject *object)
{
  JsonObject *layers = json_object_get_object_member (object, "layers"), *rates = json_object_get_object_member (object, "layer_gflops");
  JsonObject *traffic = json_object_get_object_member (object, "layer_gbytes");
  g_autoptr (GList) names = json_object_get_members (layers);
  double arithmetic = 0, memory = 0, roofline = 0;
  for (GList *name = names; name; name = name->next) {
    double rate = json_object_get_double_member_with_default (rates, name->data, 0);
    double computes = rate * json_object_get_double_member (layers, name->data) / json_object_get_double_member (object, "peak_gflops");
    double moves = 1e3 * json_object_get_double_member (traffic, name->data) / json_object_get_double_member (object, "peak_gb_per_s");
    g_assert_cmpfloat (moves, >, 0);
    arithmetic += computes;
    memory += moves;
    roofline += MAX (computes, moves);
  }
  g_assert_cmpfloat_with_epsilon (json_object_get_double_member (object, "arithmetic_ms"), arithmetic, 1e-6 * arithmetic);
  g_assert_cmpfloat_with_epsilon (json_object_get_double_member (object, "memory_ms"), memory, 1e-6 * memory);
  g_assert_cmpfloat_with_epsilon (json_object_get_double_member (object, "roofline_ms"), roofline, 1e-6 * roofline);
}

static void
test_bench (void)
{
  static const char *const members[] = { "device", "precision", "input", "batch", "first_ms", "median_ms", "min_ms", "p99_ms", "gmac", "gflops",
    "activation_bytes", "live_bytes", "weight_bytes", "plan_ms", "memory_ms", "pipelines_ms" };
  static const char *const lines[] = { "bench model.safetensors --json --input 64x48 --precision fp32 --layers",
    "bench model.safetensors --json --input 64x48 --train --batch 2" };
  for (guint l = 0; l < G_N_ELEMENTS (lines); l++) {
    g_autoptr (JsonNode) node = run_json (lines[l]);
    JsonObject *object = json_node_get_object (node);
    for (guint i = 0; i < G_N_ELEMENTS (members); i++)
      g_assert_true (json_object_has_member (object, members[i]));
    g_assert_cmpint (json_array_get_int_element (json_object_get_array_member (object, "input"), 0), ==, 48);
    g_assert_cmpfloat (json_object_get_double_member (object, "min_ms"), <=, json_object_get_double_member (object, "median_ms"));
    g_assert_cmpfloat (json_object_get_double_member (object, "first_ms"), >, 0);
    g_assert_cmpstr (json_object_get_string_member (object, "precision"), ==, "fp32");
    g_assert_cmpint (json_object_get_int_member (object, "live_bytes"), <=, json_object_get_int_member (object, "activation_bytes"));
    g_assert_true (json_object_has_member (object, "layers") == (l == 0));
    if (l == 0) {
      check_rates (object);
      check_roofline (object);
    }
  }
  /* so large that software drivers do some layers in pairs */
  g_autoptr (JsonNode) large = run_json ("bench model.safetensors --json --input 512x384 --precision fp32 --layers");
  check_rates (json_node_get_object (large));
  expect ("bench model.safetensors --batch 1000", 2, "1 to 256");
  expect ("bench model.safetensors --batch 0", 2, "1 to 256");
  expect ("bench model.safetensors --train --precision fp16", 2, "mixed");
  expect ("bench model.safetensors --precision mixed", 2, "fp16");
  expect ("bench model.safetensors --tune --train", 2, "inference alone");
}

/* Into a cache of its own: what is tuned here must not change what others compute. */
static void
test_tune (void)
{
  g_autofree char *before = g_strdup (g_getenv ("NDDR_CACHE")), *cache = in_folder ("tuned");
  g_setenv ("NDDR_CACHE", cache, TRUE);
  expect ("bench model.safetensors --tune --input 64x48 --precision fp32", 0, "estimated ms");
  g_autoptr (GDir) dir = g_dir_open (cache, 0, NULL);
  g_assert_nonnull (dir);
  int n = 0;
  g_autofree char *kept = NULL;
  for (const char *name; (name = g_dir_read_name (dir));)
    if (g_str_has_prefix (name, "tuning-") && n++ == 0)
      kept = g_build_filename (cache, name, NULL);
  g_assert_cmpint (n, ==, 1);
  expect ("bench model.safetensors --input 64x48 --precision fp32", 0, "arithmetic");
  /* what cannot be kept is not measured, which this size would show: no device has memory for it */
  g_assert_cmpint (g_unlink (kept), ==, 0);
  g_assert_cmpint (g_mkdir (kept, 0700), ==, 0);
  expect ("bench model.safetensors --tune --input 16384x16384 --batch 256 --precision fp32", 1, "is not a file that can be replaced");
  g_setenv ("NDDR_CACHE", "picture.png", TRUE); /* no folder */
  expect ("bench model.safetensors --tune --input 16384x16384 --batch 256 --precision fp32", 1, "picture.png");
  if (before)
    g_setenv ("NDDR_CACHE", before, TRUE);
  else
    g_unsetenv ("NDDR_CACHE");
}

static void
test_train (void)
{
  g_autofree char *log = in_folder ("run/log.jsonl"), *checkpoint = in_folder ("run/checkpoint.safetensors");
  expect ("train recipe.ini -o run " SMALL "--set train.steps=2", 0, "");
  g_assert_true (g_file_test (log, G_FILE_TEST_EXISTS));
  g_assert_true (g_file_test (checkpoint, G_FILE_TEST_EXISTS));
  expect ("info run/model.safetensors", 0, "vgg16");
  expect ("train recipe.ini -o never " SMALL "--set model.backbone=nope --set model.head_init=widen", 1, "nope");
  expect ("train recipe.ini -o never " SMALL "--set model.backbone=resnet18 --set model.head_init=widen", 1, "largefov heads can be, and aspp cannot");
  g_autofree char *report = in_folder ("run/report.html"), *other = in_folder ("other.html"), *page = NULL;
  g_assert_true (g_file_get_contents (report, &page, NULL, NULL));
  g_assert_nonnull (strstr (page, "<h1>run</h1>"));
  g_assert_null (strstr (page, "Confusion matrix")); /* without validation nothing is scored */
  g_clear_pointer (&page, g_free);
  expect ("report run -o other.html --data folder:data", 0, "");
  g_assert_true (g_file_get_contents (other, &page, NULL, NULL));
  g_assert_nonnull (strstr (page, "model.safetensors, of the last checkpoint, step 2<"));
  g_assert_nonnull (strstr (page, "Confusion matrix"));
  expect ("report data", 1, "data is no run");
  expect ("report run -o run/log.jsonl", 2, "would be replaced");
  expect ("report run -o run/checkpoint.safetensors", 2, "would be replaced");
  expect ("info run/checkpoint.safetensors", 1, "model.safetensors beside its checkpoint");
  expect ("report run --data folder:no-such", 1, "no-such");
  expect ("report", 2, "expected RUN");
  expect ("compare run", 1, "no validation in its log yet");
  expect ("compare run --json --markdown", 2, "exclude each other");
  expect ("train recipe.ini -o run " SMALL "--set train.steps=2", 1, "--resume");
  expect ("train recipe.ini", 2, "-o RUN is missing");
  g_autofree char *model = in_folder ("run/model.safetensors");
  g_assert_cmpint (g_unlink (model), ==, 0); /* a run that is done makes it again */
  expect ("train recipe.ini -o run --resume " SMALL "--set train.steps=2", 0, "");
  g_assert_true (g_file_test (model, G_FILE_TEST_EXISTS));
  expect ("train recipe.ini -o run3 --resume", 1, "start the run without --resume");
  expect ("train recipe.ini -o run2 --resume --init model.safetensors", 2, "exclude each other");
  expect ("train recipe.ini -o run2 --set train.lrate=1", 2, "no key lrate");
  expect ("train broken.ini -o run2", 1, "broken.ini: there is no key trane in section [data]; the nearest is train");
  expect ("train recipe.ini -o run2 --init model.safetensors", 1, "model.safetensors");
}

/* More tasks than can be trained. */
static void
test_many_tasks (void)
{
  g_autoptr (GString) line = g_string_new ("train recipe.ini -o never " SMALL "--set model.fusion=none --set model.tasks='t0:normal");
  for (int t = 1; t < 65; t++)
    g_string_append_printf (line, ";t%d:normal", t);
  g_string_append_c (line, '\'');
  expect (line->str, 1, "65 tasks cannot be trained together: expected at most 64");
}

/* A run names what it leaves out, what it computes again, and why it ends early. */
static void
test_train_says (void)
{
  static const char *const parts[] = { "holed/train/image/1.png is not a sound PNG", "[data] train: skipped, 1 of 3 samples so far",
    "activations are computed again in the backward pass, in ", "ended after step 2: in the last 1 validations loss did not get better than " };
  g_autofree char *out = NULL, *err = NULL;
  int status = run ("train recipe.ini -o says " SMALL "--set data.train=folder:holed,train --set data.val=folder:holed,val --set model.tasks=normal "
      "--set model.fusion=none --set train.steps=9 --set train.lr=1e-30 --set train.bn_momentum=0 --set train.val_every=1 --set train.patience=1 "
      "--set train.activation_checkpointing=on", &out, &err);
  if (status)
    g_error ("status %d: %s", status, err);
  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    if (!strstr (err, parts[i]))
      g_error ("\"%s\" was not said, but:\n%s", parts[i], err);
}

/* A run names what its teacher does not teach, and what of the teacher keeps it from starting. */
static void
test_train_teacher (void)
{
  g_autofree char *out = NULL, *err = NULL;
  int status = run ("train recipe.ini -o taught " SMALL "--set data.train=folder:holed,train --set data.val=folder:holed,val --set 'model.tasks=normal;depth' "
      "--set model.fusion=none --set train.steps=1 --set train.val_every=0 --set distillation.teacher=model.safetensors", &out, &err);
  if (status || !strstr (err, "[distillation] model.safetensors has no task depth, which learns from its labels alone") || strstr (err, "no task normal"))
    g_error ("status %d: %s", status, err);
  g_clear_pointer (&out, g_free);
  g_clear_pointer (&err, g_free);
  status = run ("train recipe.ini -o untaught " SMALL "--set data.train=folder:holed,train --set data.val=folder:holed,val --set model.tasks=depth "
      "--set model.fusion=none --set distillation.teacher=model.safetensors", &out, &err);
  if (status != 1 || !strstr (err, "[distillation] teacher: model.safetensors: it has none of this network's tasks"))
    g_error ("status %d: %s", status, err);
}

/* A trunk by the names that torchvision has; the other files that can be imported are in tests/import. */
static void
make_backbone (const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *model_path = in_folder ("model.safetensors");
  g_autoptr (NddrModel) model = nddr_model_load (model_path, &error);
  g_assert_no_error (error);
  const NddrArrays *tensors = nddr_model_get_tensors (model);
  g_autoptr (NddrArrays) backbone = nddr_arrays_new ();
  for (guint i = 0; i < tensors->arrays->len; i++) {
    const NddrArray *from = tensors->arrays->pdata[i];
    if (!g_str_has_prefix (from->name, "normal.features."))
      continue;
    nddr_arrays_take (backbone, nddr_array_copy (from, from->name + strlen ("normal."), NULL));
  }
  nddr_safetensors_write (backbone, path, NDDR_STORE_F32, &error);
  g_assert_no_error (error);
}

static void
test_average (void)
{
  expect ("average model.safetensors model.safetensors -o mean.safetensors --half", 0, "");
  expect ("info mean.safetensors", 0, "backbone      mobilenet_v2, width 0.25");
  expect ("average model.safetensors", 2, "something is missing");
  expect ("average model.safetensors mean.safetensors", 2, "-o MODEL is missing");
  expect ("average model.safetensors mean.safetensors -o model.safetensors", 2, "would be replaced");
  expect ("average model.safetensors mean.safetensors -o ./mean.safetensors", 2, "would be replaced");
  expect ("average model.safetensors no-such.safetensors -o again.safetensors", 1, "no-such.safetensors");
}

/* The name of a broken picture reaches the terminal as text alone. */
static void
test_broken_name (void)
{
  g_autofree char *data = fixture_path (folder, "named"), *torn = fixture_path (data, "val/image/\033]0;mine\a.png"), *out = NULL, *err = NULL;
  g_autofree char *labels = fixture_path (data, "val/segmentation"), *classes = fixture_path (data, "classes.txt");
  g_autoptr (NddrSample) sample = fixture_sample (60, 44, 2);
  fixture_write_splits (data, 0, 2);
  fixture_write_sample (data, "val", "\033]0;mine\a", sample, FALSE);
  fixture_remove (g_steal_pointer (&labels)); /* whose classes are not the model's */
  g_unlink (classes);
  fixture_write (torn, "\x89PNG\r\n\x1a\n", 8); /* cut short */
  int status = run ("eval model.safetensors folder:named --skip-broken", &out, &err);
  if (status || !strstr (err, "\xef\xbf\xbd]0;mine\xef\xbf\xbd.png") || !strstr (err, "skipped 1 of 3 samples"))
    g_error ("status %d: %s", status, err);
}

static void
test_import (void)
{
  static const char classes[] = "wall #102030\nfloor #f0e0d0\n";
  g_autofree char *path = in_folder ("backbone.safetensors"), *classes_path = in_folder ("two.txt"), *out = NULL, *err = NULL;
  make_backbone (path);
  fixture_write (classes_path, classes, strlen (classes));
  g_assert_cmpint (run ("import backbone.safetensors -o imported.safetensors --set model.head_width=0.015625", &out, &err), ==, 0);
  g_assert_cmpstr (out, ==, "");
  g_assert_nonnull (strstr (err, "MobileNet V2 with torchvision's names"));
  expect ("info imported.safetensors", 0, "backbone      mobilenet_v2, width 0.25");
  expect ("import backbone.safetensors -o imported.safetensors --set model.head_width=0.015625 --classes two.txt --tasks where:segmentation "
      "--input 96x64", 0, "");
  expect ("info imported.safetensors", 0, "task          where (segmentation: 0 wall, 1 floor)");
  expect ("info imported.safetensors", 0, "input         96x64");
  expect ("infer imported.safetensors picture.png -o imported", 0, "");
  expect ("import imported.safetensors -o again.safetensors", 1, "is a model of nddr already");
  expect ("import picture.png -o again.safetensors", 1, "picture.png");
  expect ("import no-such.safetensors -o again.safetensors", 1, "no-such.safetensors");
  expect ("import backbone.safetensors", 2, "-o MODEL is missing");
  expect ("import backbone.safetensors -o backbone.safetensors", 2, "would be replaced");
  expect ("import backbone.safetensors -o two.txt --classes two.txt", 2, "would be replaced");
  expect ("import backbone.safetensors -o again.safetensors --set train.lr=1", 2, "expected model.KEY=VALUE");
  expect ("import backbone.safetensors -o again.safetensors --input 96x64 --set model.input=64x64", 2, "an option says that already");
  expect ("import backbone.safetensors -o again.safetensors --set model.head_width=0.015625 --tasks normal --classes two.txt", 2,
      "no task of the model is a segmentation");
  expect ("import backbone.safetensors -o again.safetensors --input 1x1", 2, "1x1 is no size");
  expect ("import backbone.safetensors -o again.safetensors --classes no-such.txt", 1, "no-such.txt");
}

/* What the file holds is compared in tests/export. */
static void
test_export (void)
{
  g_autofree char *path = in_folder ("model.onnx"), *onnx = NULL, *model_path = in_folder ("model.safetensors"), *before = NULL, *after = NULL;
  gsize bytes, bytes_before, bytes_after;
  expect ("export model.safetensors -o model.onnx", 0, "");
  g_assert_true (g_file_get_contents (path, &onnx, &bytes, NULL));
  g_assert_cmpmem (onnx, 2, "\x08\x08", 2); /* ir_version: 8 */
  expect ("export model.safetensors", 2, "-o FILE is missing");
  expect ("export -o model.onnx", 2, "expected MODEL");
  expect ("export no-such.safetensors -o other.onnx", 1, "no-such.safetensors");
  expect ("export picture.png -o other.onnx", 1, "picture.png");
  expect ("export model.safetensors -o no-such/other.onnx", 1, "no-such/other.onnx: cannot be written");
  g_assert_true (g_file_get_contents (model_path, &before, &bytes_before, NULL));
  expect ("export model.safetensors -o ./model.safetensors", 2, "would be replaced");
  g_assert_true (g_file_get_contents (model_path, &after, &bytes_after, NULL));
  g_assert_cmpmem (before, bytes_before, after, bytes_after);
}

int
main (int argc, char **argv)
{
  tool_init (&argc, &argv);
  g_test_add_func ("/tool/help", test_help);
  g_test_add_func ("/tool/documents", test_documents);
  g_test_add_func ("/tool/completion", test_completion);
  g_test_add_func ("/tool/devices", test_devices);
  g_test_add_func ("/tool/info", test_info);
  g_test_add_func ("/tool/infer", test_infer);
  g_test_add_func ("/tool/eval", test_eval);
  g_test_add_func ("/tool/synth", test_synth);
  g_test_add_func ("/tool/bench", test_bench);
  g_test_add_func ("/tool/tune", test_tune);
  g_test_add_func ("/tool/average", test_average);
  g_test_add_func ("/tool/broken-name", test_broken_name);
  g_test_add_func ("/tool/import", test_import);
  g_test_add_func ("/tool/export", test_export);
  g_test_add_func ("/tool/train", test_train);
  g_test_add_func ("/tool/many-tasks", test_many_tasks);
  g_test_add_func ("/tool/train-says", test_train_says);
  g_test_add_func ("/tool/train-teacher", test_train_teacher);
  return tool_run_tests ();
}
