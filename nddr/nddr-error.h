/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#ifndef NDDR_API
#define NDDR_API __attribute__ ((visibility ("default")))
#endif

/**
 * NddrError: what kind of thing went wrong.  The message says the rest: what was
 * being done, where, what was expected, and what to do.
 *
 * Since: 0.1
 */
typedef enum
{
  NDDR_ERROR_FAILED,      /* none of the below */
  NDDR_ERROR_FILE,        /* a file cannot be opened, read or written */
  NDDR_ERROR_FORMAT,      /* a file's content is not what it should be */
  NDDR_ERROR_ARGUMENT,    /* the caller asked for something that cannot be */
  NDDR_ERROR_NO_DEVICE,   /* no Vulkan driver, or none that matches */
  NDDR_ERROR_UNSUPPORTED, /* the device lacks something that is needed */
  NDDR_ERROR_NO_MEMORY,   /* the device or the host is out of memory */
  NDDR_ERROR_DEVICE_LOST, /* the device is gone; open another */
} NddrError;

#define NDDR_ERROR (nddr_error_quark ())
NDDR_API GQuark nddr_error_quark (void);

G_END_DECLS
