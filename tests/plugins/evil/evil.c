/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * evil.c: a plugin that does, by path or by EVIL in its environment, what a bad
 * plugin may do.  For tests only.  Every answer carries X-Worker, X-Worker-Id
 * and the request's own X-Request-Id, so that each failure has an owner.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <clusterd/plugin.h>

struct evil {
	const char *mode;		/* as EVIL, for one instance */
	uint64_t ms;			/* default of /sleep */
};

static const struct cluster_option options[] = {
	CLUSTER_OPTION_STRING(struct evil, mode, "",
	    "What to do at start and stop, as EVIL in the environment"),
	CLUSTER_OPTION_DURATION(struct evil, ms, "100ms", 0, 3600000,
	    "How long /sleep sleeps"),
	CLUSTER_OPTION_END
};

static volatile int for_ever = 1;
static volatile int *volatile nowhere = (volatile int *)16;
static volatile int zero;

static const char *
mode(const struct evil *evil)
{
	const char *text = getenv("EVIL");

	return evil->mode[0] != '\0' ? evil->mode : text == NULL ? "" : text;
}

/* ---- answers ----------------------------------------------------------------------- */

static void
sign(struct cluster_request *req)
{
	const char *id = cluster_header(req, "X-Request-Id");
	char number[24];

	snprintf(number, sizeof(number), "%llu",
	    (unsigned long long)cluster_worker_id());
	cluster_set_header(req, "X-Worker", cluster_worker_name());
	cluster_set_header(req, "X-Worker-Id", number);
	if (id != NULL)
		cluster_set_header(req, "X-Request-Id", id);
}

static enum cluster_verdict
say(struct cluster_request *req, const char *text)
{
	sign(req);
	return cluster_reply_text(req, 200, text);
}

static enum cluster_verdict
say_result(struct cluster_request *req, int rc)
{
	char text[32];

	snprintf(text, sizeof(text), "%d\n", rc);
	return say(req, text);
}

/* ---- slow ---------------------------------------------------------------------------- */

static void
on_slept(void *arg)
{
	struct cluster_request *req = arg;

	sign(req);
	cluster_reply_text(req, 200, "slept\n");
}

static enum cluster_verdict
do_sleep(struct cluster_request *req, struct evil *evil, const char *arg)
{
	unsigned ms = arg[0] == '\0' ? (unsigned)evil->ms :
	    (unsigned)strtoul(arg, NULL, 10);

	return cluster_timer(ms, on_slept, req) == NULL ?
	    CLUSTER_FAIL : CLUSTER_LATER;
}

/* Holds the loop for so many ms, with a word to the host before. */
static enum cluster_verdict
do_busy(struct cluster_request *req, struct evil *evil, const char *arg)
{
	unsigned ms = (unsigned)strtoul(arg, NULL, 10);
	uint64_t until = cluster_now_ns() + ms * 1000000ull;
	int rc = cluster_busy(ms);

	(void)evil;
	while (rc == 0 && cluster_now_ns() < until)
		continue;
	return say_result(req, rc);
}

/* The same without a word; arg ms, or for ever. */
static enum cluster_verdict
do_spin(struct cluster_request *req, struct evil *evil, const char *arg)
{
	uint64_t ms = strtoul(arg, NULL, 10);
	uint64_t until = cluster_now_ns() + ms * 1000000ull;

	(void)evil;
	while (for_ever && (ms == 0 || cluster_now_ns() < until))
		continue;
	return say(req, "spun\n");
}

static enum cluster_verdict
do_block(struct cluster_request *req, struct evil *evil, const char *arg)
{
	int pipes[2];
	char byte;

	(void)evil;
	(void)arg;
	if (pipe(pipes) != 0)
		return CLUSTER_FAIL;
	(void)!read(pipes[0], &byte, 1);
	return say(req, "woken\n");
}

