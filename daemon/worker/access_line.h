/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * access_line.h: a line of the access log, made by its format.  Whatever the
 * client sent: one request is one line, and in JSON one document.  Pure, and
 * allocates nothing.
 */
#ifndef DAEMON_WORKER_ACCESS_LINE_H
#define DAEMON_WORKER_ACCESS_LINE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "daemon/conf/access_format.h"

enum {
	ACCESS_LINE_MAX = 8192,		/* with its newline */
	ACCESS_LINE_PIPE = 4096,	/* what a pipe takes in one piece */
};

/* at NULL: not known. */
struct access_text {
	const char *at;
	size_t len;
};

/* Texts that change once a second. */
struct access_time {
	time_t second;			/* -1: none made yet */
	struct access_text local, iso;
	char bytes[64];
};

/* One request and its answer; texts are borrowed. */
struct access_entry {
	const struct access_time *time;
	uint64_t wall_ms;
	/* ours, or of harmless bytes alone: written as they are */
	struct access_text remote_addr, method, protocol;
	struct access_text worker, pool, plugin;
	struct access_text request_id, trace_id;
	/* a client's, or of any bytes */
	struct access_text uri, path, query, host, route;
	/* of what is no request: in place of method, uri and protocol */
	struct access_text first_line;
	uint64_t worker_id, request, bytes, took_ns;
	int64_t pid;
	uint16_t remote_port, status;	/* port 0: none */
	bool cut;
	struct access_text (*header)(const void *ctx, const char *name);
	const void *ctx;		/* header's */
};

/* Make the texts of this second, if they are of another.  Begin with all zero
 * and second -1; the first call may read the time zone from disk. */
void access_time_set(struct access_time *time, time_t second);

/*
 * Write the line with its newline to out, of max bytes (256..ACCESS_LINE_MAX);
 * returns its length.  Foreign text is escaped: bytes below 0x20, from 0x7f on,
 * '"' and '\' as \xNN; in JSON as RFC 8259 says, and what is no UTF-8 byte by
 * byte.  Each is cut at a quarter of max, in JSON at an eighth, so that the
 * document is whole; the line of an own format is cut at max.
 */
size_t access_line_make(const struct access_format *format,
    const struct access_entry *entry, char *out, size_t max);

#endif
