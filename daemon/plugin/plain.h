/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * plain.h: the plainest form of a path, in which two that may mean one file are
 * one: without escapes, empty segments and dots.  For filters, which must not be
 * passed by another spelling; routes and handlers see what was sent.  Pure.
 */
#ifndef DAEMON_PLUGIN_PLAIN_H
#define DAEMON_PLUGIN_PLAIN_H

#include <stdbool.h>
#include <stddef.h>

/* Is it in that form?  A path that does not begin with '/' is. */
bool plain_is(const char *path, size_t len);

/* Make it so, in place; the new length, not more than len.  What is no escape
 * stays as it is. */
size_t plain_make(char *path, size_t len);

#endif