static enum cluster_verdict
do_deadlock(struct cluster_request *req, struct evil *evil, const char *arg)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

	(void)evil;
	(void)arg;
	pthread_mutex_lock(&lock);
	pthread_mutex_lock(&lock);
	return say(req, "unlocked\n");
}

/* ---- deadly --------------------------------------------------------------------------- */

static enum cluster_verdict
do_segv(struct cluster_request *req, struct evil *evil, const char *arg)
{
	(void)req;
	(void)evil;
	(void)arg;
	*nowhere = 1;
	return CLUSTER_DONE;
}

static enum cluster_verdict
do_bus(struct cluster_request *req, struct evil *evil, const char *arg)
{
	int fd = memfd_create("evil", 0);
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	(void)req;
	(void)evil;
	(void)arg;
	page[0] = 1;			/* behind the end of the file */
	return CLUSTER_DONE;
}

static enum cluster_verdict
do_ill(struct cluster_request *req, struct evil *evil, const char *arg)
{
	(void)req;
	(void)evil;
	(void)arg;
	__builtin_trap();
}

static enum cluster_verdict
do_fpe(struct cluster_request *req, struct evil *evil, const char *arg)
{
	(void)evil;
	(void)arg;
	raise(SIGFPE);
	return say_result(req, zero);
}

static enum cluster_verdict
do_abort(struct cluster_request *req, struct evil *evil, const char *arg)
{
	(void)req;
	(void)evil;
	(void)arg;
	abort();
}

static int
recurse(volatile char *above)
{
	volatile char here[4096];

	here[0] = above[0];
	here[1] = for_ever ? (char)recurse(here) : 0;
	return here[0] + here[1];
}

static enum cluster_verdict
do_recurse(struct cluster_request *req, struct evil *evil, const char *arg)
{
	char start = 1;

	(void)evil;
	(void)arg;
	return say_result(req, recurse(&start));
}

static enum cluster_verdict
do_exit(struct cluster_request *req, struct evil *evil, const char *arg)
{
	(void)req;
	(void)evil;
	_exit((int)strtol(arg, NULL, 10));
}

static enum cluster_verdict
do_smash(struct cluster_request *req, struct evil *evil, const char *arg)
{
	char *block = malloc(16);

	(void)evil;
	(void)arg;
	for (volatile int i = -32; i < 64; i++)
		block[i] = 0x55;
	free(block);
	free(malloc(100000));
	return say(req, "smashed\n");
}

static enum cluster_verdict
do_badsys(struct cluster_request *req, struct evil *evil, const char *arg)
{
	(void)evil;
	(void)arg;
	return say_result(req, (int)syscall(100000));
}

static void *
thread_segv(void *arg)
{
	(void)arg;
	*nowhere = 1;
	return NULL;
}

static enum cluster_verdict
do_threadsegv(struct cluster_request *req, struct evil *evil, const char *arg)
{
	pthread_t thread;

	(void)evil;
	(void)arg;
	if (pthread_create(&thread, NULL, thread_segv, NULL) != 0)
		return CLUSTER_FAIL;
	pthread_join(thread, NULL);
	return say(req, "joined\n");
}

/* ---- greedy ------------------------------------------------------------------------------ */

static enum cluster_verdict
do_leak(struct cluster_request *req, struct evil *evil, const char *arg)
{
	size_t mb = strtoul(arg, NULL, 10);
	size_t size = (mb == 0 ? 1 : mb) << 20;
	volatile char *memory = malloc(size);	/* or nobody writes there */

	(void)evil;
	if (memory == NULL)
		return CLUSTER_FAIL;
	for (size_t i = 0; i < size; i += 4096)
		memory[i] = 1;
	return say(req, "leaked\n");
}

static enum cluster_verdict
do_leakfd(struct cluster_request *req, struct evil *evil, const char *arg)
{
	int count = (int)strtol(arg, NULL, 10), made = 0;

	(void)evil;
	for (int i = 0; i < (count == 0 ? 1 : count); i++)
		made += dup(2) >= 0;
	return say_result(req, made);
}

