/* A plan: a list of kernel dispatches at one size, and where every tensor lies.  Pure data: made, printed
 * and tested without a device.
 *
 * Operations (ops/) append steps in execution order; nddr_plan_finish() then places the tensors of the arena by
 * liveness: from the first step that writes to the last that touches; one that is read before any step writes it is the
 * host's to fill and lives from the start, one that no step reads after its last write is a result and lives to the end.  Inference and
 * training plans differ in what they append, not in kind.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/kernel.h>
#include <nddr/nddr-error.h>
#include <nddr/tuning.h>

G_BEGIN_DECLS

/** Of cooperative matrices: [m][k] x [k][n], 16-bit floats, sums in 32 bits. */
typedef struct
{
  guint32 m, n, k; /* 0: the device has none */
  gboolean emulated; /* by a driver on the CPU: what is unrolled takes it long to compile */
} NddrMatrixSize;

/** What a plan must know of a device. */
typedef struct
{
  NddrFamily family;       /* which kernels to take */
  gboolean fp16;           /* 16-bit storage */
  guint32 subgroup_size;
  guint64 max_storage_range;  /* bytes a storage-buffer binding may span: 128 MiB on lavapipe */
  guint64 max_texel_elements;
  guint32 max_groups[3];
  guint32 max_shared;      /* bytes */
  guint32 max_invocations;
  double max_work;         /* multiply-adds that are submitted at once, about: drivers end what takes seconds, and take its device for lost;
                            * INFINITY on processors, which nobody waits for */
  NddrMatrixSize matrix;
  guint32 cores;           /* that take workgroups, each of them several; 0: unknown */
  guint64 memory;          /* bytes of the largest device-local heap; 0: unknown */
  gsize cached;            /* bytes of a map that is still in caches when the next step reads it, about */
  const NddrTuning *tuning; /* what was fastest on it, where that was tried; or NULL.  Not owned */
} NddrTraits;

/** NddrTraits.max_work of GPUs: two thirds of a second at 25 GMAC/s, which is little for a GPU. */
#define NDDR_MAX_WORK 16e9

/** NddrTraits.cached of software drivers: the second caches of two cores. */
#define NDDR_CACHED (2 << 20)

/** What lavapipe and a modest GPU have, for tests and printing. */
extern const NddrTraits nddr_traits_software, nddr_traits_gpu;

/** Buffers that tensors live in. */
typedef enum
{
  NDDR_SPACE_ARENA,   /* device; placed by liveness; its first 256 bytes are always zero */
  NDDR_SPACE_WEIGHTS, /* device, persistent: packed weights and biases, and whatever outlives a run */
  NDDR_SPACE_PARAMS,  /* device, persistent: parameters in the files' layout, uploaded by the host */
  NDDR_SPACE_STATE,   /* device, persistent: gradients, moments, running statistics */
  NDDR_SPACE_TABLES,  /* device, persistent: filled from NddrTensor.init when the program is made */
  NDDR_SPACE_INPUT,   /* host writes, device reads; one for each slot */
  NDDR_SPACE_OUTPUT,  /* device writes, host reads; one for each slot */
  NDDR_SPACE_EXCHANGE, /* persistent: device and host both read and write, in turn: see nddr_plan_mark() */
  NDDR_N_SPACES
} NddrSpace;

typedef enum { NDDR_F32, NDDR_F16, NDDR_BYTES } NddrType;

/**
 * A tensor of a plan: NHWC, [branches][batch][height][width][stride], stride = channels rounded up to 4 (8 for
 * fp16); the padding channels hold zeros and every kernel keeps them zero, but for nddr_plan_spread_map().  Owned by the plan.
 * A flat tensor (parameters, tables, statistics) has height = width = batch = branches = 1 and stride = channels =
 * its number of elements, where an int holds that: what may have more goes by its bytes.
 */
