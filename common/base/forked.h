/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * forked.h: is this process a copy that somebody's fork() has made of ours?
 * Also by a raw system call, which no handler of libc sees: the kernel itself
 * wipes the mark in a copy.
 */
#ifndef CLUSTERD_BASE_FORKED_H
#define CLUSTERD_BASE_FORKED_H

#include <stdbool.h>

/* From now on copies know that they are one.  Where the kernel cannot, none
 * does; returns 0 or a negative errno. */
int forked_watch(void);
/* Async-signal-safe, one load. */
bool forked_is_copy(void);

#endif
