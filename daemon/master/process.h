/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * process.h: what the master holds of one worker's process: pidfd, /proc
 * directory, control channel, both ends of the connections socket, page and
 * pipes.  It comes from the keeper with SPAWNED or with the inventory, and can
 * be had again by the next master.  Every byte of it is the worker's, so none
 * is believed.
 */
#ifndef CLUSTERD_MASTER_PROCESS_H
#define CLUSTERD_MASTER_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/channel/channel.h"
#include "daemon/master/command.h"
#include "daemon/master/link.h"
#include "daemon/master/observe.h"
#include "daemon/master/relay.h"
#include "daemon/proto/log_frame.h"
#include "daemon/master/sample.h"
#include "daemon/proto/messages.h"
#include "daemon/proto/page.h"
#include "daemon/scoreboard/read.h"
#include "daemon/supervisor/busy.h"

struct event;
struct master;

/* In the order of SPAWNED. */
enum process_fd { PFD_PID, PFD_PROC, PFD_CHANNEL, PFD_CONNECTIONS,
	PFD_CONNECTIONS_END, PFD_PAGE, PFD_OUTPUT, PFD_LOG };
enum { PFD__COUNT = PFD_LOG + 1, PROCESS_TAIL = 4096, PROCESS_LINE = 4096 };

/* A pipe of the worker that is read by lines. */
struct process_pipe {
	struct event *readable;
	char line[PROCESS_LINE];	/* begun; of the output pipe alone */
	size_t len;
	uint64_t second;		/* of the budget below */
	size_t budget;			/* bytes of this second's lines */
	uint64_t dropped;		/* lines */
};

/* How a process ended, as the keeper tells. */
struct process_end {
	int status;			/* as of wait(2) */
	int core;			/* was one written? */
	uint64_t utime_us, stime_us, maxrss_kb;
	uint64_t ended_ns;		/* monotonic; 0: nobody saw it */
};

struct process {
	struct master *master;
	struct process *next;		/* in master->graves */
	uint64_t id;
	uint16_t row;			/* in the memo; MEMO_NONE: left it */
	uint16_t pool, slot;		/* memo index of the pool, number */
	int pid;
	char name[64];			/* "web/0" */
	int fd[PFD__COUNT];		/* -1: closed or never had */
	struct event *channel_readable, *channel_writable;
	struct event *room;		/* connections socket takes one more */
	const struct page *page;	/* NULL: could not be mapped */
	struct page_report report;	/* what was last read of it */
	bool has_report;
	struct busy_mark busy;		/* how far its busy time is counted */
	uint64_t rss_kb, cpu_ms;	/* from /proc, every few seconds */
	struct process_pipe output, log;
	struct log_frame_reader frames;	/* of the log pipe */
	char tail[PROCESS_TAIL];	/* ring: last bytes of output */
	size_t tail_len;		/* ever written */
	struct channel channel;
	struct relay_end relay;		/* messages of plugins */
	struct command_end commands;	/* what they ask of the daemon */
	struct observe_end observers;	/* what they watch */

	/* dispatch */
	bool on;			/* READY and takes connections */
	bool stalled, deaf;		/* its queue is being taken back */
	unsigned window;		/* W it was set up for */
	uint64_t waiting_most;		/* connections in its queue, at most */
	bool awaited;			/* it tells when its queue has room */
	uint64_t passed, taken_back;	/* by this master */

	/* hang detection, by the tick */
	uint64_t beat_seen_ns;		/* newest beat believed */
	uint64_t clock_from_ns;		/* no staleness before this */
	struct sample_time silent;	/* at the first beat that was missed */
	uint64_t deaf_since_ns, deaf_taken;
	uint64_t hung_since_ns;		/* it is being ended for it */
	bool starved;			/* said: it has longer, for want of CPU */
	char evidence[256];
	char fatal_text[256];		/* words of its FATAL */
	char recycle_text[256];		/* and of its RECYCLE */

	bool access_seen;		/* access_lost was looked at */
	uint64_t access_lost;		/* lines of its access log, so far */
	uint64_t tried_from_ns;		/* a canary serves since then, by
					 * tick_awake_ns(); 0: not looked yet */
	bool in_doubt;			/* whether it has said READY: asked anew
					 * at each tick */
	bool told_online, told_listening;	/* by this master: once each */
	/* what its channel did not take is said again at a tick */
	uint32_t untold;		/* ACT_SAY_* */
	uint8_t untold_files;		/* REOPEN: bits of enum reopen_which */
	bool untold_listeners;		/* LISTENER: listeners_missed.c */

	uint64_t generation;		/* of its snapshot; in a memo made anew, the
					 * one that it is of */

	bool unkillable;		/* nobody waits for its end any more */

	/* after its end */
	uint64_t words_until_ns;	/* its last words are waited for; 0: it lives */
	bool exited;			/* and they were heard */
	struct process_end end;
};

/*
 * Take over the descriptors of a SPAWNED or HAVE_WORKER packet.  NULL when
 * memory is short.  Nothing is read yet: process_watch().
 */
struct process *process_new(struct master *master, uint64_t id, int pid,
    const char *name, const struct link_packet *packet);
/* Begin to read channel and pipes. */
void process_watch(struct process *process);
void process_free(struct process *process);

/* Read what is left in channel and pipes.  False: there is more, and no memory to
 * receive it with; nothing is to be concluded from its silence. */
bool process_drain(struct process *process);
/* Stop reading its channel and pipes, let go of all but its queue. */
void process_bury(struct process *process);

/* Each tick: what could not be said, or heard. */
void process_flush(struct process *process);

/* Send a message, now or when there is room; over the bound it is dropped and
 * false is returned.  fd may be -1; it stays the caller's. */
bool process_say(struct process *process, struct channel_packet *packet,
    size_t tail, int fd);
/* The same with count descriptors; 0 or why it was not sent, ERR_SYSTEM: its
 * end is gone, or there are no numbers for them. */
int process_pass(struct process *process, struct channel_packet *packet,
    size_t tail, const int *fds, size_t count);
/* A RESULT or EVENT with its JSON, of any length. */
bool process_say_json(struct process *process, struct channel_packet *packet,
    const char *json, size_t len);
/* So much waits for it that who can wait should. */
bool process_is_full(const struct process *process);
bool process_say_stop(struct process *process);
bool process_say_drain(struct process *process, uint64_t deadline_ns);
bool process_say_key(struct process *process, uint32_t key, int64_t value);
/* The level that is in force here, for what its plugins say. */
bool process_say_log_level(struct process *process);
bool process_say_listener(struct process *process, uint32_t listener,
    enum listener_op op, int fd);

/* The last 512 bytes of output, escaped; returns out. */
char *process_tail(const struct process *process, char *out, size_t size);
void process_tail_add(struct process *process, const char *data, size_t len);

/* Of the whole machine's processes this one alone, by its id; or NULL. */
struct process *process_find(struct master *master, uint64_t id);

#endif
