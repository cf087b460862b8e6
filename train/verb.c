/* See verb.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/verb.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A number given as an argument, such as -1, must not be taken for an option; GOption knows "--" alone. */
gboolean
nddr_verb_parse (int *argc, char ***argv, const char *arguments, const char *summary, const GOptionEntry *entries, int min_args, int max_args)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *verb = g_strdup ((*argv)[0]), *name = g_strconcat ("nddr ", (*argv)[0], NULL);
  g_autoptr (GOptionContext) context = g_option_context_new (arguments);
  g_set_prgname (name);
  g_option_context_set_summary (context, summary);
  if (entries)
    g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, argc, argv, &error)) {
    nddr_verb_misuse (verb, "%s", error->message);
    return FALSE;
  }
  /* the first "--" itself is left where an argument behind it begins with a dash */
  for (int i = 1; i < *argc; i++)
    if (g_str_equal ((*argv)[i], "--")) {
      memmove (*argv + i, *argv + i + 1, (*argc - i) * sizeof **argv); /* with the NULL at the end */
      (*argc)--;
      break;
    }
  int n = *argc - 1;
  if (n >= min_args && (max_args < 0 || n <= max_args))
    return TRUE;
  nddr_verb_misuse (verb, "%s: expected %s", n < min_args ? "something is missing" : "too many arguments", arguments ? arguments : "no arguments");
  return FALSE;
}

char *
nddr_verb_printable (const char *text)
{
  GString *printable = g_string_new (NULL);
  for (const char *c = text, *next; *c; c = next) {
    gunichar letter = g_utf8_get_char_validated (c, -1);
    gboolean is_utf8 = letter < 0x80000000; /* a file's name may be any bytes */
    next = is_utf8 ? g_utf8_next_char (c) : c + 1;
    if (is_utf8 && g_unichar_iscntrl (letter) && letter != '\n')
      g_string_append (printable, "\xef\xbf\xbd");
    else
      g_string_append_len (printable, c, next - c);
  }
  return g_string_free (printable, FALSE);
}

int
nddr_verb_fail (const char *verb, const GError *error)
{
  g_printerr ("nddr %s: %s\n", verb, error->message);
  return NDDR_EXIT_FAILED;
}

int
nddr_verb_misuse (const char *verb, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *message = g_strdup_vprintf (format, args);
  va_end (args);
  g_printerr ("nddr %s: %s\nTry: nddr %s --help\n", verb, message, verb);
  return NDDR_EXIT_USAGE;
}

gboolean
nddr_verb_check_output (const char *verb, const char *output, const char *what, const char *input)
{
  if (output)
    return nddr_verb_check_distinct (verb, "-o", output, input);
  nddr_verb_misuse (verb, "-o %s is missing: the file to write", what);
  return FALSE;
}

gboolean
nddr_verb_check_distinct (const char *verb, const char *option, const char *output, const char *input)
{
  struct stat in, out;
  if (stat (input, &in) != 0 || stat (output, &out) != 0 || in.st_dev != out.st_dev || in.st_ino != out.st_ino)
    return TRUE;
  nddr_verb_misuse (verb, "%s %s is the file that is read, and would be replaced: give another name", option, output);
  return FALSE;
}

gboolean
nddr_verb_parse_size (const char *verb, const char *text, guint *width, guint *height)
{
  if (!text)
    return TRUE;
  g_auto (GStrv) parts = g_strsplit (text, "x", 2);
  guint64 sizes[2];
  for (int i = 0; i < 2; i++)
    if (!parts[0] || !parts[i] || !g_ascii_string_to_unsigned (parts[i], 10, 32, 16384, &sizes[i], NULL)) {
      nddr_verb_misuse (verb, "%s is no size: expected WIDTHxHEIGHT, each from 32 to 16384, as in 256x192", text);
      return FALSE;
    }
  *width = sizes[0];
  *height = sizes[1];
  return TRUE;
}

gboolean
nddr_verb_parse_precision (const char *verb, const char *text, NddrPrecision *precision)
{
  static const char *const names[] = { "auto", "fp32", "fp16" };
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (!text || g_str_equal (text, names[i])) {
      *precision = (NddrPrecision) i;
      return TRUE;
    }
  nddr_verb_misuse (verb, "--precision %s: expected auto, fp32 or fp16", text);
  return FALSE;
}
