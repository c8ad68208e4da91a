/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* environment.h: the environment of a child.  Pure but for the heap. */
#ifndef DAEMON_CHILD_ENVIRONMENT_H
#define DAEMON_CHILD_ENVIRONMENT_H

#include <stdbool.h>

/*
 * own: the worker's; given: NULL, or a list ("NAME=value", with add also "NAME",
 * which removes it) that replaces it or (add) is added to it.  What tells of a
 * channel is in channel alone, or nowhere (NULL).  The texts are borrowed, the
 * list is freed by the caller; NULL: no memory.
 */
const char **environment_make(const char *const *own,
    const char *const *given, bool add, const char *const *channel);

/* The value of a name, or NULL. */
const char *environment_get(const char *const *list, const char *name);

#endif
