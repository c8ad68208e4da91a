/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * timers.c: a plugin with timers and descriptors of its own, for tests only;
 * driven by paths, with arguments behind the '?'.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <clusterd/plugin.h>

enum { ROWS = 64, TIMES = 64 };

/* The number behind "name="; 0 if it is not there. */
static unsigned
number(struct cluster_request *req, const char *name)
{
	const char *at = strstr(cluster_query(req), name);

	return at == NULL ? 0 :
	    (unsigned)strtoul(at + strlen(name) + 1, NULL, 10);
}

static enum cluster_verdict
say(struct cluster_request *req, int value)
{
	char text[32];

	snprintf(text, sizeof(text), "%d", value);
	return cluster_reply_text(req, 200, text);
}

/* ---- timers ---------------------------------------------------------------------- */

static struct row {
	struct cluster_timer *timer;
	uint64_t begun_ms, at_ms[TIMES];
	unsigned fired, free_after;
} rows[ROWS];
static unsigned row_count;

static void
fire(void *arg)
{
	struct row *row = arg;

	if (row->fired < TIMES)
		row->at_ms[row->fired] = cluster_now_ms();
	if (++row->fired == row->free_after)
		cluster_timer_free(row->timer);
}

/* The number of its row, or why there is none. */
static enum cluster_verdict
begin(struct cluster_request *req, int (*make)(unsigned ms,
    cluster_timer_fn *fn, void *arg, unsigned flags,
    struct cluster_timer **out))
{
	struct row *row = &rows[row_count % ROWS];
	int rc;

	*row = (struct row){ .begun_ms = cluster_now_ms(),
	    .free_after = number(req, "free") };
	rc = make(number(req, "ms"), fire, row, number(req, "flags"),
	    &row->timer);
	poll(NULL, 0, (int)number(req, "block"));
	return say(req, rc != 0 ? rc : (int)(row_count++ % ROWS));
}

static enum cluster_verdict
do_after(struct cluster_request *req)
{
	return begin(req, cluster_timer_after);
}

static enum cluster_verdict
do_every(struct cluster_request *req)
{
	return begin(req, cluster_timer_every);
}

static enum cluster_verdict
do_free(struct cluster_request *req)
{
	cluster_timer_free(rows[number(req, "row") % ROWS].timer);
	return say(req, 0);
}

/* How long after its begin each time was. */
static enum cluster_verdict
do_fired(struct cluster_request *req)
{
	const struct row *row = &rows[number(req, "row") % ROWS];
	char text[TIMES * 12 + 16] = "[";
	size_t len = 1;

	for (unsigned i = 0; i < row->fired && i < TIMES; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    "%s%llu", i > 0 ? ", " : "",
		    (unsigned long long)(row->at_ms[i] - row->begun_ms));
	snprintf(text + len, sizeof(text) - len, "]");
	return cluster_reply_text(req, 200, text);
}

static void
nothing(void *arg)
{
	(void)arg;
}

/* As many as there can be; then all are freed. */
static enum cluster_verdict
do_many(struct cluster_request *req)
{
	static struct cluster_timer *many[CLUSTER_TIMERS_MAX + 1];
	char text[64];
	int count = 0, rc;

	while ((rc = cluster_timer_after(60000, nothing, NULL, 0,
	    &many[count])) == 0 && count < CLUSTER_TIMERS_MAX)
		count++;
	for (int i = 0; i < count; i++)
		cluster_timer_free(many[i]);
	snprintf(text, sizeof(text), "[%d, %d, %d]", count, rc,
	    cluster_timer_after(60000, nothing, NULL, 0, &many[0]));
	cluster_timer_free(many[0]);
	return cluster_reply_text(req, 200, text);
}

static enum cluster_verdict
do_misuse(struct cluster_request *req)
{
	struct cluster_timer *timer = NULL;
	char text[128];
	int rc[5];

	rc[0] = cluster_timer_after(1, NULL, NULL, 0, NULL);
	rc[1] = cluster_timer_every(0, nothing, NULL, 0, NULL);
	rc[2] = cluster_timer_after(1, nothing, NULL, 4, NULL);
	rc[3] = cluster_timer_after(1, nothing, NULL,
	    CLUSTER_TIMER_LEADER | CLUSTER_TIMER_HOLD, NULL);
	rc[4] = cluster_timer_after(60000, nothing, NULL, 0, &timer);
	cluster_timer_free(timer);
	cluster_timer_free(timer);
	cluster_timer_free(NULL);
	snprintf(text, sizeof(text), "[%d, %d, %d, %d, %d]", rc[0], rc[1],
	    rc[2], rc[3], rc[4]);
	return cluster_reply_text(req, 200, text);
}

/* ---- descriptors ------------------------------------------------------------------- */

