/* HTML: a page in one file that loads nothing, and text and numbers put into it safely.
 *
 * Whatever comes from files (class names, paths, configurations) enters a page through nddr_html_add(), which escapes it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/gallery.h>

G_BEGIN_DECLS

/** (transfer full): a page's beginning, up to its body: its style, and a policy that lets a browser load nothing from anywhere. */
GString *nddr_html_begin (const char *title);
/** Ends the page and writes it beside @path, then renames it. Frees @html. */
gboolean nddr_html_finish (GString *html, const char *path, GError **error);

/** Appends as printf() does. Strings given as %s are escaped, also for attributes' values in quotes, and made valid UTF-8 without control characters;
 * numbers have a decimal point whatever the locale. @format itself is markup; it may not take widths or precisions
 * from arguments (*), which GLib's escaping does not know. */
void nddr_html_add (GString *html, const char *format, ...) G_GNUC_PRINTF (2, 3);

/** Appends an <img> with the picture in it. */
void nddr_html_add_picture (GString *html, const NddrPicture *picture, guint width, guint height, const char *alternative);

G_END_DECLS
