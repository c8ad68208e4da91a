/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * bodies.c: a plugin that takes bodies in every way, for tests only.  What it is
 * to do is the path; arguments are numbers behind the '?'.  Compiled with WHOLE
 * it has no on_head, with FILTER it is a filter.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <clusterd/plugin.h>

enum { SAID_MAX = 64, ENDS_MAX = 256, KEEP_MAX = 65536 };

struct job {
	struct job *next;
	struct cluster_request *req;
	struct cluster_timer *timer;
	const char *path;		/* of the request: must not move */
	uint64_t len, after;
	uint32_t crc;
	unsigned pieces, ms;
	bool echo, pausing, ended;
	char kept[KEEP_MAX];		/* echo: what did not go out */
	size_t kept_len;
};

static struct job *jobs;
static int said[SAID_MAX], ends[ENDS_MAX];
static unsigned said_count, end_count;

static void
say(int rc)
{
	if (said_count < SAID_MAX)
		said[said_count++] = rc;
}

/* CRC-32 as in zlib, so that a test can compare. */
static uint32_t
crc_of(uint32_t crc, const unsigned char *data, size_t len)
{
	static uint32_t table[256];

	for (uint32_t i = 0; table[255] == 0 && i < 256; i++) {
		uint32_t row = i;

		for (int bit = 0; bit < 8; bit++)
			row = row >> 1 ^ (row & 1 ? 0xedb88320u : 0);
		table[i] = row;
	}
	crc = ~crc;
	for (size_t i = 0; i < len; i++)
		crc = crc >> 8 ^ table[(crc ^ data[i]) & 0xff];
	return ~crc;
}

static long
argument(struct cluster_request *req)
{
	const char *query = cluster_query(req);

	return query == NULL ? 0 : strtol(query, NULL, 10);
}

static bool
is(struct cluster_request *req, const char *path)
{
	return strcmp(cluster_path(req), path) == 0;
}

static int
reply_sum(struct cluster_request *req, const char *how, uint64_t len,
    uint32_t crc)
{
	char text[128];

	snprintf(text, sizeof(text), "%s %llu %u\n", how,
	    (unsigned long long)len, crc);
	return cluster_reply_copy(req, 200, "text/plain", text, strlen(text));
}

/* ---- bodies as a whole ------------------------------------------------------------ */

static enum cluster_verdict
sum_whole(struct cluster_request *req)
{
	static unsigned char piece[65536];
	uint32_t crc, in_file = 0;
	uint64_t at = 0;
	const unsigned char *body;
	int fd = cluster_body_fd(req);
	size_t len;
	ssize_t n;

	body = cluster_body(req, &len);
	if (body == NULL)
		return cluster_reply_text(req, 500, "no body\n");
	crc = crc_of(0, body, len);
	if (fd < 0)
		return reply_sum(req, fd == -ENOENT ? "memory" : "error", len,
		    crc) == 0 ? CLUSTER_DONE : CLUSTER_FAIL;
	while ((n = read(fd, piece, sizeof(piece))) > 0) {
		in_file = crc_of(in_file, piece, (size_t)n);
		at += (uint64_t)n;
	}
	return reply_sum(req, in_file == crc && at == len ? "file" : "differs",
	    len, crc) == 0 ? CLUSTER_DONE : CLUSTER_FAIL;
}

/* ---- streamed ---------------------------------------------------------------------- */

static struct job *
job_new(struct cluster_request *req)
{
	struct job *job = calloc(1, sizeof(*job));

	if (job == NULL)
		return NULL;
	job->req = req;
	job->path = cluster_path(req);
	job->next = jobs;
	jobs = job;
	return job;
}

static void
job_free(struct job *job)
{
	for (struct job **at = &jobs; *at != NULL; at = &(*at)->next)
		if (*at == job) {
			*at = job->next;
			break;
		}
	if (job->timer != NULL)
		cluster_timer_cancel(job->timer);
	free(job);
}

static void
go_on(void *arg)
{
	struct job *job = arg;

	job->timer = NULL;
	cluster_body_resume(job->req);
}

