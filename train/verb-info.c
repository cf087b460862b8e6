/* nddr info: what a model is and costs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/inference.h>
#include <nddr/model.h>
#include <nddr/network.h>
#include <train/verb.h>

#include <stdio.h>

static void
print_tasks (const NddrConfig *config)
{
  for (guint t = 0; t < config->n_tasks; t++) {
    const NddrTask *task = &config->tasks[t];
    printf ("task          %s (%s", task->name, nddr_task_kind_name (task->kind));
    for (guint c = 0; c < task->n_classes; c++) {
      g_autofree char *name = nddr_verb_printable (task->classes[c].name);
      printf ("%s%u %s", c ? ", " : ": ", c, name);
    }
    printf (")\n");
  }
}

static NddrPlan *
make_plan (const NddrNetwork *network, guint width, guint height, const NddrTraits *traits, GError **error)
{
  g_autoptr (NddrPlan) plan = nddr_plan_new (traits);
  NddrInference *inference = nddr_inference_append (plan, network, nddr_plan_map (plan, "input", 1, 1, height, width, 3), error);
  gboolean fine = inference && nddr_plan_finish (plan, error);
  nddr_inference_free (inference);
  return fine ? g_steal_pointer (&plan) : NULL;
}

/* What inference in fp32 takes for activations as it is planned for a modest device with @traits, and the least that it could. */
static void
print_plan (const NddrNetwork *network, guint width, guint height, const NddrTraits *traits, const char *whom)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrPlan) plan = make_plan (network, width, height, traits, &error);
  if (plan)
    printf ("planned       %.1f MiB, of which %.1f at once, %s\n", plan->space_bytes[NDDR_SPACE_ARENA] / 1048576.0,
        nddr_plan_live_bytes (plan) / 1048576.0, whom);
  else
    printf ("planned       not %s: %s\n", whom, error->message);
}

static int
print_steps (const NddrNetwork *network, guint width, guint height, const NddrTraits *traits)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrPlan) plan = make_plan (network, width, height, traits, &error);
  if (!plan)
    return nddr_verb_fail ("info", error);
  g_autofree char *steps = nddr_plan_print (plan);
  printf ("%s", steps);
  return NDDR_EXIT_DONE;
}

int
nddr_verb_info (int argc, char **argv)
{
  static const char *const about[] = { "description", "trained_on", "license" };
  g_autoptr (GError) error = NULL;
  g_autofree char *input = NULL, *family = NULL;
  const GOptionEntry entries[] = {
    { "input", 0, 0, G_OPTION_ARG_STRING, &input, "Count for this input size; default: the model's", "WxH" },
    { "plan", 0, 0, G_OPTION_ARG_STRING, &family,
      "Print the dispatches of its inference in fp32 instead, with where their tensors lie: gpu or software", "FAMILY" },
    { NULL },
  };
  guint width = 0, height = 0;
  if (!nddr_verb_parse (&argc, &argv, "MODEL", "Says what network a model is, and what it costs.", entries, 1, 1)
      || !nddr_verb_parse_size ("info", input, &width, &height))
    return NDDR_EXIT_USAGE;
  if (family && !g_str_equal (family, "gpu") && !g_str_equal (family, "software"))
    return nddr_verb_misuse ("info", "--plan %s: expected gpu or software", family);
  g_autoptr (NddrModel) model = nddr_model_load (argv[1], &error);
  if (!model)
    return nddr_verb_fail ("info", error);
  const NddrConfig *config = nddr_model_get_config (model);
  if (width == 0)
    nddr_model_get_input_size (model, &width, &height);
  g_autoptr (NddrNetwork) network = nddr_network_new (config, nddr_model_get_tensors (model), NULL, &error);
  if (!network)
    return nddr_verb_fail ("info", error);
  if (family)
    return print_steps (network, width, height, g_str_equal (family, "gpu") ? &nddr_traits_gpu : &nddr_traits_software);
  NddrNetworkCost cost;
  nddr_network_cost (network, width, height, &cost);

  printf ("backbone      %s, width %g, output stride %u\n", nddr_backbone_name (config->backbone), config->width, config->output_stride);
  printf ("fusion        %s%s\n", nddr_fusion_name (config->fusion), config->shortcut ? ", shortcut" : "");
  printf ("head          %s, width %g\n", nddr_head_name (config->head), config->head_width);
  print_tasks (config);
  printf ("input         %ux%u\n", width, height);
  printf ("parameters    %.3f million\n", cost.parameters / 1e6);
  printf ("multiply-adds %.3f GMAC\n", cost.macs / 1e9);
  printf ("activations   %.1f MiB at once\n", cost.activation_bytes / 1048576.0);
  print_plan (network, width, height, &nddr_traits_gpu, "for GPUs");
  print_plan (network, width, height, &nddr_traits_software, "for software drivers");
  for (guint i = 0; i < G_N_ELEMENTS (about); i++)
    if (nddr_model_get_metadata (model, about[i])) {
      g_autofree char *said = nddr_verb_printable (nddr_model_get_metadata (model, about[i]));
      printf ("%-13s %s\n", about[i], said);
    }
  return NDDR_EXIT_DONE;
}
