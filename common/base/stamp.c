/* SPDX-License-Identifier: MIT
 * Copyright (c) 2025 The clusterd authors */

/*
 * stamp.c: the build stamp, alone in its object and its library, so that a
 * changed source links the programs again and compiles nothing else.
 */

#include "common/base/stamp.h"

#include "common/base/build_stamp.h"

const char build_stamp[] = BUILD_STAMP;
