/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * stamp.c: the build stamp, alone in its object and its library, so that a
 * changed source links the programs again and compiles nothing else.
 */

#include "common/base/stamp.h"

#include "common/base/build_stamp.h"

const char build_stamp[] = BUILD_STAMP;

/* The same with a mark before it: the keeper reads it out of the executables,
 * which it would not run as root to ask them. */
extern const char build_stamp_marked[];
const char build_stamp_marked[] __attribute__((used)) =
    STAMP_MARK BUILD_STAMP;
