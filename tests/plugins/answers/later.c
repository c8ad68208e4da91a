/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* later.c: answers that come from elsewhere, clients that do not wait for them, and
 * events for those who do. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "answers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* ---- resumed ---------------------------------------------------------------------- */

static void
by_timer(void *arg)
{
	cluster_reply_text(arg, 200, "by timer\n");
}

static struct cluster_watch *watch;

static void
by_watch(int fd, unsigned flags, void *arg)
{
	(void)flags;
	cluster_watch_free(watch);
	close(fd);
	cluster_reply_text(arg, 200, "by descriptor\n");
}

void
on_message(const struct cluster_message *message, void *self)
{
	(void)self;
	if (message->len == 4 && memcmp(message->data, "ping", 4) == 0)
		cluster_answer(message, "by message\n", 11, NULL);
}

static void
by_message(const struct cluster_message *m, int error, void *arg)
{
	if (error != 0)
		cluster_reply_text(arg, 500, "no message\n");
	else
		cluster_reply_copy(arg, 200, "text/plain", m->data, m->len);
}

static void
by_child(const struct cluster_result *result, void *arg)
{
	cluster_reply_copy(arg, 200, "text/plain", result->out,
	    result->out_len);
}

/* by= timer, watch, message, child */
enum cluster_verdict
do_later(struct cluster_request *req)
{
	int rc = -1, fd;

	if (is(req, "by=timer"))
		rc = cluster_timer_after(10, by_timer, req, 0, NULL);
	if (is(req, "by=watch")) {
		fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
		rc = cluster_watch(fd, CLUSTER_WATCH_READ, by_watch, req,
		    &watch);
	}
	if (is(req, "by=message"))
		rc = cluster_ask("web/1", "ping", 4, 5000, by_message, req);
	if (is(req, "by=child"))
		rc = cluster_exec("echo by child", &(struct cluster_spawn){
		    .size = sizeof(struct cluster_spawn), .with = req },
		    by_child, req, NULL);
	return rc == 0 ? CLUSTER_LATER : CLUSTER_FAIL;
}

/* ---- gone ----------------------------------------------------------------------------- */

static int answers_in_it, sets_again;

/* The handle is alive in it. */
static void
on_gone(struct cluster_request *req, int why, void *arg)
{
	int rc;

	counts.gone[why]++;
	if (cluster_path(req) == NULL || strcmp(cluster_path(req), "/gone") != 0)
		abort();
	if (sets_again && why == CLUSTER_GONE_LEFT)
		note(cluster_on_gone(req, on_gone, arg));
	if (!answers_in_it)
		return;
	rc = cluster_reply_copy(req, 200, "text/plain", "gone\n", 5);
	note(rc);
	counts.answered += rc == 0;
	note(cluster_stream_begin(req, 200, "a/b", -1));
	note(cluster_stream_write(req, "x", 1));
	note(cluster_stream_write_give(req, give(0, 50000), 50000, release, NULL));
	note(cluster_stream_end(req));
	note(cluster_on_gone(req, on_gone, NULL));
}

static void
wait_again(void *arg)
{
	if (cluster_path(arg) != NULL)
		cluster_timer(20, wait_again, arg);
}

/* answer=1: in it; again=1: set again; off=1: set and taken back. */
enum cluster_verdict
do_gone(struct cluster_request *req)
{
	answers_in_it = is(req, "answer=1");
	sets_again = is(req, "again=1");
	if (cluster_on_gone(req, on_gone, NULL) != 0)
		abort();
	if (is(req, "off=1"))
		cluster_on_gone(req, NULL, NULL);
	if (is(req, "ms="))
		cluster_deadline(req, (unsigned)number(req, "ms"));
	if (is(req, "stream=1"))
		cluster_stream_begin(req, 200, "a/b", -1);
	cluster_timer(20, wait_again, req);
	return CLUSTER_LATER;
}

/* ---- events ------------------------------------------------------------------------------ */

struct feed {
	struct cluster_request *req;
	unsigned at, last;
};

static void
send_next(void *arg)
{
	struct feed *feed = arg;
	char id[16];
	int rc;

	if (feed->at == feed->last) {
		cluster_sse_send(feed->req, &(struct cluster_sse){
		    .size = sizeof(struct cluster_sse), .event = "end",
		    .data = "one\ntwo\r\nthree\rfour\n", .retry_ms = 1500 });
		cluster_stream_end(feed->req);
		free(feed);
		return;
	}
	snprintf(id, sizeof(id), "%u", ++feed->at);
	rc = cluster_sse_send(feed->req, &(struct cluster_sse){
	    .size = sizeof(struct cluster_sse), .id = id, .data = "tick" });
	if (rc == 0)
		rc = cluster_sse_comment(feed->req, "alive");
	if (rc != 0) {
		free(feed);
		return;
	}
	cluster_timer(5, send_next, feed);
}

/* Events from the one behind Last-Event-ID up to n=. */
enum cluster_verdict
do_events(struct cluster_request *req)
{
	const char *last = cluster_header(req, "Last-Event-ID");
	struct feed *feed = malloc(sizeof(*feed));

	if (feed == NULL)
		abort();
	*feed = (struct feed){ req,
	    last == NULL ? 0 : (unsigned)strtoul(last, NULL, 10),
	    (unsigned)number(req, "n") };
	if (cluster_sse_begin(req) != 0)
		abort();
	send_next(feed);
	return CLUSTER_LATER;
}