/* What could not be written keeps the client waiting. */
static void
echo_piece(struct job *job, const void *data, size_t len)
{
	if (cluster_stream_write(job->req, data, len) != -EAGAIN)
		return;
	memcpy(job->kept, data, len);
	job->kept_len = len;
	say(cluster_body_pause(job->req));
}

static void
data(struct cluster_request *req, const void *data, size_t len, void *arg)
{
	struct job *job = arg;

	job->crc = crc_of(job->crc, data, len);
	job->len += len;
	job->pieces++;
	if (len == 0 || len > 65536 || cluster_path(req) != job->path)
		say(-EPROTO);
	if (job->echo)
		echo_piece(job, data, len);
	if (job->after > 0 && job->len >= job->after) {
		cluster_reply_text(req, 200, "early\n");
		job_free(job);
		return;
	}
	if (job->pausing)
		cluster_body_pause(req);
	if (job->pausing && job->ms > 0)
		job->timer = cluster_timer(job->ms, go_on, job);
}

static void
end(struct cluster_request *req, int error, void *arg)
{
	struct job *job = arg;

	if (end_count < ENDS_MAX)
		ends[end_count++] = error;
	if (error == 0 && job->echo) {
		job->ended = true;
		if (job->kept_len > 0)
			return;
		cluster_stream_end(req);
	} else if (error == 0) {
		reply_sum(req, "stream", job->len, job->crc);
	}
	job_free(job);
}

static const struct cluster_body_sink sink = { sizeof(sink), data, end };

/* ---- answers that filters keep for a while -------------------------------------------- */

enum { BIG = 32 << 20 };

enum { AT_HEAD, AT_PIECE, AT_END, AT_GONE };

static char big[BIG];
static int big_answers_at;
static bool big_answered, big_pauses;

/* Nothing is told of a request that was answered: what we have of it is freed. */
static bool
big_tells(struct cluster_request *req, int at)
{
	if (big_answered) {
		say(at);
		return true;
	}
	if (big_answers_at != at)
		return false;
	big_answered = true;
	say(cluster_reply_static(req, 200, "text/plain", big, BIG));
	return true;
}

static void
big_data(struct cluster_request *req, const void *data, size_t len, void *arg)
{
	(void)data;
	(void)len;
	(void)arg;
	if (!big_tells(req, AT_PIECE) && big_pauses)
		cluster_body_pause(req);
}

static void
big_end(struct cluster_request *req, int error, void *arg)
{
	(void)error;
	(void)arg;
	big_tells(req, AT_END);
}

static void
big_gone(struct cluster_request *req, int why, void *arg)
{
	(void)why;
	(void)arg;
	big_tells(req, AT_GONE);
}

static const struct cluster_body_sink big_sink = { sizeof(big_sink), big_data,
    big_end };

/* 32 MB, answered where the argument says; 10 more: its body is held. */
static enum cluster_verdict
answer_big(struct cluster_request *req)
{
	said_count = 0;
	big_answers_at = (int)(argument(req) % 10);
	big_pauses = argument(req) >= 10;
	big_answered = false;
	cluster_body_stream(req, &big_sink, NULL);
	cluster_on_gone(req, big_gone, NULL);
	big_tells(req, AT_HEAD);
	return CLUSTER_LATER;
}

/* ---- answers while the body comes ---------------------------------------------------- */

enum { PIECE = 64 << 10 };

static size_t duplex_left;

/* As much as goes. */
static void
duplex_write(struct cluster_request *req)
{
	while (duplex_left > 0 &&
	    cluster_stream_write(req, big, PIECE) == 0)
		duplex_left -= PIECE;
}

static void
duplex_go_on(void *arg)
{
	say(cluster_body_resume(arg));
	duplex_write(arg);
}

/* The argument: ms to pause for at each piece. */
static void
duplex_data(struct cluster_request *req, const void *data, size_t len,
    void *arg)
{
	unsigned ms = (unsigned)argument(req);

	(void)data;
	(void)len;
	(void)arg;
	if (ms == 0)
		return;
	say(cluster_body_pause(req));
	cluster_timer(ms, duplex_go_on, req);
}