static enum cluster_verdict
do_spam(struct cluster_request *req, struct evil *evil, const char *arg)
{
	unsigned long mb = strtoul(arg, NULL, 10);
	char line[1024];

	(void)evil;
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\n';
	for (unsigned long i = 0; i < (mb == 0 ? 1 : mb) * 1024; i++)
		(void)!write(1, line, sizeof(line));
	return say(req, "spammed\n");
}

/* How often this process has asked for memory or given it back: of
 * tests/preload/count_heap.c, without which it cannot be known. */
extern const unsigned long heap_calls __attribute__((weak));

static enum cluster_verdict
do_heap(struct cluster_request *req, struct evil *evil, const char *arg)
{
	char text[32];

	(void)evil;
	(void)arg;
	if (&heap_calls == NULL)
		return say(req, "unknown\n");
	snprintf(text, sizeof(text), "%lu\n", heap_calls);
	return say(req, text);
}

static void *volatile piece;

static enum cluster_verdict
do_allocate(struct cluster_request *req, struct evil *evil, const char *arg)
{
	(void)evil;
	(void)arg;
	piece = malloc(100);
	free(piece);
	return say(req, "allocated\n");
}

static enum cluster_verdict
do_log(struct cluster_request *req, struct evil *evil, const char *arg)
{
	(void)evil;
	cluster_log(CLUSTER_NOTICE, "said: %s", arg);
	return say(req, "logged\n");
}

/* ---- against the SDK ------------------------------------------------------------------------ */

/* What the calls of the last misuse said, in order; told by /said. */
static char said[512];

static void
note(int rc)
{
	size_t len = strlen(said);

	snprintf(said + len, sizeof(said) - len, "%d\n", rc);
}

static enum cluster_verdict
do_said(struct cluster_request *req, struct evil *evil, const char *arg)
{
	(void)evil;
	(void)arg;
	return say(req, said);
}

/* Answers, then does all that is possible only before. */
static enum cluster_verdict
do_double(struct cluster_request *req, struct evil *evil, const char *arg)
{
	(void)evil;
	(void)arg;
	said[0] = '\0';
	say(req, "first\n");
	note(cluster_reply_copy(req, 200, "text/plain", "second\n", 7));
	note(cluster_reply_static(req, 200, "text/plain", "second\n", 7));
	note(cluster_set_header(req, "X-Second", "yes"));
	note(cluster_stream_begin(req, 200, "text/plain", 7));
	note(cluster_stream_write(req, "second\n", 7));
	note(cluster_stream_end(req));
	return CLUSTER_DONE;
}

/* The same with an answer in pieces that is under way. */
static enum cluster_verdict
do_twofold(struct cluster_request *req, struct evil *evil, const char *arg)
{
	(void)evil;
	(void)arg;
	said[0] = '\0';
	note(cluster_stream_write(req, "early\n", 6));
	note(cluster_stream_end(req));
	note(cluster_stream_begin(req, 200, "text/plain", -1));
	note(cluster_stream_begin(req, 200, "text/plain", -1));
	note(cluster_set_header(req, "X-Second", "yes"));
	note(cluster_reply_copy(req, 200, "text/plain", "second\n", 7));
	note(cluster_stream_write(req, "first\n", 6));
	note(cluster_stream_end(req));
	note(cluster_stream_write(req, "more\n", 5));
	note(cluster_stream_end(req));
	return CLUSTER_DONE;
}

/* Answers later and keeps at it when it is too late. */
static void
on_too_late(void *arg)
{
	struct cluster_request *req = arg;
	const char *name;
	size_t len;

	note(cluster_reply_copy(req, 200, "text/plain", "late\n", 5));
	note(cluster_set_header(req, "X-Late", "yes"));
	note(cluster_stream_begin(req, 200, "text/plain", -1));
	note(cluster_stream_write(req, "late\n", 5));
	note(cluster_stream_end(req));
	note(cluster_deadline(req, 1000));
	note(cluster_header_at(req, 0, &name, &name));
	note(cluster_path(req) == NULL && cluster_body(req, &len) == NULL &&
	    cluster_alloc(req, 16) == NULL ? 0 : 1);
}

