/* Regions of a product's grid, for software drivers.
 *
 * A tap of a wide dilation reaches the input from some of the grid alone: of a 3x3 kernel with dilation 12 on a map of 21x21 one tap reaches it from
 * everywhere, four from nine rows or columns, four from a corner of 9x9.  conv_direct.comp leaves out a tap that no pixel of a workgroup reaches anything by.
 * Where the grid is cut at the rows and columns from which taps begin or cease to reach, that is so for nearly all that there is to leave out.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include <nddr/ops/product.h>

#define MAX_CUTS 2   /* of an axis: a kernel of three taps has no more */
#define MIN_SHARE 8  /* of the grid, its least part between its edge and a cut: kernels that are not dilated have none */
#define STORES 3     /* what a workgroup does besides summing, in turns of its innermost loop */
#define DISPATCH 450 /* what one more step costs, in such turns */
#define WORTH 0.95   /* of the cost of fewer regions */

/* An axis of a product's grid, and where the taps that reach the input change along it. */
typedef struct
{
  const NddrTaps *taps;
  int grid, stride, size; /* positions, from each to the next one's input, that input */
  int cuts[MAX_CUTS], n_cuts;
} Axis;

void
nddr_tap_reach (int at, int stride, int size, int count, int *low, int *high)
{
  *low = MIN ((MAX (-at, 0) + stride - 1) / stride, count);
  *high = MIN ((MAX (size - at, 0) + stride - 1) / stride, count);
}

static void
reach (const Axis *axis, int tap, int *low, int *high)
{
  nddr_tap_reach (axis->taps->first + tap * axis->taps->step, axis->stride, axis->size, axis->grid, low, high);
}

/* Whether @tap reaches the input from one of @count positions from @first on. */
static gboolean
reaches (const Axis *axis, int tap, int first, int count)
{
  int low, high;

  reach (axis, tap, &low, &high);
  return MAX (first, low) < MIN (first + count, high);
}

static void
add_cut (Axis *axis, int at)
{
  int i = axis->n_cuts, least = (axis->grid + MIN_SHARE - 1) / MIN_SHARE;

  if (at < least || at > axis->grid - least || i == MAX_CUTS)
    return;
  for (int j = 0; j < axis->n_cuts; j++)
    if (axis->cuts[j] == at)
      return;
  for (; i > 0 && axis->cuts[i - 1] > at; i--)
    axis->cuts[i] = axis->cuts[i - 1];
  axis->cuts[i] = at;
  axis->n_cuts++;
}

static Axis
axis_of (const NddrTaps *taps, int grid, int stride, int size)
{
  Axis axis = { taps, grid, stride, size };
  for (int tap = 0; tap < taps->n; tap++) {
    int low, high;
    reach (&axis, tap, &low, &high);
    add_cut (&axis, low);
    add_cut (&axis, high);
  }
  return axis;
}

/* The positions between the cuts that are in @chosen, a bit for each: returns how many pieces. */
static int
pieces (const Axis *axis, int chosen, int first[MAX_CUTS + 1], int count[MAX_CUTS + 1])
{
  int n = 0, start = 0;

  for (int i = 0; i <= axis->n_cuts; i++)
    if (i == axis->n_cuts || chosen & 1 << i) {
      first[n] = start;
      start = i == axis->n_cuts ? axis->grid : axis->cuts[i];
      count[n] = start - first[n];
      n++;
    }
  return n;
}

/* Taps that the workgroups of @region sum over, of all of them together. */
static gint64
count_taps (const Axis *y, const Axis *x, const NddrRegion *region, int images)
{
  gint64 pixels = (gint64) images * region->rows * region->columns, taps = 0;
  int across = 0;

  for (int tap = 0; tap < x->taps->n; tap++)
    across += reaches (x, tap, region->column, region->columns);
  for (gint64 first = 0; first < pixels; first += NDDR_PRODUCT_PIXELS) {
    gint64 row = first / region->columns, last = (MIN (first + NDDR_PRODUCT_PIXELS, pixels) - 1) / region->columns;
    int from = row % region->rows, rows = MIN (last - row + 1, region->rows), before = MIN (rows, region->rows - from);
    for (int tap = 0; tap < y->taps->n; tap++)
      if (reaches (y, tap, region->row + from, before) || reaches (y, tap, region->row, rows - before))
        taps += across;
  }
  return taps;
}

int
nddr_product_regions (const NddrProduct *p, NddrRegion regions[NDDR_MAX_REGIONS], double *share)
{
  const NddrTensor *input = p->sources[0].tensor, *output = p->output.tensor;
  Axis y = axis_of (&p->y, p->grid_height, p->in_stride, input->height), x = axis_of (&p->x, p->grid_width, p->in_stride, input->width);
  int images = output->batch, block = p->algorithm.kind == NDDR_ALGORITHM_DIRECT ? p->algorithm.a : 32, quads = 0, n_best = 0;
  double blocks = (double) p->branches * ((output->channels + block - 1) / block), best = G_MAXDOUBLE;

  for (int s = 0; s < p->n_sources; s++)
    quads += nddr_source_quads (p->sources[s].tensor);
  for (int chosen = 0; chosen < 1 << (y.n_cuts + x.n_cuts); chosen++) {
    NddrRegion tried[NDDR_MAX_REGIONS];
    int row[MAX_CUTS + 1], rows[MAX_CUTS + 1], column[MAX_CUTS + 1], columns[MAX_CUTS + 1], n = 0;
    int down = pieces (&y, chosen, row, rows), across = pieces (&x, chosen >> y.n_cuts, column, columns);
    double cost = 0, taps = 0;

    for (int i = 0; i < down; i++)
      for (int j = 0; j < across; j++, n++) {
        tried[n] = (NddrRegion){ row[i], rows[i], column[j], columns[j] };
        gint64 reached = count_taps (&y, &x, &tried[n], images);
        gint64 workgroups = ((gint64) images * rows[i] * columns[j] + NDDR_PRODUCT_PIXELS - 1) / NDDR_PRODUCT_PIXELS;
        cost += blocks * ((double) reached * quads + STORES * workgroups) + DISPATCH;
        taps += reached;
      }
    if (cost >= WORTH * best)
      continue;
    best = cost;
    n_best = n;
    memcpy (regions, tried, n * sizeof *tried);
    *share = taps * NDDR_PRODUCT_PIXELS / ((double) images * p->grid_height * p->grid_width * p->y.n * p->x.n);
  }
  return n_best;
}