typedef struct _NddrTensor
{
  char *name; /* to be printed */
  NddrSpace space;
  NddrType type;
  int branches, batch, height, width, channels, stride;
  gsize bytes;
  GBytes *init;             /* TABLES */
  int first, last;          /* steps between which it must keep its content; -1: untouched */
  gboolean keep;            /* ARENA: its content outlives the run: overlaps nothing */
  gsize offset;             /* in its space, a multiple of 256; valid once finished */
  struct _NddrTensor *whole; /* what it is a part of, or NULL */
  gsize part_offset;         /* in bytes within the whole */
} NddrTensor;

#define NDDR_STEP_MAX_BINDINGS 12
#define NDDR_STEP_MAX_PUSH 32 /* 32-bit words: 128 bytes, what every device has */
#define NDDR_STEP_MAX_SPEC 16

typedef struct
{
  NddrTensor *tensor; /* NULL: unused binding */
  gboolean write, read;
  gboolean partial;      /* written in part: the rest must stay as it is, which is what it is read for */
  gboolean ahead;        /* read so that it is in the cache when it is written: nothing depends on what it holds */
  gsize offset, range; /* bytes within the tensor; range 0: to its end.  Storage bindings alone: a texel
                        * binding always views the whole space, and the kernel adds the tensor's base */
} NddrBinding;

typedef struct
{
  const NddrKernel *kernel;
  char *label;  /* the layer it works for, or "A, B": timings are summed by label */
  NddrBinding bindings[NDDR_STEP_MAX_BINDINGS];
  union
  {
    gint32 i;
    guint32 u;
    float f;
  } push[NDDR_STEP_MAX_PUSH];
  int n_push;
  /* push words that finish() fills: the base of a tensor in its space, in texels of 16 bytes */
  struct
  {
    guint8 word;
    NddrTensor *tensor;
    gint32 add;
  } bases[NDDR_STEP_MAX_BINDINGS];
  int n_bases;
  guint32 spec[NDDR_STEP_MAX_SPEC]; /* specialization constants 0 .. n_spec - 1 */
  int n_spec;
  guint32 groups[3];
  char *shape;      /* of the convolution it is part of, as a tuning knows it; NULL: none, or packing */
  NddrAlgorithm algorithm; /* in which it is computed */
  double work;      /* multiply-adds, of convolutions alone: all else is little beside them */
  int phase;        /* steps of one phase run together, in order of appending */
  int mark;         /* its number, from 1; 0: none.  See nddr_plan_mark() */
  gboolean hold;    /* of a mark: the steps behind it wait until the host is done there */
} NddrStep;

typedef struct
{
  NddrTraits traits;
  NddrType activation_type; /* of the tensors between layers */
  GPtrArray *tensors;       /* of NddrTensor */
  GPtrArray *steps;         /* of NddrStep */
  gsize space_bytes[NDDR_N_SPACES];
  int phase;                /* given to steps that are appended */
  const char *label;        /* likewise; not owned: set with g_intern_string() */
  int n_marks;
  gboolean mixed;           /* likewise: they read maps of fp16 in a plan of fp32; FALSE but within an operation */
  gboolean finished;
} NddrPlan;

NddrPlan *nddr_plan_new (const NddrTraits *traits);
void nddr_plan_free (NddrPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrPlan, nddr_plan_free)

/** A feature map of the plan's activation type in the arena. */
NddrTensor *nddr_plan_map (NddrPlan *plan, const char *name, int branches, int batch, int height, int width, int channels);
/** A map like @like whose pixels are @apart floats (a multiple of 4) farther from one another, for a copy of it: its stride is larger by so
 * many, and what stands between pixels is undefined. */
NddrTensor *nddr_plan_spread_map (NddrPlan *plan, const char *name, const NddrTensor *like, int apart);
/** Any tensor, by its parts. */
NddrTensor *nddr_plan_tensor (NddrPlan *plan, const char *name, NddrSpace space, NddrType type, int branches, int batch, int height, int width, int channels);
/** A flat float32 (or bytes) tensor of @n elements. */
NddrTensor *nddr_plan_flat (NddrPlan *plan, const char *name, NddrSpace space, NddrType type, gsize n);
/** @n elements of @whole, from @offset bytes (a multiple of 256) on, as a flat tensor of their own. */
NddrTensor *nddr_plan_part (NddrPlan *plan, NddrTensor *whole, const char *name, gsize offset, gsize n);
/** A table in TABLES with its content; copied. */
NddrTensor *nddr_plan_table (NddrPlan *plan, const char *name, gconstpointer data, gsize bytes);