static enum cluster_verdict
do_toolate(struct cluster_request *req, struct evil *evil, const char *arg)
{
	(void)evil;
	(void)arg;
	said[0] = '\0';
	say(req, "in time\n");
	cluster_timer(1, on_too_late, req);
	return CLUSTER_DONE;
}

static struct cluster_request *kept;

/* Answers, keeps the handle, and tries it again at the next /late. */
static enum cluster_verdict
do_late(struct cluster_request *req, struct evil *evil, const char *arg)
{
	int rc = 0;

	(void)evil;
	(void)arg;
	if (kept != NULL)
		rc = cluster_reply_copy(kept, 200, NULL, "late", 4);
	kept = req;
	return say_result(req, rc);
}

static enum cluster_verdict
do_forget(struct cluster_request *req, struct evil *evil, const char *arg)
{
	(void)req;
	(void)evil;
	return strcmp(arg, "later") == 0 ? CLUSTER_LATER : CLUSTER_DONE;
}

static enum cluster_verdict
do_fail(struct cluster_request *req, struct evil *evil, const char *arg)
{
	(void)req;
	(void)evil;
	(void)arg;
	return CLUSTER_FAIL;
}

static enum cluster_verdict
do_pass(struct cluster_request *req, struct evil *evil, const char *arg)
{
	(void)req;
	(void)evil;
	(void)arg;
	return CLUSTER_PASS;
}

static enum cluster_verdict
do_status(struct cluster_request *req, struct evil *evil, const char *arg)
{
	int status = (int)strtol(arg, NULL, 10);

	(void)evil;
	sign(req);
	if (cluster_reply_copy(req, status, "text/plain", "status\n", 7) == 0)
		return CLUSTER_DONE;
	return say(req, "refused\n");
}

/* Header lines that are none; answers with what each call said. */
static enum cluster_verdict
do_header(struct cluster_request *req, struct evil *evil, const char *arg)
{
	static const struct { const char *name, *value; } lines[] = {
		{ "X-Split", "a\r\nX-Evil: yes" }, { "X-Lf", "a\nb" },
		{ "X Bad", "a" }, { "", "a" }, { "X-Colon:", "a" },
		{ "Content-Length", "5" }, { "transfer-encoding", "chunked" },
		{ "Connection", "close" }, { "X-Good", "yes" },
	};
	char text[256];
	size_t at = 0;

	(void)evil;
	(void)arg;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%d\n",
		    cluster_set_header(req, lines[i].name, lines[i].value));
	return say(req, text);
}

/* A content type that would be two lines, and statuses that are none. */
static enum cluster_verdict
do_type(struct cluster_request *req, struct evil *evil, const char *arg)
{
	static const char *const types[] = { "a/b\r\nX-Evil: yes", "a/b\n",
		"a/b\r", "\x7f", "a/b\x01" };
	static const int statuses[] = { 199, 600, 0, -1 };

	(void)evil;
	(void)arg;
	said[0] = '\0';
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		note(cluster_reply_copy(req, 200, types[i], "x", 1));
	note(cluster_stream_begin(req, 200, types[0], -1));
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		note(cluster_reply_copy(req, statuses[i], "a/b", "x", 1));
	return say(req, said);
}

/* ---- streams ----------------------------------------------------------------------------------- */

struct stream {
	struct cluster_request *req;
	unsigned left;
};

static void
on_piece(void *arg)
{
	struct stream *stream = arg;

	if (stream->left == 0) {
		cluster_stream_end(stream->req);
		free(stream);
		return;
	}
	if (cluster_stream_write(stream->req, "piece\n", 6) < 0) {
		free(stream);
		return;
	}
	stream->left--;
	cluster_timer(5, on_piece, stream);
}

