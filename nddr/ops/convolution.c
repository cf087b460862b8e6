/* Convolution, for every family: what must be true of the shapes, and whose kernels do it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/convolution.h>

/** Branches first, first + step, … of a view exist. */
static gboolean
view_fits (const NddrBranches *view, int branches)
{
  int last = view->first + view->step * (branches - 1);
  return view->first >= 0 && last >= 0 && view->first < view->tensor->branches && last < view->tensor->branches;
}

static gboolean
same_map (const NddrTensor *a, const NddrTensor *b)
{
  return a->batch == b->batch && a->height == b->height && a->width == b->width && a->channels == b->channels;
}

/** What callers must have seen to: networks are checked long before they become plans. */
static void
check (const NddrConvolution *op)
{
  const NddrTensor *x = op->inputs[0].tensor, *y = op->output.tensor;
  g_assert (op->kernel > 0 && op->kernel % 2 == 1 && op->stride > 0 && op->dilation > 0 && op->branches > 0 && op->n_inputs > 0);
  for (int s = 0; s < op->n_inputs; s++) {
    const NddrTensor *t = op->inputs[s].tensor;
    g_assert (view_fits (&op->inputs[s], op->branches));
    g_assert (t->batch == x->batch && t->height == x->height && t->width == x->width);
  }
  g_assert (view_fits (&op->output, op->branches));
  g_assert (y->batch == x->batch && y->height == nddr_convolution_size (x->height, op->stride)
            && y->width == nddr_convolution_size (x->width, op->stride));
  if (op->residual.tensor)
    g_assert (view_fits (&op->residual, op->branches) && same_map (op->residual.tensor, y));
  g_assert (op->weight->bytes
            >= sizeof (float) * op->branches * y->channels * nddr_convolution_in_channels (op) * op->kernel * op->kernel);
  if (op->bias)
    g_assert (op->bias->bytes >= sizeof (float) * op->branches * y->channels);
  g_assert (op->low <= 0 && op->high >= 0); /* or the padding channels would not stay zero */
}

/* All that decides how long @op takes, as a tuning knows it: (transfer full). */
static char *
describe (const NddrPlan *plan, const NddrConvolution *op)
{
  const NddrTensor *x = op->inputs[0].tensor;
  GString *s = g_string_new (plan->traits.family == NDDR_FAMILY_SOFTWARE ? "software " : "gpu ");

  g_string_append_printf (s, "%s %dx%d %dx%d ", plan->activation_type == NDDR_F16 ? "fp16" : "fp32", op->branches, x->batch, x->width, x->height);
  for (int i = 0; i < op->n_inputs; i++)
    g_string_append_printf (s, "%s%d%s", i ? "+" : "", op->inputs[i].tensor->channels, op->inputs[i].step == 0 ? "shared" : "");
  g_string_append_printf (s, ">%d kernel %d stride %d dilation %d%s", op->output.tensor->channels, op->kernel, op->stride, op->dilation,
      op->residual.tensor ? " residual" : "");
  return g_string_free (s, FALSE);
}

/* Shares the multiply-adds of @op, over @channels of its inputs, out among the steps from @first on, but for packing, which has a phase of its own. */
static void
note_work (NddrPlan *plan, const NddrConvolution *op, int channels, guint first)
{
  const NddrTensor *y = op->output.tensor;
  double work = (double) op->branches * y->batch * y->height * y->width * y->channels * channels * op->kernel * op->kernel;

  for (int pass = 0, n = 0; pass < 2; pass++)
    for (guint i = first; i < plan->steps->len; i++) {
      NddrStep *step = g_ptr_array_index (plan->steps, i);

      if (step->phase != plan->phase)
        continue;
      if (pass)
        step->work = work / n;
      else
        n++;
    }
}

void
nddr_convolution_forward (NddrPlan *plan, const NddrConvolution *op)
{
  g_autofree char *shape = describe (plan, op);
  NddrConvolution told = *op;
  guint first = plan->steps->len;
  NddrAlgorithm algorithm;

  check (op);
  if (told.algorithm.kind == NDDR_ALGORITHM_CHOOSE)
    told.algorithm = nddr_tuning_find (plan->traits.tuning, shape);
  algorithm = (plan->traits.family == NDDR_FAMILY_SOFTWARE ? nddr_convolution_software_forward : nddr_convolution_gpu_forward) (plan, &told);
  for (guint i = first; i < plan->steps->len; i++) {
    NddrStep *step = g_ptr_array_index (plan->steps, i);

    if (step->phase != plan->phase)
      continue;
    step->shape = g_strdup (shape);
    step->algorithm = algorithm;
  }
  note_work (plan, op, nddr_convolution_in_channels (op), first);
}

void
nddr_convolution_backward_data (
    NddrPlan *plan, const NddrConvolution *op, int s, int count, NddrBranches dx, NddrBranches dy, gboolean accumulate)
{
  guint first = plan->steps->len;
  int channels = 0;

  check (op);
  g_assert (s >= 0 && count > 0 && s + count <= op->n_inputs && same_map (op->inputs[s].tensor, dx.tensor)
            && same_map (op->output.tensor, dy.tensor) && view_fits (&dy, op->branches));
  for (int i = 1; i < count; i++)
    g_assert (op->inputs[s + i].step == 0 && op->inputs[s + i].tensor->channels == op->inputs[s].tensor->channels);
  g_assert (view_fits (&dx, op->inputs[s].step == 0 ? count : op->branches));
  if (plan->traits.family == NDDR_FAMILY_SOFTWARE)
    nddr_convolution_software_backward_data (plan, op, s, count, dx, dy, accumulate);
  else
    nddr_convolution_gpu_backward_data (plan, op, s, count, dx, dy, accumulate);
  for (int i = 0; i < count; i++)
    channels += op->inputs[s + i].tensor->channels;
  note_work (plan, op, channels, first);
}

void
nddr_convolution_backward_weight (NddrPlan *plan, const NddrConvolution *op, NddrBranches dy, NddrTensor *dw, NddrTensor *db)
{
  guint first = plan->steps->len;

  check (op);
  g_assert (same_map (op->output.tensor, dy.tensor) && view_fits (&dy, op->branches) && dw->bytes >= op->weight->bytes);
  if (plan->traits.family == NDDR_FAMILY_SOFTWARE)
    nddr_convolution_software_backward_weight (plan, op, dy, dw, db);
  else
    nddr_convolution_gpu_backward_weight (plan, op, dy, dw, db);
  note_work (plan, op, nddr_convolution_in_channels (op), first);
}
