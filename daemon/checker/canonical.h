/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* canonical.h: the configuration in effect as text.  Only the checker. */
#ifndef CLUSTERD_CHECKER_CANONICAL_H
#define CLUSTERD_CHECKER_CANONICAL_H

#include "daemon/conf/conf.h"

struct buf;
struct modules;

/*
 * Append every key with its value, defaults included, secrets as ***, in the
 * order of keys.def; a file that has this text (and the secrets) is the same
 * configuration.  A list without items is a comment.
 */
void canonical_write(struct buf *out, const struct conf *conf,
    const struct modules *modules);

#endif
