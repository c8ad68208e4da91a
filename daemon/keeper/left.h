/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * left.h: whom our processes leave behind when they end.  The others of their
 * group and session get SIGKILL, whoever is their parent by then; who has made
 * a session of his own is nobody's business.
 *
 * A number is not given to another process as long as somebody has it as his
 * session, and a session is forgotten when nobody of it is seen any more: so
 * no stranger is taken for one of them.
 */
#ifndef CLUSTERD_KEEPER_LEFT_H
#define CLUSTERD_KEEPER_LEFT_H

#include "daemon/keeper/state.h"

/* One of ours has ended and is not reaped yet, so its number names its group and
 * nobody else's: that is ended here. */
void left_note(struct keeper *k, pid_t pid);
/* End those who are left, after those who have ended were reaped. */
void left_kill(struct keeper *k);
/* Again, for those who were not ours to be told of; at the most once a second. */
void left_tick(struct keeper *k, uint64_t now_ns);
/* Is there nobody to wait for?  Nobody is waited for longer than 2 s. */
int left_is_over(const struct keeper *k);
/* This number belongs to a new process of ours. */
void left_is_another(struct keeper *k, pid_t pid);

#endif
