/* Named tensors in host memory.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/allocate.h>
#include <nddr/arrays.h>

#include <string.h>

/* All but the data. */
static NddrArray *
describe (const char *name, guint n_dims, const gint64 *dims)
{
  NddrArray *array = g_new0 (NddrArray, 1);

  g_assert (n_dims <= NDDR_ARRAY_MAX_DIMS);
  array->name = g_strdup (name);
  array->n_dims = n_dims;
  array->n_elements = 1;
  for (guint i = 0; i < n_dims; i++) {
    array->dims[i] = dims[i];
    array->n_elements *= (gsize) dims[i];
  }
  return array;
}

NddrArray *
nddr_array_new (const char *name, guint n_dims, const gint64 *dims)
{
  NddrArray *array = describe (name, n_dims, dims);

  array->data = g_new0 (float, array->n_elements);
  return array;
}

NddrArray *
nddr_array_try_new (const char *name, guint n_dims, const gint64 *dims, GError **error)
{
  g_autoptr (NddrArray) array = describe (name, n_dims, dims);
  g_autofree char *what = g_strconcat ("tensor ", name, NULL);

  array->data = nddr_try_alloc0 (array->n_elements, sizeof (float), what, error);
  return array->data != NULL ? g_steal_pointer (&array) : NULL;
}

NddrArray *
nddr_array_copy (const NddrArray *array, const char *name, GError **error)
{
  NddrArray *copy = nddr_array_try_new (name, array->n_dims, array->dims, error);

  if (copy != NULL)
    memcpy (copy->data, array->data, array->n_elements * sizeof (float));
  return copy;
}

void
nddr_array_free (NddrArray *array)
{
  if (array == NULL)
    return;
  g_free (array->name);
  g_free (array->data);
  g_free (array);
}

char *
nddr_print_shape (guint n_dims, const gint64 *dims)
{
  GString *text = g_string_new ("[");

  for (guint d = 0; d < n_dims; d++)
    g_string_append_printf (text, "%s%" G_GINT64_FORMAT, d > 0 ? ", " : "", dims[d]);
  g_string_append_c (text, ']');
  return g_string_free (text, FALSE);
}

NddrArrays *
nddr_arrays_new (void)
{
  NddrArrays *tensors = g_new0 (NddrArrays, 1);

  tensors->arrays = g_ptr_array_new_with_free_func ((GDestroyNotify) nddr_array_free);
  tensors->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  tensors->metadata = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return tensors;
}

void
nddr_arrays_free (NddrArrays *tensors)
{
  if (tensors == NULL)
    return;
  g_hash_table_unref (tensors->by_name);
  g_ptr_array_unref (tensors->arrays);
  g_hash_table_unref (tensors->metadata);
  g_free (tensors);
}

void
nddr_arrays_take (NddrArrays *tensors, NddrArray *array)
{
  NddrArray *old = nddr_arrays_find (tensors, array->name);
  guint i;

  /* the key is the array's own name, so it has to be replaced along with it */
  g_hash_table_replace (tensors->by_name, array->name, array);
  if (old == NULL) {
    g_ptr_array_add (tensors->arrays, array);
  } else if (old != array && g_ptr_array_find (tensors->arrays, old, &i)) {
    tensors->arrays->pdata[i] = array;
    nddr_array_free (old);
  }
}

NddrArray *
nddr_arrays_find (const NddrArrays *tensors, const char *name)
{
  return g_hash_table_lookup (tensors->by_name, name);
}
