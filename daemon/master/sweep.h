/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * sweep.h: what nobody needs any more of the files that disk.h writes.
 * The loop says what must stay, the disk's thread looks at the folders and
 * removes the rest, between two jobs: it owns all that it reads, and knows
 * neither the master nor the memo.
 */
#ifndef CLUSTERD_MASTER_SWEEP_H
#define CLUSTERD_MASTER_SWEEP_H

#include <stdint.h>

struct conf;
struct errmsg;
struct sweep;

/* Of the snapshots in state_dir the newest `keep' stay, and what they name of
 * the plugin store. */
struct sweep *sweep_new(const char *state_dir, unsigned keep);
void sweep_free(struct sweep *sweep);	/* NULL is legal */

/* This one stays as well, however old; its plugins too, even if its file is
 * not there.  conf: NULL if it is not known. */
void sweep_keep(struct sweep *sweep, uint64_t number, const struct conf *conf);

/*
 * Remove the rest, and what a master that was killed left half-written.  No
 * file may be in the making meanwhile.  0, or an ERR_ code: something that
 * should go is still there.
 */
int sweep_run(struct sweep *sweep, struct errmsg *err);

#endif
