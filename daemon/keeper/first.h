/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * first.h: the checker of the first start, which tells the keeper accounts and
 * directories before any plugin is opened; and the runs that only check.
 */
#ifndef CLUSTERD_KEEPER_FIRST_H
#define CLUSTERD_KEEPER_FIRST_H

#include "daemon/keeper/state.h"

/*
 * Run it until its header is here and is good; as root a second time, where
 * the file names another worker account than the built-in one.  Returns 0 or
 * an exit status, with words in err unless the checker has printed its own.
 */
int first_run(struct keeper *k, struct errmsg *err);

/* The checker may open plugins now; a master is there to hear it. */
void first_go_on(struct keeper *k);

/* The first master died with half a verdict: a new checker for the next. */
void first_again(struct keeper *k);

/* `-t`, `-T`: check and print; the exit status. */
int first_check_only(struct keeper *k, struct errmsg *err);
/* `-V`: the versions of master and worker, from themselves. */
int first_show_versions(struct keeper *k);

/* What the keeper itself demands of a header.  Pure.  0 or ERR_FORMAT,
 * ERR_DENIED, with words. */
int first_check_header(const struct checker_header *header, int privileged,
    struct errmsg *err);

#endif
