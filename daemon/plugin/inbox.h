/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * inbox.h: messages that come to the plugins of this worker.  A letter is judged
 * first, so that its sender can be told that it was read, and then delivered.
 * One a process, the loop's thread only.
 */
#ifndef DAEMON_PLUGIN_INBOX_H
#define DAEMON_PLUGIN_INBOX_H

#include <stdbool.h>
#include <stddef.h>

#include <clusterd/message.h>

#include "daemon/proto/letter.h"

struct host;

struct inbox {
	/* what is being delivered; NULL: nothing */
	const struct cluster_message *current;
	const struct letter *letter;
	int *fds;			/* of the plugins; -1: taken */
	bool answered;
	void *large;			/* data of a LETTER_LARGE, mapped */
};

/*
 * 0: it will be delivered; or an errno: nobody here wants it (ESRCH), there are
 * no means for it (EAGAIN), it is not what it says (EBADMSG).  fds: as many as it
 * names, or lost.  An answer is always taken.
 */
int inbox_judge(struct host *host, const struct letter *letter,
    bool is_answer, const int *fds, bool lost);

/* Deliver what was judged to be good.  What plugins take of fds is -1 then. */
void inbox_deliver(struct host *host, const struct letter *letter,
    bool is_answer, int *fds);

/* Around a callback that is shown a message which came another way: what the
 * plugin takes of fds is -1 then. */
void inbox_show(struct inbox *inbox, const struct cluster_message *m, int *fds);
void inbox_hide(struct inbox *inbox);

/* For the plugin whose callback runs; as cluster_…(). */
int inbox_take_fd(struct host *host, const struct cluster_message *m,
    unsigned index);
int inbox_answer(struct host *host, const struct cluster_message *m,
    const void *data, size_t len, const struct cluster_fds *fds);

#endif
