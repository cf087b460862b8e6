/* The tool's verbs, and what they share.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/nddr-session.h>

G_BEGIN_DECLS

/** Exit statuses. */
enum { NDDR_EXIT_DONE, NDDR_EXIT_FAILED, NDDR_EXIT_USAGE };

/* Each: @argv[0] is the verb; returns an exit status. */
int nddr_verb_average (int argc, char **argv);
int nddr_verb_bench (int argc, char **argv);
int nddr_verb_compare (int argc, char **argv);
int nddr_verb_devices (int argc, char **argv);
int nddr_verb_eval (int argc, char **argv);
int nddr_verb_export (int argc, char **argv);
int nddr_verb_import (int argc, char **argv);
int nddr_verb_infer (int argc, char **argv);
int nddr_verb_info (int argc, char **argv);
int nddr_verb_report (int argc, char **argv);
int nddr_verb_synth (int argc, char **argv);
int nddr_verb_train (int argc, char **argv);

/** Parses a verb's options; what is left in @argv are its arguments.
 * @summary: one line for --help
 * @min_args, @max_args: how many arguments (@max_args -1: any number)
 * Returns: TRUE; or FALSE after saying on standard error what was wrong: then the verb returns NDDR_EXIT_USAGE */
gboolean nddr_verb_parse (int *argc, char ***argv, const char *arguments, const char *summary, const GOptionEntry *entries, int min_args,
    int max_args);

/** (transfer full): @text, which may be a file's, with U+FFFD for what would move a terminal's cursor or do worse. */
char *nddr_verb_printable (const char *text);
/** Says "nddr VERB: MESSAGE" on standard error.  Returns NDDR_EXIT_FAILED. */
int nddr_verb_fail (const char *verb, const GError *error);
/** The same for a wrong command line, with where to read more.  Returns NDDR_EXIT_USAGE. */
int nddr_verb_misuse (const char *verb, const char *format, ...) G_GNUC_PRINTF (2, 3);

/** Checks that -o was given and would not replace @input, what is read.  @what: of the file for --help.  FALSE after saying what was
 * wrong. */
gboolean nddr_verb_check_output (const char *verb, const char *output, const char *what, const char *input);
/** Checks that @output, given with @option, would not replace @input.  FALSE after saying so. */
gboolean nddr_verb_check_distinct (const char *verb, const char *option, const char *output, const char *input);
/** "WxH", each at least 32; NULL leaves both as they are.  FALSE after saying what was wrong. */
gboolean nddr_verb_parse_size (const char *verb, const char *text, guint *width, guint *height);
/** "auto", "fp32" or "fp16"; NULL is auto.  FALSE after saying what was wrong. */
gboolean nddr_verb_parse_precision (const char *verb, const char *text, NddrPrecision *precision);

G_END_DECLS
