/* What a test that crashes says: where.  A machine that runs tests once leaves nothing else to look at.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "crash.h"

#if __has_include(<execinfo.h>) && !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__

#include <execinfo.h>
#include <signal.h>
#include <unistd.h>

#define DEPTH 64

/* The thread's own stack, by module and offset (addr2line -e); the process then ends as it would have. */
static void
on_crash (int number)
{
  void *frames[DEPTH];

  signal (number, SIG_DFL);
  backtrace_symbols_fd (frames, backtrace (frames, DEPTH), STDERR_FILENO);
  raise (number);
}

void
crash_init (void)
{
  static const int numbers[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE };
  void *frame;

  backtrace (&frame, 1); /* loads what it needs now, while malloc() still works */
  for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++)
    signal (numbers[i], on_crash);
}

#else

void
crash_init (void)
{
}

#endif
