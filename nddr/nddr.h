/* libnddr: NDDR-CNN multi-task networks as Vulkan compute.
 *
 * The whole public API.  file -> model -> (network -> plan -> program) -> session -> frames.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/nddr-device.h>
#include <nddr/nddr-error.h>
#include <nddr/nddr-frame.h>
#include <nddr/nddr-model.h>
#include <nddr/nddr-session.h>
#include <nddr/nddr-version.h>
