/* Recomputation: see nddr_plan_recompute() in plan.h.
 *
 * It knows nothing of layers: it looks at which steps write and read which tensors.  A tensor of the arena may be dropped where all that
 * writes or reads it among the steps in question lies in one segment, and repeating its writers has no other effect.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/plan.h>

#include <string.h>

/* What is known of a tensor that the steps write. */
typedef struct
{
  int segment;        /* where it is written */
  gboolean kept;      /* cannot be dropped */
  gboolean needed;    /* is made again */
  guint last_write;
  NddrTensor *again;  /* what it is then called */
} Use;

typedef struct
{
  NddrPlan *plan;
  guint first, end;    /* the steps */
  int phase;
  GHashTable *uses;    /* NddrTensor (a root) -> Use, owned */
  int *segments;       /* for each step from first on */
  int n_segments;
  guint *insertions;   /* for each segment: before which step it is repeated; G_MAXUINT: nowhere */
} Recompute;

static NddrStep *
get_step (const NddrPlan *plan, guint i)
{
  return g_ptr_array_index (plan->steps, i);
}

static NddrTensor *
root_of (NddrTensor *tensor)
{
  while (tensor->whole)
    tensor = tensor->whole;
  return tensor;
}

/* The root of what @step binds there, where that lies in the arena; else NULL. */
static NddrTensor *
arena_root (const NddrStep *step, int binding)
{
  NddrTensor *tensor = step->bindings[binding].tensor;
  return tensor && tensor->space == NDDR_SPACE_ARENA ? root_of (tensor) : NULL;
}

static Use *
use_of (const Recompute *r, const NddrTensor *tensor)
{
  return tensor ? g_hash_table_lookup (r->uses, tensor) : NULL;
}

/* ---- segments */

/* Bytes of the tensors that each step is the first to write and that a step behind all of them reads. */
static gsize *
weigh_steps (const Recompute *r)
{
  guint n = r->end - r->first;
  gsize *bytes = g_new0 (gsize, n);
  g_autoptr (GHashTable) writers = g_hash_table_new (NULL, NULL); /* tensor -> step + 1 */
  for (guint i = 0; i < r->plan->steps->len; i++) {
    const NddrStep *step = get_step (r->plan, i);
    for (int b = 0; i >= r->first && b < NDDR_STEP_MAX_BINDINGS; b++) {
      NddrTensor *root = arena_root (step, b);
      guint writer = root ? GPOINTER_TO_UINT (g_hash_table_lookup (writers, root)) : 0;
      if (root && i < r->end && step->bindings[b].write && !writer)
        g_hash_table_insert (writers, root, GUINT_TO_POINTER (i + 1));
      if (writer && i >= r->end && step->bindings[b].read) {
        bytes[writer - 1 - r->first] += root->bytes;
        g_hash_table_remove (writers, root);
      }
    }
  }
  return bytes;
}

/* Segments of about as many bytes each, cut between layers. */
static void
cut (Recompute *r)
{
  guint n = r->end - r->first;
  g_autofree gsize *bytes = weigh_steps (r);
  gsize total = 0, sum = 0;
  int segment = 0;
  for (guint i = 0; i < n; i++)
    total += bytes[i];
  for (guint i = 0; i < n; i++) {
    if (i > 0 && !g_str_equal (get_step (r->plan, r->first + i)->label, get_step (r->plan, r->first + i - 1)->label))
      segment = MIN ((int) ((double) sum * r->n_segments / MAX (total, 1)), r->n_segments - 1);
    r->segments[i] = segment;
    sum += bytes[i];
  }
}

/* ---- what can be dropped */

static gboolean
has_other_effects (const NddrStep *step)
{
  for (int b = 0; b < NDDR_STEP_MAX_BINDINGS; b++)
    if (step->bindings[b].tensor && step->bindings[b].write && step->bindings[b].tensor->space != NDDR_SPACE_ARENA)
      return TRUE;
  return FALSE;
}

static Use *
add_use (Recompute *r, NddrTensor *root, guint i)
{
  Use *use = g_new0 (Use, 1);
  use->segment = r->segments[i - r->first];
  use->last_write = i;
  g_hash_table_insert (r->uses, root, use);
  return use;
}

static void
note_write (Recompute *r, NddrTensor *root, guint i, gboolean kept)
{
  Use *use = use_of (r, root);
  int segment = r->segments[i - r->first];
  if (!use)
    use = add_use (r, root, i);
  use->last_write = i;
  use->kept |= kept || root->keep || segment != use->segment || segment == r->n_segments - 1;
}

static void
note_uses (Recompute *r)
{
  for (guint i = r->first; i < r->plan->steps->len; i++) {
    const NddrStep *step = get_step (r->plan, i);
    gboolean inside = i < r->end, effects = has_other_effects (step);
    for (int pass = 0; pass < 2; pass++) /* what a step reads and writes, it reads first */
      for (int b = 0; b < NDDR_STEP_MAX_BINDINGS; b++) {
        NddrTensor *root = arena_root (step, b);
        Use *use = use_of (r, root);
        if (pass == 0 && root && !use && inside && step->bindings[b].read)
          add_use (r, root, i)->kept = TRUE; /* nobody wrote it */
        if (pass == 0 && use && step->bindings[b].read && (inside ? r->segments[i - r->first] != use->segment : step->phase != r->phase))
          use->kept = TRUE;
        if (pass == 1 && root && step->bindings[b].write && inside)
          note_write (r, root, i, effects);
        if (pass == 1 && use && step->bindings[b].write && !inside) {
          use->kept = TRUE;
          use->last_write = i;
        }
      }
  }
}

