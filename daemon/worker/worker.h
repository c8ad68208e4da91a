/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * worker.h: one worker: its descriptors, its loop, its plugins.  Life:
 * start.c brings it up to READY, accept.c takes connections, talk.c hears the
 * master, beat.c writes the page and looks after its own descriptors, access.c
 * has the access log, drain.c ends it.  Trusted with nothing but its own
 * clients; it leaves by _exit.
 */
#ifndef DAEMON_WORKER_WORKER_H
#define DAEMON_WORKER_WORKER_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "daemon/channel/channel.h"
#include "daemon/conf/conf.h"
#include "daemon/plugin/host.h"
#include "daemon/proto/keeper.h"
#include "daemon/proto/page.h"
#include "daemon/proto/roster.h"
#include "daemon/worker/access.h"

enum {
	WORKER_LISTENERS_MAX = KEEPER_SPAWN_LISTENERS,
	WORKER_SPARES = 12,		/* descriptors kept for bad times, */
	WORKER_SPARES_LEAST = 8,	/* and never fewer while there are others */
};

struct listener {
	struct event event;
	struct worker *worker;
	uint32_t id;
	int fd;				/* -1: free row */
	bool wanted;			/* the master says: poll it */
	bool armed;
	struct file_id socket;		/* that fd is */
};

enum worker_phase {
	PHASE_START, PHASE_SERVE, PHASE_DRAIN, PHASE_STOP,
};

struct worker {
	struct event_base *base;
	const struct conf *conf;
	const struct conf_pool *pool;
	const char *name;		/* "web/0", in the page */
	uint64_t id;
	struct board board;
	const struct master_page *master_page;
	struct host host;
	struct access access;

	struct channel channel;
	struct event channel_event, channel_write_event;
	bool talking;			/* these are there */
	uint32_t master_number;		/* that our messages go through */
	struct mail_debt { uint32_t master, letters, error; } debt;
	struct event lifeline_event, signal_event, ready_event;
	struct event beat_event, drain_event, retry_event;
	uint64_t beats, loops;		/* loops: since the last beat */

	/* taking connections */
	struct event connections_event;
	bool taking;			/* connections_event is added */
	int null_fd;			/* what they are copies of */
	int spares[WORKER_SPARES];
	unsigned spare_count;
	uint64_t scarce_since_ns;	/* only one of them is left; 0: more */
	struct listener listeners[WORKER_LISTENERS_MAX];
	unsigned retry_ms;		/* accepting failed: try again after */
	uint64_t retry_said_ns;		/* when a line was last said of it */
	bool full;			/* at max_connections: till 90 % */
	bool alone;			/* no master: accept for ourselves */
	uint32_t lost_number;		/* of the master that was lost */
	uint64_t fresh_since_ns;	/* a beat of its successor */

	/* own descriptors, as they were */
	struct file_id own[WORKER_FD_LISTENERS];
	struct file_id stdio[3];	/* 1 and 2: what we have put there */

	enum worker_phase phase;
	uint64_t drain_deadline_ns;	/* 0: none */
	uint64_t drain_excused_ns;	/* and not before, as we stood still; 0 */
	unsigned aborted;
	bool keeper_lost;
	bool leaving;			/* LEAVING was said */
};

/* One a process: in main.c. */
extern struct worker the_worker;

/* ---- start.c ---- */

/* Everything up to READY.  Does not return where it cannot: FATAL, _exit. */
void start_worker(struct worker *worker);

/* ---- accept.c ---- */

void accept_init(struct worker *worker);
/* Add a listener (fd is ours; the same one again is no news), or give its row
 * back. */
int accept_add(struct worker *worker, uint32_t id, int fd);
void accept_drop(struct worker *worker, uint32_t id);
void accept_want(struct worker *worker, uint32_t id, bool wanted);
/* Whoever said so is gone: the next one says it again. */
void accept_forget_wants(struct worker *worker);
/* A message that comes without a free number loses its descriptor: one of those
 * that are kept for such times goes, before; after, it is taken again. */
void accept_let_go(struct worker *worker);
void accept_hold(struct worker *worker);
/* The end of a connection: its number is kept where one is wanted. */
void accept_close(struct worker *worker, int fd);
/* Arm and disarm what should be, now. */
void accept_update(struct worker *worker);
unsigned accept_count_armed(const struct worker *worker);
/* Is the queue of the connections socket empty? */
bool accept_is_queue_empty(const struct worker *worker);

/* ---- talk.c ---- */

void talk_init(struct worker *worker);
/* Each beat: what could not be said, or heard. */
void talk_flush(struct worker *worker);
void talk_say_online(struct worker *worker);
void talk_say_listening(struct worker *worker, uint32_t listeners);
void talk_say_ready(struct worker *worker);
void talk_say_fatal(struct worker *worker, enum fatal_class class,
    const char *plugin, const char *text);
void talk_say_leaving(struct worker *worker, enum leaving_why why, uint32_t ms);
void talk_say_drained(struct worker *worker);
void talk_say_recycle(struct worker *worker, const char *reason);
void talk_say_probe(struct worker *worker, unsigned route,
    enum probe_word word);

/* False: these must be said again. */
bool talk_say_sync(struct worker *worker, uint64_t last);
bool talk_say_taken(struct worker *worker, const struct mail_debt *taken);
/* Something waits in the channel: as soon as it takes more. */
void talk_watch(struct worker *worker);
/* Before the end: wait until all is said, at most ms. */
void talk_finish(struct worker *worker, unsigned ms);

/* ---- mail.c: messages of plugins ---- */

void mail_init(struct worker *worker);
/* DELIVER, REPLY, REPORT, SYNCED; true: it was one of these.  Descriptors that
 * are taken over become -1. */
bool mail_take(struct worker *worker, struct channel_packet *packet, int *fds,
    size_t count);
/* Each beat: is there another master? */
void mail_tick(struct worker *worker);

/* ---- beat.c ---- */

void beat_init(struct worker *worker);
void beat_now(struct worker *worker);

/* ---- drain.c ---- */

void drain_init(struct worker *worker);
/* deadline_ns 0: none; the earlier one counts. */
void drain_begin(struct worker *worker, uint64_t deadline_ns);
/* Nothing left?  Looked at on every beat. */
void drain_check(struct worker *worker);
/* Stop the plugins and leave.  Does not return. */
_Noreturn void drain_stop(struct worker *worker);
/* A plugin ends us, without a drain. */
_Noreturn void drain_exit(struct worker *worker, const char *plugin,
    const char *reason);
/* Has the keeper ended?  Async-signal-safe. */
bool drain_is_lifeline_cut(void);
void drain_keeper_lost(struct worker *worker);
/* By ourselves: a person's SIGTERM, or a lost descriptor. */
void drain_leave(struct worker *worker, enum leaving_why why);

/* ---- stdio.c: what plugins print ---- */

void stdio_init(struct worker *worker);
/* The master's word: number, 1 or 2, is fd from now on, which is ours. */
void stdio_reopen(struct worker *worker, int number, int fd);

/* ---- lines.c: the log pipe ---- */

void lines_init(struct worker *worker);
/* Counts what other threads had to drop. */
void lines_tick(void);
/* Of a plugin ("" is the worker's own); escaped by the reader. */
void lines_add(int level, const char *plugin, const char *text);
void lines_say(enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
