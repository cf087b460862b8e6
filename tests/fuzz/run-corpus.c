/* Runs a fuzz target over the files of a folder, and over some thousand changed copies of each, the same every time.
 *
 *   run-corpus FOLDER [CHANGES]
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bits flipped, pieces removed, doubled or replaced by what parsers stumble over. */
static void
change (GByteArray *bytes, GRand *rand)
{
  static const char *const pieces[] = { "\"", "[", "]", "{", "}", ",", "-1", "1e999", "99999999999999999999", "null", "\xff", "\\", "0", "\\u0000", ":" };

  for (int n = g_rand_int_range (rand, 1, 5); n > 0 && bytes->len > 1; n--) {
    guint at = (guint) g_rand_int_range (rand, 0, (gint32) bytes->len), length = (guint) g_rand_int_range (rand, 1, 17);
    const char *piece = pieces[g_rand_int_range (rand, 0, G_N_ELEMENTS (pieces))];

    length = MIN (length, bytes->len - at);
    switch (g_rand_int_range (rand, 0, 4)) {
      case 0:
        bytes->data[at] ^= (guint8) (1 << g_rand_int_range (rand, 0, 8));
        break;
      case 1:
        g_byte_array_remove_range (bytes, at, length);
        break;
      case 2: {
        g_autofree guint8 *copy = g_memdup2 (bytes->data + at, length);
        g_byte_array_append (bytes, copy, length);
        break;
      }
      default:
        memcpy (bytes->data + at, piece, MIN (bytes->len - at, strlen (piece)));
    }
  }
}

int
main (int argc, char **argv)
{
  int changes = argc > 2 ? atoi (argv[2]) : 10000, files = 0;
  g_autoptr (GDir) dir = argc > 1 ? g_dir_open (argv[1], 0, NULL) : NULL;
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);

  for (const char *name = dir ? g_dir_read_name (dir) : NULL; name != NULL; name = g_dir_read_name (dir)) {
    g_autofree char *path = g_build_filename (argv[1], name, NULL), *content = NULL;
    gsize length;

    if (!g_file_get_contents (path, &content, &length, NULL))
      return 1;
    LLVMFuzzerTestOneInput ((const uint8_t *) content, length);
    for (int i = 0; i < changes; i++) {
      g_autoptr (GByteArray) bytes = g_byte_array_new ();

      g_byte_array_append (bytes, (const guint8 *) content, (guint) length);
      change (bytes, rand);
      LLVMFuzzerTestOneInput (bytes->data, bytes->len);
    }
    files++;
  }
  printf ("%d files, %d changed copies of each\n", files, changes);
  return files > 0 ? 0 : 1;
}