static void
duplex_end(struct cluster_request *req, int error, void *arg)
{
	(void)arg;
	if (end_count < ENDS_MAX)
		ends[end_count++] = error;
	if (error == 0)
		cluster_stream_end(req);
}

static const struct cluster_body_sink duplex_sink = { sizeof(duplex_sink),
    duplex_data, duplex_end };

/* 64 MB, as fast as they are taken, while its body comes. */
static enum cluster_verdict
duplex(struct cluster_request *req)
{
	duplex_left = 2 * (size_t)BIG;
	cluster_body_stream(req, &duplex_sink, NULL);
	cluster_stream_begin(req, 200, "text/plain", -1);
	duplex_write(req);
	return CLUSTER_LATER;
}

static void
on_room(struct cluster_request *req, void *self)
{
	struct job *job = jobs;

	(void)self;
	if (is(req, "/duplex"))
		duplex_write(req);
	while (job != NULL && job->req != req)
		job = job->next;
	if (job == NULL || job->kept_len == 0)
		return;
	if (cluster_stream_write(req, job->kept, job->kept_len) == -EAGAIN)
		return;
	job->kept_len = 0;
	if (job->ended) {
		cluster_stream_end(req);
		job_free(job);
	} else {
		cluster_body_resume(req);
	}
}

/* ---- misuse ------------------------------------------------------------------------ */

static struct cluster_request *old;	/* a request that is over */

static enum cluster_verdict
misuse(struct cluster_request *req)
{
	static const struct cluster_body_sink small = { 8, data, end };
	static const struct cluster_body_sink no_data = { sizeof(sink), NULL,
	    end };
	static const struct cluster_body_sink no_end = { sizeof(sink), data,
	    NULL };
	struct job *job = job_new(req);
	size_t len = 1;

	said_count = 0;
	say(cluster_body_stream(req, NULL, job));
	say(cluster_body_stream(req, &small, job));
	say(cluster_body_stream(req, &no_data, job));
	say(cluster_body_stream(req, &no_end, job));
	say(cluster_body_pause(req));
	say(cluster_body_resume(req));
	say(cluster_body_fd(req));
	say(cluster_body(req, &len) == NULL && len == 0 ? 0 : 1);
	say(cluster_body_limit(req, UINT64_MAX));
	say(cluster_body_limit(req, 1000));
	say(cluster_body_limit(req, 1001));
	say(cluster_body_stream(old, &sink, job));
	say(cluster_body_pause(old));
	say(cluster_body_resume(NULL));
	say(cluster_body_limit(old, 1));
	say(cluster_body_fd(old));
	say(cluster_body_stream(req, &sink, job));
	say(cluster_body_stream(req, &sink, job));
	say(cluster_body_pause(req));
	say(cluster_body_pause(req));
	say(cluster_body_resume(req));
	say(cluster_body_resume(req));
	return CLUSTER_LATER;
}

/* The same where no head is asked about. */
static enum cluster_verdict
misuse_late(struct cluster_request *req)
{
	said_count = 0;
	say(cluster_body_stream(req, &sink, NULL));
	say(cluster_body_pause(req));
	say(cluster_body_resume(req));
	say(cluster_body_limit(req, 1));
	old = req;
	return cluster_reply_text(req, 200, "late\n");
}

static enum cluster_verdict
say_all(struct cluster_request *req, const int *numbers, unsigned count)
{
	char text[4096];
	size_t len = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < count && len < sizeof(text) - 16; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%d\n",
		    numbers[i]);
	return cluster_reply_text(req, 200, text);
}

/* ---- what is asked for -------------------------------------------------------------- */

static enum cluster_verdict
stream(struct cluster_request *req)
{
	struct job *job = job_new(req);
	long n = argument(req);

	if (job == NULL)
		return CLUSTER_FAIL;
	job->echo = is(req, "/echo");
	job->pausing = is(req, "/slow") || is(req, "/stuck");
	job->ms = is(req, "/slow") ? (unsigned)n : 0;
	job->after = is(req, "/early") ? (uint64_t)n : 0;
	if (is(req, "/narrow"))
		cluster_body_limit(req, (uint64_t)n);
	if (cluster_body_stream(req, &sink, job) != 0 || (job->echo &&
	    cluster_stream_begin(req, 200, "application/octet-stream",
	    -1) != 0)) {
		job_free(job);
		return CLUSTER_FAIL;
	}
	if (is(req, "/held") || is(req, "/blink"))
		cluster_body_pause(req);
	if (is(req, "/blink"))
		cluster_body_resume(req);
	return CLUSTER_LATER;
}

