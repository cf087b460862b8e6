/* Part of every program in a build with sanitizers, so that what they report is ours.
 *
 * The Vulkan loader unloads drivers and layers with the last instance.  What they keep in variables of their own then looks
 * lost, and comes from a module without a name: so none is unloaded.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */

int dlclose (void *handle);
const char *__lsan_default_suppressions (void);

int
dlclose (void *handle)
{
  return 0;
}

const char *
__lsan_default_suppressions (void)
{
  /* the layer loses the states of command buffers (1.3.239); libhdf5 a few objects of files that it gives up on (1.10.8) */
  return "leak:libVkLayer_khronos_validation.so\nleak:libhdf5\n";
}
