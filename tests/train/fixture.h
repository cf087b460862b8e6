/* Folders with pictures for tests, written by libpng's simplified interface and libjpeg: not by the code under test.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "nddr/config.h"
#include "train/sample.h"

/** A new folder under the system's temporary one; removed with all it holds by fixture_remove(). */
char *fixture_folder (void);
void fixture_remove (char *folder);

/** Makes the folders that @path lies in. @format, …: the path, under @folder. */
char *fixture_path (const char *folder, const char *format, ...) G_GNUC_PRINTF (2, 3);
void fixture_write (const char *path, gconstpointer data, gsize bytes);

/** @channels: 1, 3 or 4 with 8 bits, or 1 with 16. */
void fixture_write_png (const char *path, guint width, guint height, guint channels, guint bits, gconstpointer data);
void fixture_write_jpeg (const char *path, guint width, guint height, guint channels, const guint8 *data);
/** Likewise, RGB, with an APP1 marker that holds @app1, and another before it that is XMP's. */
void fixture_write_jpeg_app1 (const char *path, guint width, guint height, const guint8 *data, const guint8 *app1, guint size);

/** A sample whose pixels all differ: picture smooth, ids 0 … 12 with some 255, normals over the front half sphere with some invalid,
 * depth y * width + x + 1 mm. */
NddrSample *fixture_sample (guint width, guint height, guint seed);
/** Writes it as NAME under @split, with all labels (jpg: the picture as JPEG), and classes.txt with 13 classes. */
void fixture_write_sample (const char *folder, const char *split, const char *name, const NddrSample *sample, gboolean jpg);
/** Data to train on: fixture_sample()s 0 … of 60x44, named by their numbers, @n_train under train and the next @n_val under val. */
void fixture_write_splits (const char *folder, guint n_train, guint n_val);
/** The classes of fixture_write_sample(), @n of them. */
void fixture_write_classes (const char *folder, guint n);

/** Bilinear interpolation by its definition: channel @c of @data, [h][w][stride], brought to out_w x out_h, at (x, y). */
double fixture_interpolate (const float *data, int w, int h, int stride, int c, int x, int y, int out_w, int out_h, NddrResizeMode mode);