/* So many pieces, one each 5 ms. */
static enum cluster_verdict
do_stream(struct cluster_request *req, struct evil *evil, const char *arg)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	(void)evil;
	if (stream == NULL)
		return CLUSTER_FAIL;
	stream->req = req;
	stream->left = (unsigned)strtoul(arg, NULL, 10);
	sign(req);
	if (cluster_stream_begin(req, 200, "text/plain", -1) != 0)
		return CLUSTER_FAIL;
	cluster_timer(1, on_piece, stream);
	return CLUSTER_LATER;
}

/* Pieces of unknown length, all within the one call. */
static enum cluster_verdict
do_pieces(struct cluster_request *req, struct evil *evil, const char *arg)
{
	(void)evil;
	(void)arg;
	if (cluster_stream_begin(req, 200, "text/plain", -1) != 0)
		return CLUSTER_FAIL;
	cluster_stream_write(req, "one\n", 4);
	cluster_stream_write(req, "two\n", 4);
	cluster_stream_end(req);
	return CLUSTER_DONE;
}

/* As many MB as the client takes: held back by -EAGAIN, on by on_room. */
static uint64_t flood_left;

static void
flood(struct cluster_request *req)
{
	static char block[65536];

	while (flood_left > 0) {
		int rc = cluster_stream_write(req, block, sizeof(block));

		if (rc == -EAGAIN)
			return;
		if (rc < 0)
			break;
		flood_left--;
	}
	cluster_stream_end(req);
}

static void
on_room(struct cluster_request *req, void *self)
{
	(void)self;
	flood(req);
}

static enum cluster_verdict
do_flood(struct cluster_request *req, struct evil *evil, const char *arg)
{
	(void)evil;
	flood_left = strtoul(arg, NULL, 10) * 16;
	if (cluster_stream_begin(req, 200, "text/plain",
	    (int64_t)flood_left * 65536) != 0)
		return CLUSTER_FAIL;
	flood(req);
	return CLUSTER_LATER;
}

/* Announces 10 bytes and gives fewer ("short") or more ("long"). */
static enum cluster_verdict
do_length(struct cluster_request *req, struct evil *evil, const char *arg)
{
	(void)evil;
	said[0] = '\0';
	note(cluster_stream_begin(req, 200, "text/plain", 10));
	note(cluster_stream_write(req, "12345", 5));
	if (strcmp(arg, "long") == 0) {
		note(cluster_stream_write(req, "1234567890", 10));
		note(cluster_stream_write(req, "67890", 5));
		note(cluster_stream_write(req, "1", 1));
	}
	note(cluster_stream_end(req));
	return CLUSTER_DONE;
}

/* ---- against the host ---------------------------------------------------------------------------- */

static enum cluster_verdict
do_closefd(struct cluster_request *req, struct evil *evil, const char *arg)
{
	(void)evil;
	return say_result(req, close((int)strtol(arg, NULL, 10)));
}

/* Each descriptor that listens is shut down, or made blocking. */
static enum cluster_verdict
do_listener(struct cluster_request *req, struct evil *evil, const char *arg)
{
	int done = 0;

	(void)evil;
	for (int fd = 3; fd < 64; fd++) {
		int on = 0;
		socklen_t len = sizeof(on);

		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) != 0 ||
		    !on)
			continue;
		if (strcmp(arg, "block") == 0)
			done += fcntl(fd, F_SETFL, 0) == 0;
		else
			done += shutdown(fd, SHUT_RDWR) == 0;
	}
	return say_result(req, done);
}

/* kill(2) at the keeper, at init, at everybody: what comes back. */
static enum cluster_verdict
do_attack(struct cluster_request *req, struct evil *evil, const char *arg)
{
	char text[128];
	pid_t keeper = getppid();
	int rc[4];

	(void)evil;
	(void)arg;
	rc[0] = kill(keeper, 0) == 0 ? 0 : -errno;
	rc[1] = kill(1, 0) == 0 ? 0 : -errno;
	rc[2] = kill(-1, 0) == 0 ? 0 : -errno;
	rc[3] = (int)syscall(SYS_pidfd_open, keeper, 0) >= 0 ? 0 : -errno;
	snprintf(text, sizeof(text), "%d %d %d %d\n", rc[0], rc[1], rc[2],
	    rc[3]);
	return say(req, text);
}

