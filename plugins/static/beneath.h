/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * beneath.h: opening files below a directory, and nowhere else.  The kernel
 * walks the name (openat2(2), Linux 5.6): no "..", link or rename leads out of
 * the root, at any moment, and no link of /proc is followed.
 */
#ifndef PLUGINS_STATIC_BENEATH_H
#define PLUGINS_STATIC_BENEATH_H

#include <stdbool.h>

/* A descriptor of the directory, to look from; or -errno.  -ENOSYS: this
 * kernel, or a filter before it, has no openat2. */
int beneath_open_root(const char *directory);

/*
 * Open a name relative to root for reading, or with look for fstat() alone.
 * links: those that stay beneath the root are followed.  Never waits for the
 * other end of a FIFO.  -EXDEV: it leads out; -ELOOP: a link, or too many.
 */
int beneath_open(int root, const char *name, bool links, bool look);

#endif