static void
note_needs (Recompute *r)
{
  for (int s = 0; s < r->n_segments; s++)
    r->insertions[s] = G_MAXUINT;
  for (guint i = r->end; i < r->plan->steps->len; i++)
    for (int b = 0; b < NDDR_STEP_MAX_BINDINGS; b++) {
      Use *use = use_of (r, arena_root (get_step (r->plan, i), b));
      if (!use || use->kept || !get_step (r->plan, i)->bindings[b].read)
        continue;
      use->needed = TRUE;
      r->insertions[use->segment] = MIN (r->insertions[use->segment], i);
    }
}

static gboolean
writes_needed (const Recompute *r, const NddrStep *step)
{
  for (int b = 0; b < NDDR_STEP_MAX_BINDINGS; b++) {
    const Use *use = use_of (r, arena_root (step, b));
    if (use && use->needed && step->bindings[b].write)
      return TRUE;
  }
  return FALSE;
}

/* Marks what the segment's needed tensors are made from. *more: whether anything was marked.  FALSE where it cannot be had. */
static gboolean
mark_sources (Recompute *r, int segment, gboolean *more)
{
  for (guint i = r->end; i-- > r->first;) {
    const NddrStep *step = get_step (r->plan, i);
    if (r->segments[i - r->first] != segment || !writes_needed (r, step))
      continue;
    for (int b = 0; b < NDDR_STEP_MAX_BINDINGS; b++) {
      const NddrBinding *binding = &step->bindings[b];
      Use *use = use_of (r, arena_root (step, b));
      if (!use || !(binding->read || binding->write))
        continue;
      if (use->kept && (binding->write || use->last_write > i))
        return FALSE; /* it is not to be written again, or holds something else by then */
      *more |= !use->kept && !use->needed;
      use->needed |= !use->kept; /* also what a step writes besides: it is repeated whole */
    }
  }
  return TRUE;
}

static gboolean
close_needs (Recompute *r, int segment)
{
  for (gboolean more = TRUE; more;) {
    more = FALSE;
    if (!mark_sources (r, segment, &more))
      return FALSE;
  }
  return TRUE;
}

/* ---- repeating */

/* (nullable): what a step that comes behind the repetition uses in place of @tensor. */
static NddrTensor *
again (const Recompute *r, NddrTensor *tensor)
{
  Use *use = tensor && tensor->space == NDDR_SPACE_ARENA ? use_of (r, root_of (tensor)) : NULL;
  if (!use || !use->needed)
    return NULL;
  if (!use->again) {
    const NddrTensor *root = root_of (tensor);
    use->again = nddr_plan_tensor (r->plan, root->name, root->space, root->type, root->branches, root->batch, root->height, root->width, root->channels);
    use->again->stride = root->stride;
    use->again->bytes = root->bytes;
  }
  return tensor->whole ? nddr_plan_part (r->plan, use->again, tensor->name, tensor->part_offset, tensor->channels) : use->again;
}

static void
redirect (const Recompute *r, NddrStep *step)
{
  for (int b = 0; b < NDDR_STEP_MAX_BINDINGS; b++) {
    NddrTensor *other = again (r, step->bindings[b].tensor);
    if (other)
      step->bindings[b].tensor = other;
  }
  for (int b = 0; b < step->n_bases; b++) {
    NddrTensor *other = again (r, step->bases[b].tensor);
    if (other)
      step->bases[b].tensor = other;
  }
}

/* Inserts the segment's steps that make what is needed. */
static void
repeat (const Recompute *r, int segment)
{
  guint at = r->insertions[segment];
  for (guint i = r->first; i < r->end; i++) {
    const NddrStep *step = get_step (r->plan, i);
    if (r->segments[i - r->first] != segment || !writes_needed (r, step))
      continue;
    NddrStep *copy = g_memdup2 (step, sizeof *step);
    copy->label = g_strdup (step->label);
    copy->shape = g_strdup (step->shape);
    copy->phase = r->phase;
    copy->mark = 0; /* the host has done its part */
    g_ptr_array_insert (r->plan->steps, at++, copy);
  }
}

/* The last insertion first, so that the others' places stay. */
static void
repeat_all (const Recompute *r)
{
  for (guint at = r->plan->steps->len; at-- > r->end;)
    for (int s = 0; s < r->n_segments; s++)
      if (r->insertions[s] == at)
        repeat (r, s);
  for (guint i = r->end; i < r->plan->steps->len; i++)
    if (get_step (r->plan, i)->phase == r->phase)
      redirect (r, get_step (r->plan, i));
}

void
nddr_plan_recompute (NddrPlan *plan, guint first, guint end, int segments, int phase)
{
  g_assert (!plan->finished && first <= end && end <= plan->steps->len && segments >= 1);
  g_autoptr (GHashTable) uses = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  g_autofree int *of_steps = g_new0 (int, end - first + 1);
  g_autofree guint *insertions = g_new0 (guint, segments);
  Recompute r = { plan, first, end, phase, uses, of_steps, segments, insertions };
  GHashTableIter iter;
  gpointer value;

  cut (&r);
  note_uses (&r);
  note_needs (&r);
  for (int s = 0; s < segments; s++) {
    if (r.insertions[s] == G_MAXUINT || close_needs (&r, s))
      continue;
    r.insertions[s] = G_MAXUINT;
    g_hash_table_iter_init (&iter, uses);
    while (g_hash_table_iter_next (&iter, NULL, &value))
      if (((Use *) value)->segment == s)
        ((Use *) value)->needed = FALSE;
  }
  repeat_all (&r);
}