static enum cluster_verdict
do_disconnect(struct cluster_request *req, struct evil *evil, const char *arg)
{
	(void)evil;
	return say_result(req, cluster_disconnect(arg));
}

static enum cluster_verdict
do_deadline(struct cluster_request *req, struct evil *evil, const char *arg)
{
	cluster_deadline(req, 0);
	return do_sleep(req, evil, arg);
}

/* Hold the loop, so that a lie is not mended by the next beat. */
static void
hold_loop(void)
{
	poll(NULL, 0, 400);
}

static enum cluster_verdict
do_page(struct cluster_request *req, struct evil *evil, const char *arg)
{
	uint64_t *page = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_SHARED,
	    6, 0);

	(void)evil;
	if (page == MAP_FAILED)
		return CLUSTER_FAIL;
	if (strcmp(arg, "future") == 0) {
		page[16] += 1000000000000ull;		/* the beat */
	} else if (strcmp(arg, "busy") == 0) {
		page[21] = UINT64_MAX;			/* until for ever */
		for (;;)
			pause();
	} else if (strcmp(arg, "back") == 0) {
		page[32] += 1000;			/* a counter */
		hold_loop();
		page[32] -= 1000;
	} else {
		memset((char *)page + 192, 0xff, 64);	/* the gauges */
	}
	hold_loop();
	return say(req, "lied\n");
}

/* Its connections socket, which stays open. */
static enum cluster_verdict
do_shutdown(struct cluster_request *req, struct evil *evil, const char *arg)
{
	(void)evil;
	(void)arg;
	return say_result(req, shutdown(4, SHUT_RDWR));
}

/* Bytes on the control channel that are no message. */
static enum cluster_verdict
do_frame(struct cluster_request *req, struct evil *evil, const char *arg)
{
	(void)evil;
	(void)arg;
	return say_result(req, (int)send(3, "garbage", 7, MSG_NOSIGNAL));
}

static enum cluster_verdict
do_blocksigs(struct cluster_request *req, struct evil *evil, const char *arg)
{
	sigset_t all;

	(void)evil;
	(void)arg;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	signal(SIGTERM, SIG_IGN);
	signal(SIGABRT, SIG_IGN);
	return say(req, "blocked\n");
}

/* ---- which ------------------------------------------------------------------------------------------ */

static const struct {
	const char *path;
	enum cluster_verdict (*run)(struct cluster_request *req,
	    struct evil *evil, const char *arg);
} behaviours[] = {
	{ "/sleep", do_sleep }, { "/busy", do_busy }, { "/spin", do_spin },
	{ "/block", do_block }, { "/deadlock", do_deadlock },
	{ "/segv", do_segv }, { "/bus", do_bus }, { "/ill", do_ill },
	{ "/fpe", do_fpe }, { "/abort", do_abort }, { "/recurse", do_recurse },
	{ "/exit", do_exit }, { "/smash", do_smash }, { "/badsys", do_badsys },
	{ "/threadsegv", do_threadsegv }, { "/leak", do_leak },
	{ "/leakfd", do_leakfd }, { "/spam", do_spam }, { "/log", do_log },
	{ "/double", do_double }, { "/twofold", do_twofold },
	{ "/toolate", do_toolate }, { "/said", do_said },
	{ "/type", do_type }, { "/late", do_late },
	{ "/heap", do_heap }, { "/allocate", do_allocate },
	{ "/forget", do_forget }, { "/fail", do_fail }, { "/pass", do_pass },
	{ "/status", do_status }, { "/header", do_header },
	{ "/stream", do_stream }, { "/flood", do_flood },
	{ "/pieces", do_pieces },
	{ "/length", do_length }, { "/closefd", do_closefd },
	{ "/listener", do_listener }, { "/attack", do_attack },
	{ "/disconnect", do_disconnect }, { "/deadline", do_deadline },
	{ "/page", do_page }, { "/frame", do_frame },
	{ "/blocksigs", do_blocksigs }, { "/shutdown", do_shutdown },
};

