/* How a product is computed, and its steps: see product.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include <nddr/ops/product.h>

#define MAX_CACHED (1 << 20) /* of Winograd's parts, where an algorithm says */

/** Leaves out the taps that no grid position reads inside the input. */
static void
trim (NddrTaps *taps, int grid, int in_stride, int in_size)
{
#define OUTSIDE(i) (taps->first + (i) * taps->step + in_stride * (grid - 1) < 0 || taps->first + (i) * taps->step >= in_size)
  while (taps->n > 0 && OUTSIDE (taps->n - 1))
    taps->n--;
  while (taps->n > 0 && OUTSIDE (0)) {
    taps->first += taps->step;
    taps->weight_first += taps->weight_step;
    taps->n--;
  }
#undef OUTSIDE
}

/* Whether @p can be done as its algorithm says. */
static gboolean
algorithm_fits (const NddrPlan *plan, const NddrProduct *p)
{
  switch (p->algorithm.kind) {
    case NDDR_ALGORITHM_DIRECT:
      return p->algorithm.a >= 8 && p->algorithm.a <= 32 && p->algorithm.a % 8 == 0
          && (p->algorithm.b == 0 || (p->algorithm.b == 1 && nddr_spread_fits (plan, p)));
    case NDDR_ALGORITHM_WINOGRAD:
      return p->algorithm.a > 0 && p->algorithm.a <= MAX_CACHED && p->algorithm.b == 0 && nddr_winograd_fits (plan, p);
    default:
      return FALSE;
  }
}

/* The block of a direct product whose taps are trimmed. */
static int
estimated_block (const NddrProduct *p)
{
  int quads = 0;

  for (int s = 0; s < MIN (p->n_sources, NDDR_PRODUCT_SOURCES); s++)
    quads += nddr_source_quads (p->sources[s].tensor) * p->y.n * p->x.n;
  return nddr_product_block (p->output.tensor->channels, quads);
}

NddrAlgorithm
nddr_product (NddrPlan *plan, const NddrProduct *product)
{
  NddrProduct p = *product;
  const NddrProductSource *sources = p.sources;
  g_autofree NddrProductSource *spread = NULL;
  int n = p.n_sources;

  if (!algorithm_fits (plan, &p)) {
    p.algorithm = (NddrAlgorithm){ NDDR_ALGORITHM_CHOOSE };
    if (nddr_winograd_fits (plan, &p) && nddr_winograd_pays (&p))
      p.algorithm = nddr_winograd_estimate (&p);
  }
  if (p.algorithm.kind == NDDR_ALGORITHM_WINOGRAD) {
    nddr_winograd (plan, &p);
    return p.algorithm;
  }
  trim (&p.y, p.grid_height, p.in_stride, sources[0].tensor->height);
  trim (&p.x, p.grid_width, p.in_stride, sources[0].tensor->width);
  if (p.y.n == 0 || p.x.n == 0) {
    p.empty = TRUE;
    p.y = p.x = (NddrTaps){ .n = 1 };
    n = 1;
    p.algorithm.b = 0;
  }
  if (p.algorithm.kind == NDDR_ALGORITHM_CHOOSE)
    p.algorithm = (NddrAlgorithm){ NDDR_ALGORITHM_DIRECT, estimated_block (&p), nddr_spread_pays (plan, &p) };
  if (p.algorithm.b)
    sources = spread = nddr_spread_sources (plan, &p);
  /* more sources than a step takes: the rest is added to the output */
  for (int s = 0; s < n; s += NDDR_PRODUCT_SOURCES) {
    p.sources = sources + s;
    p.n_sources = MIN (NDDR_PRODUCT_SOURCES, n - s);
    p.low = s + NDDR_PRODUCT_SOURCES < n ? -INFINITY : product->low;
    p.high = s + NDDR_PRODUCT_SOURCES < n ? INFINITY : product->high;
    nddr_direct (plan, &p);
    p.bias = NULL;
    p.residual = p.output;
  }
  return p.algorithm;
}
