/* JSON from files that nobody vouches for.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>
#include <nddr/nddr-error.h>

G_BEGIN_DECLS

/** Parses @length bytes that must hold one JSON object and nothing else.  Beyond what json-glib checks: UTF-8, no
 * deeper than a few levels (its parser recurses), nothing that JSON lacks (comments, other quotes), and no member
 * named twice.  @what: what is being parsed, for the message.  (transfer full) */
JsonNode *nddr_json_parse_object (const char *text, gsize length, const char *what, GError **error);

G_END_DECLS