static int pipe_fd[2] = { -1, -1 };
static struct cluster_watch *pipe_watch;
static char seen[256];

static void
pipe_ready(int fd, unsigned flags, void *arg)
{
	size_t len = strlen(seen);
	char data[16] = "";

	(void)arg;
	if (flags & CLUSTER_WATCH_READ &&
	    read(fd, data, sizeof(data) - 1) <= 0)
		cluster_watch_free(pipe_watch);
	snprintf(seen + len, sizeof(seen) - len, "%s%u:%s",
	    len > 0 ? " " : "", flags, data);
}

static enum cluster_verdict
do_pipe(struct cluster_request *req)
{
	seen[0] = '\0';
	if (pipe2(pipe_fd, O_NONBLOCK | O_CLOEXEC) != 0)
		return CLUSTER_FAIL;
	return say(req, cluster_watch(pipe_fd[0], CLUSTER_WATCH_READ,
	    pipe_ready, NULL, &pipe_watch));
}

/* /write?what=N: so many bytes; 0: the end. */
static enum cluster_verdict
do_write(struct cluster_request *req)
{
	unsigned count = number(req, "what");

	if (count == 0)
		return say(req, close(pipe_fd[1]));
	return say(req, (int)write(pipe_fd[1], "abcdefgh", count));
}

/* Without a word to the host. */
static enum cluster_verdict
do_forget(struct cluster_request *req)
{
	return say(req, close(pipe_fd[number(req, "end") % 2]));
}

static enum cluster_verdict
do_seen(struct cluster_request *req)
{
	return cluster_reply_text(req, 200, seen);
}

static void
unready(int fd, unsigned flags, void *arg)
{
	(void)fd;
	(void)flags;
	(void)arg;
}

static enum cluster_verdict
do_misuse_watch(struct cluster_request *req)
{
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	int event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), rc[7];
	struct cluster_watch *watch = NULL;
	char text[128];

	rc[0] = cluster_watch(12345, CLUSTER_WATCH_READ, unready, NULL, NULL);
	rc[1] = cluster_watch(file, CLUSTER_WATCH_READ, unready, NULL, NULL);
	rc[2] = cluster_watch(zero, CLUSTER_WATCH_READ, unready, NULL, NULL);
	rc[3] = cluster_watch(event, 0, unready, NULL, NULL);
	rc[4] = cluster_watch(event, CLUSTER_WATCH_CLOSED, unready, NULL, NULL);
	rc[5] = cluster_watch(event, CLUSTER_WATCH_READ, NULL, NULL, NULL);
	rc[6] = cluster_watch(event, CLUSTER_WATCH_READ, unready, NULL, &watch);
	cluster_watch_free(watch);
	cluster_watch_free(watch);
	cluster_watch_free(NULL);
	close(file);
	close(zero);
	close(event);
	snprintf(text, sizeof(text), "[%d, %d, %d, %d, %d, %d, %d]", rc[0],
	    rc[1], rc[2], rc[3], rc[4], rc[5], rc[6]);
	return cluster_reply_text(req, 200, text);
}

/* ---- a socket of its own ---------------------------------------------------------- */

static void
on_client(int fd, unsigned flags, void *arg)
{
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

	(void)flags;
	(void)arg;
	if (client < 0)
		return;
	dprintf(client, "%s\n", cluster_worker_name());
	close(client);
}

/* 127.0.0.1, at the port of its slot. */
static enum cluster_verdict
do_listen(struct cluster_request *req)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)(number(req, "port") +
	    cluster_self()->slot)),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address,
	    sizeof(address)) != 0 || listen(fd, 8) != 0)
		return say(req, -errno);
	return say(req, cluster_watch(fd, CLUSTER_WATCH_READ, on_client, NULL,
	    NULL));
}

/* ---- the plugin -------------------------------------------------------------------- */

static const struct {
	const char *path;
	enum cluster_verdict (*run)(struct cluster_request *req);
} paths[] = {
	{ "/after", do_after }, { "/every", do_every }, { "/free", do_free },
	{ "/fired", do_fired }, { "/many", do_many },
	{ "/misuse", do_misuse }, { "/pipe", do_pipe }, { "/write", do_write },
	{ "/forget", do_forget }, { "/seen", do_seen },
	{ "/misuse-watch", do_misuse_watch }, { "/listen", do_listen },
	{ "/who", do_seen },
};

static enum cluster_verdict
handle(struct cluster_request *req, void *self)
{
	(void)self;
	cluster_set_header(req, "X-Worker", cluster_worker_name());
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (strcmp(cluster_path(req), paths[i].path) == 0)
			return paths[i].run(req);
	return CLUSTER_PASS;
}

CLUSTER_PLUGIN(timers,
	.summary = "Timers and descriptors of its own",
	.handle = handle);
