/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * options.h: a plugin's own keys, as its option rows say.  The checker tells
 * whether a value is right, the worker puts it into the plugin's struct.
 * Pure but for the heap.
 */
#ifndef DAEMON_PLUGIN_OPTIONS_H
#define DAEMON_PLUGIN_OPTIONS_H

#include <clusterd/plugin.h>

#include "common/base/errmsg.h"

/* A key with its value as written; both borrowed. */
struct option_text {
	const char *name, *value;
};

/* The row of that name, or NULL.  rows may be NULL. */
const struct cluster_option *options_find(const struct cluster_option *rows,
    const char *name);

/* The row whose name is most like it ("did you mean"), or NULL. */
const struct cluster_option *options_suggest(const struct cluster_option *rows,
    const char *name);

/* Are the rows themselves right: types, widths, members inside self, no name
 * twice, fallbacks that pass their own row?  0 or ERR_FORMAT with words. */
int options_check_rows(const struct cluster_option *rows, size_t self_size,
    struct errmsg *err);

/* Is the value right for its row?  0 or ERR_BAD_ARGUMENT with words. */
int options_check(const struct cluster_option *row, const char *value,
    struct errmsg *err);

/*
 * Fill self (zeroed, as large as the plugin says) with the fallbacks, then
 * with count given values.  Texts are copied and live for ever.  0, or
 * ERR_BAD_ARGUMENT naming the key: unknown, wrong, or required and not given.
 */
int options_fill(const struct cluster_option *rows, void *self,
    const struct option_text *given, size_t count, struct errmsg *err);

#endif
