/* Any bytes as a model file and as a config: either is an error or is well made.
 *
 * An ordinary test runs it over corpus/model and changed copies of it (run-corpus.c).  To search on, with clang:
 *
 *   clang -g -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined -I. -Ibuild $(pkg-config --cflags --libs glib-2.0 json-glib-1.0) -lm \
 *     tests/fuzz/fuzz-model.c \
 *     nddr/{error,json,arrays,safetensors,whole-file,config,config-json,model,builder,vgg16,mobilenet,resnet,fusion,mixing,head,network}.c -o fuzz-model
 *   ./fuzz-model tests/fuzz/corpus/model
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <nddr/model.h>
#include <nddr/network.h>

/* What parsed must come back the same from its own JSON, and give a network or an error. */
static void
try_config (const char *json)
{
  g_autoptr (NddrConfig) config = nddr_config_parse (json, NULL), again = NULL;
  g_autoptr (NddrNetwork) network = NULL;
  g_autofree char *first = NULL, *second = NULL;
  g_autoptr (GError) error = NULL;

  if (config == NULL)
    return;
  first = nddr_config_to_json (config);
  again = nddr_config_parse (first, &error);
  g_assert_no_error (error);
  second = nddr_config_to_json (again);
  g_assert_cmpstr (first, ==, second);
  network = nddr_network_new (config, NULL, NULL, &error);
  g_assert_true ((network == NULL) == (error != NULL));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrArrays) tensors = NULL;
  g_autoptr (NddrModel) model = NULL;
  g_autofree char *text = g_strndup ((const char *) data, size);
  char path[32];
  int fd = fuzz_file (data, size, path);

  tensors = nddr_safetensors_read (path, TRUE, &error);
  g_assert_true ((tensors == NULL) == (error != NULL));
  g_clear_error (&error);
  model = nddr_model_load (path, &error);
  g_assert_true ((model == NULL) == (error != NULL));
  if (tensors != NULL && g_hash_table_contains (tensors->metadata, "config"))
    try_config (g_hash_table_lookup (tensors->metadata, "config"));
  close (fd);
  try_config (text);
  return 0;
}
