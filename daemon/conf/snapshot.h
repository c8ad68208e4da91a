/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * snapshot.h: struct conf to bytes and back; the layout is that of
 * daemon/proto/snapshot.h.  Pure; all but the keeper.
 */
#ifndef CLUSTERD_CONF_SNAPSHOT_H
#define CLUSTERD_CONF_SNAPSHOT_H

#include "daemon/conf/conf.h"

struct buf;
struct errmsg;

enum { SNAPSHOT_ALL = -1 };

/*
 * Append a snapshot to out (which must be empty).  pool: SNAPSHOT_ALL, or an
 * index into pools: what a worker of that pool gets, which is the daemon's keys
 * it needs, its pool and the plugins that its routes and filters
 * name.
 * 0 or ERR_MEMORY, ERR_TOO_LARGE.
 */
int snapshot_encode(const struct conf *conf, int pool, struct buf *out);

/*
 * The configuration in size bytes, all of them checked: layout, digest, order,
 * every value against its row, every name and address, every reference.
 * *out has one reference, the caller's.  0, or ERR_FORMAT, ERR_VERSION,
 * ERR_MEMORY with words; *out is untouched then.
 */
int snapshot_decode(const void *data, size_t size, struct conf **out,
    struct errmsg *err);

/* 1..CONF_NAME_MAX - 1 letters, digits, '-' and '_', beginning with one of the
 * first two: the name of a pool or a plugin instance. */
int conf_name_is_legal(const char *name);

#endif
