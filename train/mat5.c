/* See mat5.h.
 *
 *   file:     116 bytes of text, 8 of offsets, version, byte order; then elements
 *   element:  type, bytes, content; or both in four bytes, and up to four of content behind them
 *   matrix:   an element with elements in it, each padded to 8 bytes: flags, dimensions, name, numbers
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/mat5.h>

#include <nddr/whole-file.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#define MAX_FILE (16 << 20)
#define MAX_INFLATED (64 << 20) /* of one variable */
#define HEADER 128

enum { TYPE_INT8 = 1, TYPE_UINT8, TYPE_INT16, TYPE_UINT16, TYPE_INT32, TYPE_UINT32, TYPE_SINGLE, TYPE_DOUBLE = 9, TYPE_INT64 = 12, TYPE_UINT64,
  TYPE_MATRIX, TYPE_COMPRESSED };
enum { CLASS_DOUBLE = 6, CLASS_UINT64 = 15, CLASS_OPAQUE = 17 }; /* from double to uint64 all are numeric; opaque ones are built otherwise */
#define FLAG_COMPLEX 0x800

/* Bytes that are yet to be read. */
typedef struct
{
  const guint8 *data;
  gsize bytes;
  gboolean swap; /* the file's byte order is not ours */
} Span;

typedef struct
{
  guint type;
  Span content;
} Element;

static guint32
read32 (const guint8 *at, gboolean swap)
{
  guint32 value;
  memcpy (&value, at, sizeof value);
  return swap ? GUINT32_SWAP_LE_BE (value) : value;
}

/** The next element. @align: what lies between it and the one behind it fills up to that. FALSE where @rest is too short. */
static gboolean
take_element (Span *rest, gsize align, Element *element)
{
  if (rest->bytes < 8)
    return FALSE;
  guint32 first = read32 (rest->data, rest->swap);
  gboolean is_small = first >> 16 != 0;
  gsize bytes = is_small ? first >> 16 : read32 (rest->data + 4, rest->swap), start = is_small ? 4 : 8;
  if ((is_small && bytes > 4) || bytes > rest->bytes - start)
    return FALSE;
  element->type = first & 0xffff;
  element->content = (Span) { rest->data + start, bytes, rest->swap };
  gsize end = MIN ((start + bytes + align - 1) / align * align, rest->bytes);
  rest->data += end;
  rest->bytes -= end;
  return TRUE;
}

/* ---- numbers */

static gsize
type_bytes (guint type)
{
  static const gsize bytes[] = { [TYPE_INT8] = 1, [TYPE_UINT8] = 1, [TYPE_INT16] = 2, [TYPE_UINT16] = 2, [TYPE_INT32] = 4, [TYPE_UINT32] = 4,
    [TYPE_SINGLE] = 4, [TYPE_DOUBLE] = 8, [TYPE_INT64] = 8, [TYPE_UINT64] = 8 };
  return type < G_N_ELEMENTS (bytes) ? bytes[type] : 0;
}

static double
read_number (const guint8 *at, guint type, gboolean swap)
{
  union { guint8 bytes[8]; gint8 i8; guint8 u8; gint16 i16; guint16 u16; gint32 i32; guint32 u32; gint64 i64; guint64 u64; float f; double d; } value;
  gsize n = type_bytes (type);
  for (gsize i = 0; i < n; i++)
    value.bytes[i] = at[swap ? n - 1 - i : i];
  switch (type) {
    case TYPE_INT8:
      return value.i8;
    case TYPE_UINT8:
      return value.u8;
    case TYPE_INT16:
      return value.i16;
    case TYPE_UINT16:
      return value.u16;
    case TYPE_INT32:
      return value.i32;
    case TYPE_UINT32:
      return value.u32;
    case TYPE_SINGLE:
      return value.f;
    case TYPE_INT64:
      return value.i64;
    case TYPE_UINT64:
      return value.u64;
    case TYPE_DOUBLE:
    default:
      return value.d;
  }
}

/* ---- variables */

typedef struct
{
  guint class;
  gboolean is_complex;
  gint64 n; /* product of the dimensions; -1: beyond what a file can hold */
  char *name; /* NULL: not to be known */
} Variable;

/** What a matrix says of itself, before its numbers. NULL, or what is wrong. */
static const char *
take_description (Span *matrix, Variable *variable)
{
  Element flags, dimensions, name;
  if (!take_element (matrix, 8, &flags) || flags.type != TYPE_UINT32 || flags.content.bytes != 8)
    return "a variable lacks its flags";
  guint32 word = read32 (flags.content.data, flags.content.swap);
  variable->class = word & 0xff;
  variable->is_complex = (word & FLAG_COMPLEX) != 0;
  if (variable->class == CLASS_OPAQUE)
    return NULL;
  if (!take_element (matrix, 8, &dimensions) || dimensions.type != TYPE_INT32 || dimensions.content.bytes % 4 != 0)
    return "a variable lacks its dimensions";
  if (!take_element (matrix, 8, &name) || name.type != TYPE_INT8)
    return "a variable lacks its name";
  variable->name = g_strndup ((const char *) name.content.data, name.content.bytes);
  variable->n = 1;
  for (gsize i = 0; i < dimensions.content.bytes; i += 4) {
    gint32 size = read32 (dimensions.content.data + i, dimensions.content.swap);
    variable->n = size < 0 || variable->n < 0 || (size > 0 && variable->n > MAX_INFLATED / size) ? -1 : variable->n * size;
  }
  return NULL;
}

