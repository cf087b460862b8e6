/* Runs one network on one picture, both of them the generator's, and writes its heads: what check_full.py compares.
 *
 *   run-network CONFIG.json NAME FAMILY OUT.safetensors
 *
 * CONFIG.json: a file with a model's config; NAME: the picture's; FAMILY: software or gpu.  OUT gets [channels, h, w] for each task.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator.h"

#include <nddr/gpu/device.h>
#include <nddr/inference.h>
#include <nddr/model.h>

#include <string.h>

static gboolean
run (NddrProgram *program, const NddrInference *inference, const NddrNetwork *network, const NddrArrays *tensors, const char *name, GError **error)
{
  const NddrTensor *input = inference->input;
  g_autofree float *picture = generate_picture (name, 1, input->height, input->width, input->stride);

  if (!nddr_inference_upload (inference, network, tensors, program, error) || !nddr_program_run (program, 1 << NDDR_PHASE_PACK, error))
    return FALSE;
  nddr_program_release (program, NDDR_SPACE_PARAMS);
  return nddr_program_write (program, input, 0, picture, input->bytes, error) && nddr_program_run (program, 1 << NDDR_PHASE_NETWORK, error);
}

static NddrArray *
read_head (NddrProgram *program, const NddrTensor *head, const char *name, GError **error)
{
  g_autofree float *values = g_malloc (head->bytes);
  gint64 dims[] = { head->channels, head->height, head->width };
  NddrArray *array;

  if (!nddr_program_read (program, head, 0, values, head->bytes, error))
    return NULL;
  array = nddr_array_new (name, 3, dims);
  for (gsize i = 0; i < array->n_elements; i++) {
    gsize pixel = i % (head->height * head->width), channel = i / (head->height * head->width);

    array->data[i] = values[pixel * head->stride + channel];
  }
  return array;
}

static gboolean
run_config (const char *json, const char *name, NddrFamily family, const char *path, GError **error)
{
  g_autoptr (NddrConfig) config = nddr_config_parse (json, error);
  g_autoptr (NddrArrays) tensors = config ? generate_model (config, TRUNK_NORM, FALSE) : NULL, heads = nddr_arrays_new ();
  g_autoptr (NddrNetwork) network = config ? nddr_network_new (config, tensors, NULL, error) : NULL;
  g_autoptr (NddrDevice) device = network ? nddr_device_open (NULL, error) : NULL;
  NddrInference *inference;
  NddrTraits traits;
  NddrPlan *plan;
  NddrProgram *program = NULL;
  gboolean ok;

  if (device == NULL)
    return FALSE;
  traits = *nddr_device_get_traits (device);
  traits.family = family;
  plan = nddr_plan_new (&traits);
  inference = nddr_inference_append (plan, network, nddr_plan_map (plan, "input", 1, 1, (int) config->input_height, (int) config->input_width, 3), NULL);
  inference->input->keep = TRUE;
  if (nddr_plan_finish (plan, error))
    program = nddr_program_new (device, plan, 1, error);
  ok = program != NULL && run (program, inference, network, tensors, name, error);
  for (guint t = 0; ok && t < config->n_tasks; t++) {
    NddrArray *head = read_head (program, inference->heads[t].tensor, config->tasks[t].name, error);

    ok = head != NULL;
    if (ok)
      nddr_arrays_take (heads, head);
  }
  ok = ok && nddr_safetensors_write (heads, path, NDDR_STORE_F32, error);
  nddr_inference_free (inference);
  g_clear_pointer (&program, nddr_program_free);
  return ok;
}

int
main (int argc, char **argv)
{
  g_autofree char *json = NULL;
  g_autoptr (GError) error = NULL;

  if (argc != 5) {
    g_printerr ("usage: %s CONFIG.json NAME software|gpu OUT.safetensors\n", argv[0]);
    return 2;
  }
  if (!g_file_get_contents (argv[1], &json, NULL, &error)
      || !run_config (json, argv[2], g_str_equal (argv[3], "gpu") ? NDDR_FAMILY_GPU : NDDR_FAMILY_SOFTWARE, argv[4], &error)) {
    g_printerr ("%s: %s\n", argv[0], error->message);
    return 1;
  }
  return 0;
}
