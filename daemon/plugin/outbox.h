/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * outbox.h: messages that plugins of this worker send, and what became of them.
 * Small ones are gathered and leave together when the callback returns; what the
 * control channel does not take waits, within bounds, and a sender that goes on
 * is refused.  One a process, the loop's thread only.
 */
#ifndef DAEMON_PLUGIN_OUTBOX_H
#define DAEMON_PLUGIN_OUTBOX_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>

#include <clusterd/message.h>

#include "daemon/channel/channel.h"
#include "daemon/proto/letter.h"

struct host;
struct sent;

enum {
	OUTBOX_OPEN = 4096,		/* whose end somebody waits for */
	OUTBOX_FDS = 64,		/* that wait in the channel */
};

struct outbox {
	struct host *host;
	struct channel *channel;	/* NULL: nobody to send to */
	struct event flush_event, deadline_event;
	/* being filled: MESSAGE or ANSWER, so many bytes of letters */
	_Alignas(8) struct channel_packet packet;
	size_t filled;
	/* frames that may leave now, counted at tokens_ns */
	uint32_t tokens;
	uint64_t tokens_ns;
	/* whose end somebody waits for: OUTBOX_OPEN rows, or NULL */
	struct sent *rows;
	unsigned open;
	uint32_t free_first;		/* index + 1 */
	uint64_t number;		/* of the last one */
	uint64_t deadline_ns;		/* the first of theirs; 0: none */
	bool held;			/* many callbacks in a row: not after each */
	bool room_wanted;		/* by a plugin */
	bool shut;			/* nobody may wait any more */
};

void outbox_init(struct outbox *outbox, struct host *host);

/* As cluster_send() and its like, for the plugin whose callback runs. */
int outbox_send(struct outbox *outbox, const char *to, const void *data,
    size_t len, const struct cluster_send *how);
int outbox_ask(struct outbox *outbox, const char *to, const void *data,
    size_t len, unsigned timeout_ms, cluster_answer_fn *answer, void *arg);
int outbox_answer(struct outbox *outbox, uint64_t to, uint64_t ref,
    const void *data, size_t len, const struct cluster_fds *fds);
/* A letter of the host's own with a descriptor, which stays open, to one worker;
 * done is not of a plugin. */
int outbox_pass(struct outbox *outbox, const char *to, const char *topic,
    const void *data, size_t len, int fd,
    void (*done)(void *arg, int error, unsigned taken), void *arg);
size_t outbox_room(struct outbox *outbox);

/* What is gathered leaves now, as far as it may. */
void outbox_flush(struct outbox *outbox);
/* The channel has taken what waited: those that want room hear of it. */
void outbox_tell_room(struct outbox *outbox);

/* What the master says. */
void outbox_report(struct outbox *outbox, const struct mail_report *report);
void outbox_synced(struct outbox *outbox, uint64_t last, uint64_t first);
/* An answer has come; m is shown to who asked. */
void outbox_answered(struct outbox *outbox, uint64_t ref,
    const struct cluster_message *m);
/* The last ref that was given, 0: none is open. */
uint64_t outbox_last(const struct outbox *outbox);

/* The worker stops: every end that is awaited is -ESHUTDOWN. */
void outbox_stop(struct outbox *outbox);

#endif
