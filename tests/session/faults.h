/* Vulkan calls that fail on demand: a program that links this calls Vulkan through it.
 *
 * Every call that returns a VkResult counts.  The one that was chosen is not made, and returns what was asked for; where that
 * is VK_ERROR_DEVICE_LOST, so does everything later that needs the device.  Set it while no other thread calls
 * Vulkan; several may from then on.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <vulkan/vulkan.h>

/** From now on the @nth call (from 1) of @name fails with @result; NULL: none does.  Starts to count anew. */
void faults_set (const char *name, guint nth, VkResult result);

/** How often @name was called since faults_set(). */
guint faults_count (const char *name);

/** How often of these on another thread than faults_set(). */
guint faults_count_elsewhere (const char *name);

/** From now on waiting for fences takes @ms longer. */
void faults_slow (guint ms);

/** The names of the calls that can fail. */
#define FAULTS_N 27
extern const char *const faults_names[FAULTS_N];
/** Where @name is among them. */
guint faults_index (const char *name);
