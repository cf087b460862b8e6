/* A fuzz target's bytes as a file: what is tried reads files by their paths.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/** A file in memory of @size bytes, to be closed. @path: what it is opened by. */
static inline int
fuzz_file (const uint8_t *data, size_t size, char path[32])
{
  int fd = memfd_create ("fuzz", MFD_CLOEXEC);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (write (fd, data, size), ==, (ssize_t) size);
  g_snprintf (path, 32, "/proc/self/fd/%d", fd);
  return fd;
}
