/* A program: a plan made executable on a device: its buffers, pipelines, descriptor sets and pre-recorded command
 * buffers.
 *
 * Not thread-safe, but for nddr_program_wait(), which may run beside a submit of another slot.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/nddr-device.h>
#include <nddr/plan.h>

G_BEGIN_DECLS

typedef struct _NddrProgram NddrProgram;

#define NDDR_PROGRAM_MAX_SLOTS 8

/**
 * Makes buffers, and pipelines where the device has not made them before: making a second program with the same kernels is
 * cheap.
 * @plan: finished; kept by the program, which frees it
 * @slots: how many INPUT and OUTPUT buffers, 1 to NDDR_PROGRAM_MAX_SLOTS
 */
NddrProgram *nddr_program_new (NddrDevice *device, NddrPlan *plan, guint slots, GError **error);
void nddr_program_free (NddrProgram *program); /* waits for what is in flight */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrProgram, nddr_program_free)

/** What making the program took, in microseconds.  Drivers may put off compiling until a pipeline first runs. */
typedef struct
{
  gint64 memory;    /* buffers, filled; descriptor sets */
  gint64 pipelines; /* those that the device had not made before */
} NddrProgramStart;
const NddrProgramStart *nddr_program_get_start (const NddrProgram *program);

const NddrPlan *nddr_program_get_plan (const NddrProgram *program);

/** Host memory of an INPUT or OUTPUT tensor of one slot, or of an EXCHANGE tensor; valid as long as the program.  An OUTPUT tensor is to be read alone, and
 * holds what the device wrote after the slot was waited for; the others are coherent. */
gpointer nddr_program_map (NddrProgram *program, const NddrTensor *tensor, guint slot);

/** Copies between the host and a tensor of any other space, through staging where memory is not host-visible.  Waits for the
 * device. @bytes at @offset within the tensor. */
gboolean nddr_program_write (NddrProgram *program, const NddrTensor *tensor, gsize offset, gconstpointer data, gsize bytes, GError **error);
gboolean nddr_program_read (NddrProgram *program, const NddrTensor *tensor, gsize offset, gpointer data, gsize bytes, GError **error);

/** Submits the steps of @phase_mask's phases (bits 1 << phase), in order of appending, on @slot's buffers.  Recorded at its first use and
 * replayed after. The slot must not be in flight. */
gboolean nddr_program_submit (NddrProgram *program, guint slot, guint phase_mask, GError **error);
/** Waits for @slot's last submit. @ns: (nullable): time from the first step to the last by the device's clock, or where it has none by the host's: until
 * this call returned. */
gboolean nddr_program_wait (NddrProgram *program, guint slot, guint64 *ns, GError **error);
/** Submit and wait, on slot 0. */
gboolean nddr_program_run (NddrProgram *program, guint phase_mask, GError **error);

/** What the host does while a plan runs. */
typedef struct
{
  /* the steps up to @mark have run, where it holds none behind it; FALSE with @error ends the run */
  gboolean (*reached) (int mark, gpointer user_data, GError **error);
  void (*idle) (gpointer user_data); /* often, while the device is waited for; must not take long */
  gpointer user_data;
} NddrMarkHandler;

/** As nddr_program_run(), but for the plan's marks: see nddr_plan_mark().  However it ends, nothing is in flight then. */
gboolean nddr_program_run_marked (NddrProgram *program, guint phase_mask, const NddrMarkHandler *handler, GError **error);

/** Runs @phase_mask once with a timestamp after every step. @ns: plan->steps->len entries; 0 for those of other phases. */
gboolean nddr_program_profile (NddrProgram *program, guint phase_mask, guint64 *ns, GError **error);

/** Frees a space's memory that no later submit touches (PARAMS after weights are packed). */
void nddr_program_release (NddrProgram *program, NddrSpace space);

G_END_DECLS
