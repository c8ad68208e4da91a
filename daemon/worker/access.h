/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * access.h: the access log of a worker: which requests become a line, and what
 * is said when lines are lost.  The loop's; access_writer.h has the thread.
 */
#ifndef DAEMON_WORKER_ACCESS_H
#define DAEMON_WORKER_ACCESS_H

#include "daemon/worker/access_line.h"
#include "daemon/worker/access_writer.h"

struct conn;
struct worker;

struct access {
	bool running;			/* there is a thread */
	bool has_id, has_trace;		/* what the format asks for */
	struct access_format format;
	struct access_time time;
	int64_t sample;			/* of so many requests one */
	uint64_t passed;		/* since the last of those */
	size_t line_max;
	uint64_t wall_offset_ns;	/* of the wall clock to the monotonic */
	struct access_entry same;	/* what is the same in each line */
	uint64_t told, told_ns;		/* lines that are lost: said in the log */
	char address[64];
	char line[ACCESS_LINE_MAX];
	struct access_writer writer;
};

/* By the configuration, before the first request.  0 or an ERR_ code: the
 * format is none. */
int access_init(struct worker *worker, struct errmsg *err);

/* The master's word: from now on to fd, which is ours; -1: no more. */
void access_reopen(struct worker *worker, int fd, bool is_pipe);

/* A request is at its end (http.h). */
void access_end_request(struct worker *worker, struct conn *conn,
    uint64_t now_ns, bool cut);

/* Each beat. */
void access_tick(struct worker *worker, uint64_t now_ns);

/* Write what waits, for at most ms; the process ends. */
void access_stop(struct worker *worker, unsigned ms);

#endif