static int
is_slot(const char *number)
{
	const char *slot = strrchr(cluster_worker_name(), '/');

	return slot != NULL && strcmp(slot + 1, number) == 0;
}

/* Is this request the last one of this worker? */
static int
dies_now(const char *what)
{
	static unsigned long count;

	count++;
	if (strncmp(what, "segv_request=", 13) == 0)
		return count == strtoul(what + 13, NULL, 10);
	if (strncmp(what, "segv_slot=", 10) == 0)
		return is_slot(what + 10);
	return 0;
}

static enum cluster_verdict
handle(struct cluster_request *req, void *self)
{
	const char *path = cluster_path(req), *query = cluster_query(req);
	struct evil *evil = self;

	if (dies_now(mode(evil)))
		*nowhere = 1;
	for (size_t i = 0; i < sizeof(behaviours) / sizeof(behaviours[0]); i++)
		if (strcmp(path, behaviours[i].path) == 0)
			return behaviours[i].run(req, evil, query);
	return say(req, "evil\n");
}

/* ---- life ------------------------------------------------------------------------------------------- */

static void
on_die(void *arg)
{
	(void)arg;
	abort();
}

/* Is this the first start in its slot?  A directory remembers. */
static int
is_first(const char *directory)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", directory,
	    strrchr(cluster_worker_name(), '/') + 1);
	return mkdir(path, 0700) == 0;
}

/* Sick as long as there is a file of that name. */
static void
on_die_while(void *arg)
{
	if (access(arg, F_OK) == 0)
		abort();
}

static void
hang(void)
{
	for (;;)
		pause();
}

static int
start(void *self)
{
	const char *what = mode(self);

	if (strcmp(what, "init_error") == 0)
		return 1;
	if (strncmp(what, "init_fail_slot=", 15) == 0)
		return is_slot(what + 15);
	if (strncmp(what, "init_fail_once=", 15) == 0)
		return is_first(what + 15);
	/* those after it take their time: the roll lasts until it has died */
	if (strncmp(what, "segv_slot=", 10) == 0 &&
	    strcmp(strrchr(cluster_worker_name(), '/') + 1, what + 10) > 0)
		poll(NULL, 0, 500);
	if (strncmp(what, "init_fatal=", 11) == 0) {
		cluster_fatal((enum cluster_fatal_class)atoi(what + 11),
		    "as the test wished");
		return 1;
	}
	if (strcmp(what, "init_hang") == 0)
		hang();
	if (strcmp(what, "init_block") == 0) {
		sigset_t all;

		sigfillset(&all);
		sigprocmask(SIG_BLOCK, &all, NULL);
		hang();
	}
	if (strcmp(what, "init_segv") == 0)
		*nowhere = 1;
	if (strcmp(what, "die_after_ready") == 0)
		cluster_timer(50, on_die, NULL);
	if (strncmp(what, "die_while=", 10) == 0)
		cluster_timer(20, on_die_while, (void *)(what + 10));
	if (strcmp(what, "ignore_alarm") == 0)
		signal(SIGALRM, SIG_IGN);
	if (strcmp(what, "ignore_lifeline") == 0)
		signal(SIGTERM, SIG_IGN);
	return 0;
}

static void
on_drain(void *self)
{
	if (strcmp(mode(self), "hang_drain") == 0)
		hang();
}

static void
stop(void *self)
{
	if (strcmp(mode(self), "hang_stop") == 0)
		hang();
}

CLUSTER_PLUGIN(evil,
	.summary = "Does what it should not, for tests",
	.options = options, .size = sizeof(struct evil),
	.start = start, .stop = stop, .handle = handle, .on_drain = on_drain,
	.on_room = on_room);
