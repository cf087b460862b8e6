/* The 40 classes of NYU Depth v2 that papers score, in their published order and spelling, and the 13 that they are brought to.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "train/classes.h"
#include "train/synth/synth.h"

/* Colours are ours: hues a golden section apart, so that neighbours in the list are easily told apart. */
static const struct
{
  const char *name;
  guint32 color;
} nyu_classes[] = {
  { "wall", 0xb83e2e },
  { "floor", 0x7386e6 },
  { "cabinet", 0x498c0e },
  { "bed", 0xd134ab },
  { "chair", 0x5cb8b3 },
  { "sofa", 0xe69f17 },
  { "table", 0x4a238c },
  { "door", 0x69d171 },
  { "window", 0xb81236 },
  { "bookshelf", 0x3990e6 },
  { "picture", 0x7e8c46 },
  { "counter", 0xc015d1 },
  { "blinds", 0x2eb883 },
  { "desk", 0xe69873 },
  { "shelves", 0x120e8c },
  { "curtain", 0x5dd134 },
  { "dresser", 0xb85c8e },
  { "pillow", 0x17c5e6 },
  { "mirror", 0x8c7e23 },
  { "floor mat", 0xa569d1 },
  { "clothes", 0x12b841 },
  { "ceiling", 0xe6393b },
  { "books", 0x465b8c },
  { "refridgerator", 0x84d115 },
  { "television", 0xb82ea8 },
  { "paper", 0x73e6d1 },
  { "towel", 0x8c510e },
  { "shower curtain", 0x5a34d1 },
  { "box", 0x60b85c },
  { "whiteboard", 0xe6175e },
  { "person", 0x23668c },
  { "night stand", 0xc9d169 },
  { "toilet", 0x9412b8 },
  { "sink", 0x39e68e },
  { "lamp", 0x8c5446 },
  { "bathtub", 0x1526d1 },
  { "bag", 0x63b82e },
  { "otherstructure", 0xe673c0 },
  { "otherfurniture", 0x0e888c },
  { "otherprop", 0xd1a834 },
};

NddrClass *
nddr_classes_nyu40 (guint *n)
{
  *n = G_N_ELEMENTS (nyu_classes);
  NddrClass *classes = g_new0 (NddrClass, *n);
  for (guint i = 0; i < *n; i++)
    classes[i] = (NddrClass) { g_strdup (nyu_classes[i].name), nyu_classes[i].color };
  return classes;
}

NddrClass *
nddr_classes_nyu13 (guint *n)
{
  *n = N_CLASSES;
  NddrClass *classes = g_new0 (NddrClass, *n);
  for (guint i = 0; i < *n; i++)
    classes[i] = (NddrClass) { g_strdup (nddr_synth_classes[i].name), nddr_synth_classes[i].color };
  return classes;
}

const guint8 nddr_nyu13_of_nyu40[NDDR_NYU40_CLASSES] = {
  CLASS_WALL, CLASS_FLOOR, CLASS_FURNITURE, CLASS_BED, CLASS_CHAIR, CLASS_SOFA, CLASS_TABLE, CLASS_WALL, CLASS_WINDOW, CLASS_FURNITURE,
  CLASS_PICTURE, CLASS_FURNITURE, CLASS_WINDOW, CLASS_TABLE, CLASS_FURNITURE, CLASS_WINDOW, CLASS_FURNITURE, CLASS_OBJECTS, CLASS_OBJECTS, CLASS_FLOOR,
  CLASS_OBJECTS, CLASS_CEILING, CLASS_BOOKS, CLASS_FURNITURE, CLASS_TV, CLASS_OBJECTS, CLASS_OBJECTS, CLASS_OBJECTS, CLASS_OBJECTS, CLASS_OBJECTS,
  CLASS_OBJECTS, CLASS_FURNITURE, CLASS_OBJECTS, CLASS_OBJECTS, CLASS_OBJECTS, CLASS_OBJECTS, CLASS_OBJECTS, CLASS_OBJECTS, CLASS_FURNITURE, CLASS_OBJECTS,
};
