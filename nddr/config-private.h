/* What a config's rules and its JSON share: limits, names, and how errors begin.  config.c has the rules, config-json.c reads and writes it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/config.h>
#include <nddr/error.h>

G_BEGIN_DECLS

#define MAX_TASKS 256
#define MAX_CLASSES 255

static const char *const backbone_names[] = { "vgg16", "mobilenet_v2", "resnet18", "resnet50", "resnet101", NULL };
static const char *const fusion_names[] = { "none", "shared", "cross-stitch", "sluice", "nddr", NULL };
static const char *const head_names[] = { "largefov", "aspp", NULL };
static const char *const task_kind_names[] = { "segmentation", "normal", "depth", NULL };
static const char *const pool_padding_names[] = { "both", "same", "end", NULL };
static const char *const resize_mode_names[] = { "half-pixel", "align-corners", "asymmetric", NULL };

static inline int
from_name (const char *const *names, const char *name)
{
  for (int i = 0; names[i] != NULL; i++)
    if (g_str_equal (names[i], name))
      return i;
  return -1;
}

#define bad(error, ...) nddr_fail (error, NDDR_ERROR_FORMAT, "config: " __VA_ARGS__)

G_END_DECLS
