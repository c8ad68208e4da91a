/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * pass.h: streams that are passed to another worker, as a letter with the socket: who
 * has it is never in doubt while it is under way, as it is judged before it is
 * said to be taken.  The loop's thread.
 */
#ifndef DAEMON_PLUGIN_PASS_H
#define DAEMON_PLUGIN_PASS_H

#include <stdbool.h>
#include <stddef.h>

struct flow;
struct host;
struct letter;

/* As cluster_stream_give(). */
int pass_stream(struct host *host, struct flow *flow, const char *to,
    const void *note, size_t len);

/* Is that a stream? */
bool pass_is_one(const struct letter *letter);
/* 0, or an errno: it cannot be taken here. */
int pass_judge(struct host *host, const struct letter *letter, bool lost);
/* Take it; fds[0] is -1 then. */
void pass_take(struct host *host, const struct letter *letter, int *fds);

#endif
