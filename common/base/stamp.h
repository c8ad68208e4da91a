/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * stamp.h: which build a program is of.  The keeper compares the stamps of the
 * executables it starts with its own and refuses those of another build.
 */

#ifndef COMMON_BASE_STAMP_H
#define COMMON_BASE_STAMP_H

/* Version and hash over the sources, "0.1.0+0123456789abcdef"; never NULL. */
extern const char build_stamp[];

/* Stands before the stamp in the file of every program that has one. */
#define STAMP_MARK "clusterd-build-stamp:"

#endif
