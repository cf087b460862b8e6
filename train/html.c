/* See html.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/html.h>

#include <nddr/whole-file.h>

#include <locale.h>
#include <string.h>

#include "report-style.h"

GString *
nddr_html_begin (const char *title)
{
  GString *html = g_string_new ("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                                "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n"
                                "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                                "<meta name=\"color-scheme\" content=\"light dark\">\n");
  nddr_html_add (html, "<title>%s</title>\n", title);
  g_string_append_printf (html, "<style>\n%s</style>\n</head>\n<body>\n", nddr_report_style);
  return html;
}

gboolean
nddr_html_finish (GString *html, const char *path, GError **error)
{
  g_string_append (html, "</body>\n</html>\n");
  gboolean fine = nddr_whole_file_write (path, html->str, html->len, error);
  g_string_free (html, TRUE);
  return fine;
}

/* The locale whose numbers HTML, CSS and SVG are written with; made once. */
static locale_t
plain_numbers (void)
{
  static gsize made;
  if (g_once_init_enter (&made))
    g_once_init_leave (&made, (gsize) newlocale (LC_NUMERIC_MASK, "C", duplocale (LC_GLOBAL_LOCALE)));
  return (locale_t) made;
}

/* Formats as g_strdup_vprintf(); each string that is printed is escaped. */
void
nddr_html_add (GString *html, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  locale_t before = uselocale (plain_numbers ());
  g_autofree char *escaped = g_markup_vprintf_escaped (format, args);
  uselocale (before);
  va_end (args);
  /* what GLib writes of control characters, &#x1b; and the like, is no HTML */
  g_autofree char *valid = g_utf8_make_valid (escaped, -1);
  for (const char *p = valid; *p;)
    if (g_str_has_prefix (p, "&#x")) {
      g_string_append (html, "\357\277\275"); /* U+FFFD */
      p = strchr (p, ';') + 1;
    } else
      g_string_append_c (html, *p++);
}

void
nddr_html_add_picture (GString *html, const NddrPicture *picture, guint width, guint height, const char *alternative)
{
  gsize n;
  gconstpointer bytes = g_bytes_get_data (picture->bytes, &n);
  g_autofree char *base64 = g_base64_encode (bytes, n);
  nddr_html_add (html, "<img width=\"%u\" height=\"%u\" alt=\"%s\" src=\"data:%s;base64,", width, height, alternative, picture->mime);
  g_string_append_printf (html, "%s\">", base64);
}
