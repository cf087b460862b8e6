/* A scene: solids in a room, found by rays.
 *
 * Metres; x to the right, y up, z toward the viewer; the floor is y = 0.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/synth/material.h>

/** The classes of NYUv2's 13, in their order. */
typedef enum
{
  CLASS_BED, CLASS_BOOKS, CLASS_CEILING, CLASS_CHAIR, CLASS_FLOOR, CLASS_FURNITURE, CLASS_OBJECTS, CLASS_PICTURE, CLASS_SOFA,
  CLASS_TABLE, CLASS_TV, CLASS_WALL, CLASS_WINDOW,
  N_CLASSES
} Class;

typedef enum
{
  SOLID_BOX,
  SOLID_ROUND,     /* a box with edges rounded by `rounding` */
  SOLID_CYLINDER,  /* about its y; half.x is the radius below, half.z that above: a cone's stump where they differ */
  SOLID_ELLIPSOID,
} SolidKind;

typedef struct
{
  SolidKind kind;
  Class class;
  guint16 material;
  gboolean clear;  /* light passes: bulbs, shades, panes */
  V3 centre, half; /* half the size along its own axes */
  Basis basis;
  float rounding;
  V3 low, high;    /* what it spans in the room */
} Solid;

typedef enum { LIGHT_BALL, LIGHT_PANE } LightKind;

/** Something that shines.  `power`: a ball's radiant intensity; a pane's radiance, toward `normal` alone. */
typedef struct
{
  LightKind kind;
  V3 centre, u, v, normal; /* a pane's half edges */
  float radius;
  V3 power;
} Light;

#define SCENE_MAX_LIGHTS 6

typedef struct
{
  guint32 first; /* of a leaf's solids; else the second child: the first one follows its parent */
  guint16 n;     /* solids of a leaf; 0: not a leaf */
  guint16 axis;  /* along which the first child comes before the second */
  V3 low, high;
} Node;

typedef struct
{
  V3 size;          /* of the room: x and z about 0, y from 0 */
  guint16 wall_material[4], floor_material, ceiling_material; /* walls at -x, +x, -z, +z */
  GArray *solids;   /* of Solid */
  GArray *materials; /* of Material */
  GArray *nodes;    /* of Node; made by scene_finish() */
  Light lights[SCENE_MAX_LIGHTS];
  guint n_lights;
  gboolean has_sun;
  V3 sun_direction, sun_power; /* toward the sun; shines through panes */
  V3 ambient;       /* what reaches every corner */
} Scene;

Scene *scene_new (V3 size);
void scene_free (Scene *scene);
guint16 scene_add_material (Scene *scene, Material material);
void scene_add_solid (Scene *scene, Solid solid);
void scene_add_light (Scene *scene, Light light);
/** To be called once all is in its place. */
void scene_finish (Scene *scene);

typedef struct
{
  float t;
  V3 point, normal;       /* in the room; the normal points to where the ray came from */
  V3 local, local_normal; /* within the solid, or the room */
  V3 half;                /* of the solid */
  Class class;
  guint16 material;
  int solid;              /* -1 - face for the room's own faces */
} Hit;

/** What a ray from inside the room meets first; there is always something. @direction: unit length. */
void scene_trace (const Scene *scene, V3 origin, V3 direction, Hit *hit);
/** The same, where it is known that nothing lies before @known (a Hit's `solid`); FALSE where the ray does not meet that. */
gboolean scene_trace_again (const Scene *scene, V3 origin, V3 direction, int known, Hit *hit);
/** Whether a solid that is not clear lies before @distance. */
gboolean scene_blocked (const Scene *scene, V3 origin, V3 direction, float distance);
/** What a surface reflects and shines by itself. */
Surface scene_surface (const Scene *scene, const Hit *hit);