/* Those that were held go on, or are answered. */
static enum cluster_verdict
go(struct cluster_request *req)
{
	unsigned count = 0;

	for (struct job *job = jobs, *next; job != NULL; job = next) {
		next = job->next;
		if (cluster_body_resume(job->req) == -EINVAL) {
			cluster_reply_text(job->req, 200, "unread\n");
			job_free(job);
		}
		count++;
	}
	return reply_sum(req, "went", count, 0) == 0 ?
	    CLUSTER_DONE : CLUSTER_FAIL;
}

/* Those whose bodies come have so long from now on. */
static enum cluster_verdict
move(struct cluster_request *req)
{
	unsigned count = 0;

	for (struct job *job = jobs; job != NULL; job = job->next)
		count += cluster_deadline(job->req,
		    (unsigned)argument(req)) == 0;
	return reply_sum(req, "moved", count, 0) == 0 ?
	    CLUSTER_DONE : CLUSTER_FAIL;
}

#if !defined(WHOLE) && !defined(FILTER)
static enum cluster_verdict
on_head(struct cluster_request *req, void *self)
{
	(void)self;
	if (is(req, "/answer"))
		return cluster_reply_text(req, (int)argument(req), "at head\n");
	if (is(req, "/limit"))
		return cluster_body_limit(req, (uint64_t)argument(req)) == 0 ?
		    CLUSTER_PASS : CLUSTER_FAIL;
	if ((is(req, "/deadline") || is(req, "/deadline/whole")) &&
	    cluster_deadline(req, (unsigned)argument(req)) != 0)
		return CLUSTER_FAIL;
	if (is(req, "/big"))
		return answer_big(req);
	if (is(req, "/duplex"))
		return duplex(req);
	if (is(req, "/misuse"))
		return misuse(req);
	if (is(req, "/unread")) {
		job_new(req);
		return CLUSTER_LATER;
	}
	if (is(req, "/both")) {
		cluster_body_stream(req, &sink, NULL);
		return CLUSTER_PASS;
	}
	if (is(req, "/crash") && cluster_header(req, "X-Spare") == NULL)
		abort();
	if (is(req, "/stream") || is(req, "/slow") || is(req, "/stuck") ||
	    is(req, "/early") || is(req, "/held") || is(req, "/echo") ||
	    is(req, "/narrow") || is(req, "/deadline") || is(req, "/blink"))
		return stream(req);
	return CLUSTER_PASS;
}
#endif

static enum cluster_verdict
handle(struct cluster_request *req, void *self)
{
	(void)self;
	if (is(req, "/said"))
		return say_all(req, said, said_count);
	if (is(req, "/ends"))
		return say_all(req, ends, end_count);
	if (is(req, "/go"))
		return go(req);
	if (is(req, "/move"))
		return move(req);
	if (is(req, "/late"))
		return misuse_late(req);
	return sum_whole(req);
}

#ifdef FILTER
/* Counts how often it was asked about a request. */
static enum cluster_verdict
on_request(struct cluster_request *req, void *self)
{
	(void)self;
	if (cluster_header(req, "X-Stop") != NULL)
		return cluster_reply_text(req, 403, "stopped\n");
	say(cluster_body_stream(req, &sink, NULL));
	cluster_set_header(req, "X-Filter", "1");
	return CLUSTER_PASS;
}

CLUSTER_PLUGIN(bodies_filter, .summary = "Sees bodies, for tests",
    .on_request = on_request);
#elif defined(WHOLE)
CLUSTER_PLUGIN(bodies_whole, .summary = "Takes bodies, for tests",
    .handle = handle, .on_room = on_room);
#else
CLUSTER_PLUGIN(bodies, .summary = "Takes bodies, for tests",
    .handle = handle, .on_head = on_head, .on_room = on_room);
#endif
