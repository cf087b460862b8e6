/* Any bytes as a MAT-file: an error, or an array's numbers.
 *
 * An ordinary test runs it over MAT-files and changed copies of them (run-corpus.c).  To search on, with clang:
 *
 *   clang -g -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined -I. -Ibuild $(pkg-config --cflags --libs glib-2.0 zlib) \
 *     tests/fuzz/fuzz-mat5.c train/mat5.c nddr/{error,whole-file}.c -o fuzz-mat5
 *   ./fuzz-mat5 tests/train/golden
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <train/mat5.h>

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const char *const names[] = { "mapClass", "many", "allClassName", "nothing" };
  char path[32];
  int fd = fuzz_file (data, size, path);

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autoptr (GError) error = NULL;
    gsize n = 0;
    g_autofree double *numbers = nddr_mat5_read (path, names[i], &n, &error);
    volatile double sum = 0;

    g_assert_true ((numbers == NULL) == (error != NULL));
    for (gsize k = 0; numbers && k < n; k++)
      sum += numbers[k];
  }
  close (fd);
  return 0;
}