/** Appends a step with no bindings; the caller then binds, pushes and sets the grid. */
NddrStep *nddr_plan_step (NddrPlan *plan, NddrKernelId kernel, guint32 gx, guint32 gy, guint32 gz);
/** Bindings in the shader's order (binding = 0, 1, …). @tensor may be NULL for one the shader never touches: then
 * any buffer is bound. */
void nddr_step_read (NddrStep *step, int binding, NddrTensor *tensor);
void nddr_step_read_ahead (NddrStep *step, int binding, NddrTensor *tensor); /* what another binding writes: see ahead.glsl */
void nddr_step_write (NddrStep *step, int binding, NddrTensor *tensor);
void nddr_step_update (NddrStep *step, int binding, NddrTensor *tensor); /* reads and writes */
void nddr_step_write_part (NddrStep *step, int binding, NddrTensor *tensor); /* what else is in it stays */
/** Narrows a storage binding to part of its tensor (@offset a multiple of 256 unless the kernel's device allows less). */
void nddr_step_range (NddrStep *step, int binding, gsize offset, gsize range);
/** Push words, in order. */
void nddr_step_push_i (NddrStep *step, gint32 value);
void nddr_step_push_f (NddrStep *step, float value);
/** A push word that will hold @tensor's base in its space, in 16-byte texels, plus @add texels: for texel bindings.  For
 * storage bindings a kernel uses offsets within the tensor. */
void nddr_step_push_base (NddrStep *step, NddrTensor *tensor, gint32 add);
void nddr_step_spec (NddrStep *step, guint32 value);

/** Marks the step appended last, which has no mark yet: once it and all before it have run, nddr_program_run_marked() lets the host act.
 * @hold: and the steps behind it wait for that; else they run meanwhile
 * Returns: the mark's number, from 1 in order of marking */
int nddr_plan_mark (NddrPlan *plan, gboolean hold);

/**
 * Trades time for memory: tensors of the arena that steps @first … @end - 1 write and steps of @phase behind them read are not kept, but made once
 * more, by the same steps with the same bits, before they are read.  For that the steps are cut into segments: what one hands on to
 * another is kept, so is all of the last, and what a step with other effects (on statistics) makes.
 * @segments: at least 1, which changes nothing.  The steps behind that read from @phase's must come in order
 */
void nddr_plan_recompute (NddrPlan *plan, guint first, guint end, int segments, int phase);
/** Whether there can be a device that has a buffer for such a map.  What makes networks' steps asks before it appends any: operations count a map's
 * pixels and texels in int, for which the largest buffers of Vulkan are small enough.  What the device at hand binds nddr_plan_finish() looks at. */
gboolean nddr_plan_check_map (const NddrPlan *plan, const char *name, int branches, int batch, int height, int width, int channels, GError **error);
/** Places tensors and fills the pushed bases.  Fails only where a device limit is exceeded, and says which. */
gboolean nddr_plan_finish (NddrPlan *plan, GError **error);
/** What the arena's tensors that live at once have together, where that is most: the least that the arena could take. Once finished. */
gsize nddr_plan_live_bytes (const NddrPlan *plan);
/** Where barriers go when the phases of @phase_mask run as one submission: @before has an element a step. */
void nddr_plan_barriers (const NddrPlan *plan, guint phase_mask, gboolean *before);
/** (transfer full): a table of steps and tensors for people. */
char *nddr_plan_print (const NddrPlan *plan);

/* Texels of 16 bytes in one branch of @t, and in one row: what kernels step by. */
static inline int nddr_tensor_texels (const NddrTensor *t) { return t->stride / (t->type == NDDR_F16 ? 8 : 4); }
static inline gsize nddr_tensor_branch_texels (const NddrTensor *t) { return (gsize) t->batch * t->height * t->width * nddr_tensor_texels (t); }

G_END_DECLS