static const char *
take_numbers (Span *matrix, const Variable *variable, double **numbers)
{
  Element real;
  if (variable->class < CLASS_DOUBLE || variable->class > CLASS_UINT64 || variable->is_complex)
    return "it is no array of real numbers";
  if (!take_element (matrix, 8, &real) || !type_bytes (real.type))
    return "its numbers are not there";
  gsize bytes = type_bytes (real.type);
  if (variable->n < 0 || real.content.bytes != variable->n * bytes)
    return "it has not as many numbers as its dimensions say";
  *numbers = g_new (double, MAX (variable->n, 1));
  for (gint64 i = 0; i < variable->n; i++)
    (*numbers)[i] = read_number (real.content.data + i * bytes, real.type, real.content.swap);
  return NULL;
}

/** (transfer full): what the zlib stream @packed holds; NULL where it is broken or beyond the limit. */
static GByteArray *
inflate_all (const Span *packed)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();
  z_stream stream = { .next_in = (Bytef *) packed->data, .avail_in = packed->bytes };
  if (inflateInit (&stream) != Z_OK)
    return NULL;
  int status = Z_OK;
  while (status == Z_OK && out->len < MAX_INFLATED) {
    guint before = out->len, room = CLAMP (before, 4096, 1 << 20);
    g_byte_array_set_size (out, before + room);
    stream.next_out = out->data + before;
    stream.avail_out = room;
    status = inflate (&stream, Z_NO_FLUSH);
    g_byte_array_set_size (out, before + room - stream.avail_out);
  }
  inflateEnd (&stream);
  return status == Z_STREAM_END ? g_steal_pointer (&out) : NULL;
}

/** Takes the numbers of @element, if it is the variable @name. NULL, or what is wrong. */
static const char *
try_variable (const Element *element, const char *name, double **numbers, gsize *n)
{
  Span matrix = element->content;
  Variable variable = { 0 };
  const char *wrong = take_description (&matrix, &variable);
  g_autofree char *found = variable.name;
  if (wrong || g_strcmp0 (found, name))
    return wrong;
  wrong = take_numbers (&matrix, &variable, numbers);
  *n = variable.n;
  return wrong;
}

static const char *
try_element (const Element *element, const char *name, double **numbers, gsize *n)
{
  if (element->type == TYPE_MATRIX)
    return try_variable (element, name, numbers, n);
  if (element->type != TYPE_COMPRESSED)
    return NULL;
  g_autoptr (GByteArray) inflated = inflate_all (&element->content);
  if (!inflated)
    return "a compressed variable is broken";
  Span inside = { inflated->data, inflated->len, element->content.swap };
  Element matrix;
  if (!take_element (&inside, 1, &matrix))
    return "a compressed variable is cut short";
  return matrix.type == TYPE_MATRIX ? try_variable (&matrix, name, numbers, n) : NULL;
}

static const char *
check_header (const Span *file, gboolean *swap)
{
  static const char hdf5[] = "MATLAB 7.3";
  if (file->bytes < HEADER)
    return "it is shorter than such a file's header";
  if (!memcmp (file->data, hdf5, strlen (hdf5)))
    return "it is of version 7.3, which is HDF5; save it with MATLAB's save -v7";
  const guint8 *end = file->data + HEADER - 4; /* version, then the letters MI as a number in the writer's byte order */
  gboolean little = end[2] == 'I' && end[3] == 'M', big = end[2] == 'M' && end[3] == 'I';
  if ((!little && !big) || end[little] != 1)
    return "its header is another";
  *swap = little != (G_BYTE_ORDER == G_LITTLE_ENDIAN);
  return NULL;
}

double *
nddr_mat5_read (const char *path, const char *name, gsize *n, GError **error)
{
  FILE *file = nddr_open_file (path, error);
  if (!file)
    return NULL;
  struct stat info;
  gboolean failed = fstat (fileno (file), &info) != 0;
  gsize most = failed ? 0 : MIN (info.st_size, MAX_FILE + 1);
  g_autofree guint8 *content = g_malloc (most);
  Span rest = { content, fread (content, 1, most, file), FALSE };
  failed |= ferror (file) != 0;
  fclose (file);
  if (failed) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FILE, "%s: cannot be read", path);
    return NULL;
  }
  const char *wrong = rest.bytes > MAX_FILE ? "it is larger than 16 MiB" : check_header (&rest, &rest.swap);
  if (!wrong) {
    rest.data += HEADER;
    rest.bytes -= HEADER;
  }
  double *numbers = NULL;
  while (!wrong && !numbers && rest.bytes > 0) {
    Element element;
    wrong = take_element (&rest, 1, &element) ? try_element (&element, name, &numbers, n) : "it is cut short";
  }
  if (!wrong && !numbers)
    wrong = "it has no such array";
  if (wrong)
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT, "%s: the array %s of a MAT-file of version 5 was expected: %s", path, name, wrong);
  return numbers;
}
