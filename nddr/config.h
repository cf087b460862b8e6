/* What a model's "config" says: which network, which tasks, how its input is prepared.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/nddr-model.h>

G_BEGIN_DECLS

typedef enum { NDDR_BACKBONE_VGG16, NDDR_BACKBONE_MOBILENET_V2, NDDR_BACKBONE_RESNET18, NDDR_BACKBONE_RESNET50, NDDR_BACKBONE_RESNET101 } NddrBackbone;
typedef enum { NDDR_FUSION_NONE, NDDR_FUSION_SHARED, NDDR_FUSION_CROSS_STITCH, NDDR_FUSION_SLUICE, NDDR_FUSION_NDDR } NddrFusion;
typedef enum { NDDR_HEAD_LARGEFOV, NDDR_HEAD_ASPP } NddrHead;
typedef enum { NDDR_POOL_BOTH, NDDR_POOL_SAME, NDDR_POOL_END } NddrPoolPadding;
typedef enum { NDDR_RESIZE_HALF_PIXEL, NDDR_RESIZE_ALIGN_CORNERS, NDDR_RESIZE_ASYMMETRIC } NddrResizeMode;

/** Plain data; see docs/model-format.md for each field's meaning, default and range. */
typedef struct
{
  NddrBackbone backbone;
  double width, head_width;
  NddrFusion fusion;
  gboolean shortcut;
  NddrHead head;
  NddrTask *tasks;
  guint n_tasks;
  guint input_width, input_height;
  double mean[3], std[3]; /* RGB in [0, 1] */
  guint output_stride;
  double norm_eps;
  NddrPoolPadding pool_padding;
  NddrResizeMode resize;
} NddrConfig;

/** Parses and checks; unknown keys are errors that name the key. */
NddrConfig *nddr_config_parse (const char *json, GError **error);
/** (transfer full): every key, so that reading it back gives the same config. */
char *nddr_config_to_json (const NddrConfig *config);
NddrConfig *nddr_config_copy (const NddrConfig *config);
void nddr_config_free (NddrConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrConfig, nddr_config_free)
/** Checks ranges and that the parts go together; nddr_config_parse() has called it. */
gboolean nddr_config_validate (const NddrConfig *config, GError **error);

/** Whether a task of that kind is there. */
gboolean nddr_config_has_kind (const NddrConfig *config, NddrTaskKind kind);

/** A width c of the full network, scaled: max (8, 8 * floor (c * width / 8 + 0.5)). */
guint nddr_config_scale (guint c, double width);

/* The names that files and configurations use, both ways. -1 where the name is unknown. */
const char *nddr_backbone_name (NddrBackbone b);
int nddr_backbone_from_name (const char *name);
const char *nddr_fusion_name (NddrFusion f);
int nddr_fusion_from_name (const char *name);
const char *nddr_head_name (NddrHead h);
int nddr_head_from_name (const char *name);
const char *nddr_task_kind_name (NddrTaskKind k);
int nddr_task_kind_from_name (const char *name);
const char *nddr_pool_padding_name (NddrPoolPadding p);
int nddr_pool_padding_from_name (const char *name);
const char *nddr_resize_mode_name (NddrResizeMode r);
int nddr_resize_mode_from_name (const char *name);

G_END_DECLS
