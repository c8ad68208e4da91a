/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * misuse.c: calls every function of the table wrongly, as the rows of *.def say.
 * Below / a query FUNCTION/WHAT runs that row of request.def or worker.def, and is
 * answered with what it returned, as nothing was wrong.  /dead: all of dead.def;
 * /answered: those of phases.def; /threads: all of threads.def; /fork: a
 * thread does, and its child calls.  What start() found is told by /start, what
 * on_drain() and stop() found is in the log.
 */
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <clusterd/plugin.h>

#define IS(pointer) ((pointer) != NULL)
#define ORDER .size = sizeof(struct cluster_spawn)
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* ---- what is given ---------------------------------------------------------- */

static char too_long[100000];		/* of letters */
static char room[16], given[1];
static const char *text;
static size_t len;
static unsigned index_;
#define index index_			/* of the C library */
static const int one_fd[1] = { 2 }, no_fd[1] = { 99999 };
static const char *const no_words[] = { NULL };
static _Alignas(8) char large[512];
static unsigned released;

static struct cluster_trace trace = { .size = sizeof(trace) };
static struct cluster_field field = { .size = sizeof(field) };
static struct cluster_child_info info = { .size = sizeof(info) };
static struct cluster_result result;
static struct cluster_observer *observer;
static const struct cluster_transform transform = { .size = sizeof(transform) };
static const struct cluster_piece piece = { .data = "x", .len = 1 };
static const struct cluster_piece taken = { .data = "x", .len = 1, .take = 9 };
static const struct cluster_piece endless = { .data = "x", .len = SIZE_MAX };
static const struct cluster_datagram_peer nobody;
static const struct cluster_datagram_peer garbage = { { UINT64_MAX, 1, 2, 3,
    UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX } };

/* None of these is ever called. */
static void
never(void)
{
	abort();
}

static void
on_number(int error, void *arg)
{
	(void)error;
	(void)arg;
	never();
}

static void
on_time(void *arg)
{
	(void)arg;
	never();
}

static void
on_fd(int fd, unsigned flags, void *arg)
{
	(void)fd;
	(void)flags;
	(void)arg;
	never();
}

static void
on_event(const struct cluster_event *event, void *arg)
{
	(void)event;
	(void)arg;
}

static void
on_done(int error, const char *json, void *arg)
{
	(void)error;
	(void)json;
	(void)arg;
	never();
}

static void
on_answer(const struct cluster_message *m, int error, void *arg)
{
	(void)m;
	(void)error;
	(void)arg;
	never();
}

static void
on_sent(void *arg, int error, unsigned count)
{
	(void)arg;
	(void)error;
	(void)count;
	never();
}

static void
on_result(const struct cluster_result *of, void *arg)
{
	(void)of;
	(void)arg;
	never();
}

static int
on_worker(const struct cluster_worker_info *worker, void *arg)
{
	(void)worker;
	(void)arg;
	return -EINVAL;
}

static void
on_data(struct cluster_request *req, const void *data, size_t size, void *arg)
{
	(void)req;
	(void)data;
	(void)size;
	(void)arg;
	never();
}

static void
on_end(struct cluster_request *req, int error, void *arg)
{
	(void)req;
	(void)error;
	(void)arg;
	never();
}

static void
on_stream_data(struct cluster_stream *stream, const void *data, size_t size,
    void *arg)
{
	(void)stream;
	(void)data;
	(void)size;
	(void)arg;
	never();
}

static const struct cluster_body_sink sink = { .size = sizeof(sink),
    .data = on_data, .end = on_end };
static const struct cluster_stream_ops ops = { .size = sizeof(ops),
    .data = on_stream_data };

/* ---- calls of more than one line ---------------------------------------------- */

static void
release(void *data, void *arg)
{
	(void)arg;
	released++;
	free(data);
}

/* What is given is released at once where it is refused. */
static int
give(struct cluster_request *req)
{
	unsigned before = released;
	int rc = cluster_reply_give(req, 200, NULL, calloc(1, 8), 8, release,
	    NULL);

	return released == before + 1 ? rc : 1;
}

static int
pieces(struct cluster_request *req, int (*call)(struct cluster_request *req,
    int status, const char *type, const struct cluster_piece *list,
    unsigned count))
{
	const struct cluster_piece list[2] = {
		{ .data = "x", .len = 1 },
		{ .data = calloc(1, 8), .len = 8, .take = CLUSTER_GIVE,
		    .release = release },
	};
	unsigned before = released;
	int rc = call(req, 200, NULL, list, 2);

	return released == before + 1 ? rc : 1;
}

/* The host's from there on. */
static int
file(void)
{
	return open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
}

static int
directory(void)
{
	return open("/", O_RDONLY | O_CLOEXEC);
}

static void
release_file(int fd, void *arg)
{
	(void)arg;
	released++;
	close(fd);
}

/* What is lent is released, what is given closed. */
static int
lend(struct cluster_request *req)
{
	unsigned before = released;
	int rc = cluster_reply_file_with(req, 200, NULL, &(struct cluster_file){
	    .size = sizeof(struct cluster_file), .fd = file(),
	    .release = release_file });

	return released == before + 1 ? rc : 1;
}

static int
closed(struct cluster_request *req)
{
	int fd = file(), rc = cluster_reply_file(req, 200, NULL, fd, 0, 1);

	return fcntl(fd, F_GETFD) < 0 ? rc : 1;
}

__attribute__((format(printf, 2, 0))) static void
log_list(int level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	cluster_host->vlog(level, format, args);
	va_end(args);
}

static void
log_format(int level, const char *format)
{
	log_list(level, format);
}

static int
send_with(unsigned flags, const char *topic)
{
	return cluster_send("web/0", "x", 1, &(struct cluster_send){
	    .size = sizeof(struct cluster_send), .flags = flags,
	    .topic = topic });
}

static int
send_fds(const int *fd, unsigned count, int mode)
{
	return cluster_send("web/0", "x", 1, &(struct cluster_send){
	    .size = sizeof(struct cluster_send), .fds = { .fd = fd,
	    .count = count, .mode = (enum cluster_fd_mode)mode } });
}

static int
send_awaited(void)
{
	return cluster_send("web/0", "x", 1, &(struct cluster_send){
	    .size = sizeof(struct cluster_send), .done = on_sent });
}

static int
end_timer_twice(void)
{
	struct cluster_timer *timer = cluster_timer(60000, on_time, NULL);

	return cluster_timer_cancel(timer) != 0 ? 1 :
	    cluster_timer_cancel(timer);
}

static int
free_timer_twice(void)
{
	struct cluster_timer *timer = NULL;
	int rc = cluster_timer_every(60000, on_time, NULL, 0, &timer);

	cluster_timer_free(timer);
	cluster_timer_free(timer);
	return rc;
}

static int
free_watch_twice(void)
{
	struct cluster_watch *watch = NULL;
	int fds[2], rc;

	if (pipe(fds) != 0)
		return 1;
	rc = cluster_watch(fds[0], CLUSTER_WATCH_READ, on_fd, NULL, &watch);
	cluster_watch_free(watch);
	cluster_watch_free(watch);
	close(fds[0]);
	close(fds[1]);
	return rc;
}

static int
free_observer_twice(void)
{
	if (cluster_observe("worker.*", on_event, NULL, &observer) != 0 ||
	    cluster_observer_free(observer) != 0)
		return 1;
	return cluster_observer_free(observer);
}

static int
new_cancel(void)
{
	struct cluster_cancel *token = cluster_cancel_new();

	cluster_cancel_free(token);
	return token != NULL;
}

static int
cancel_twice(void)
{
	struct cluster_cancel *token = cluster_cancel_new();

	cluster_cancel(token);
	cluster_cancel(token);
	cluster_cancel_free(token);
	return 0;
}

static int
spawn_cancelled(void)
{
	struct cluster_cancel *token = cluster_cancel_new();
	int rc;

	cluster_cancel(token);
	rc = cluster_spawn(&(struct cluster_spawn){ ORDER, .file = "true",
	    .cancel = token }, NULL, NULL);
	cluster_cancel_free(token);
	return rc;
}

static int
result_done_twice(void)
{
	int rc = cluster_run(&(struct cluster_spawn){ ORDER, .file = "echo x",
	    .shell = "" }, &result);

	cluster_result_done(&result);
	cluster_result_done(&result);
	return rc;
}

/* One that reads what is written to it, as long as this worker lives. */
static struct cluster_child *
child(void)
{
	static struct cluster_child *cat;

	if (cat == NULL && cluster_spawn(&(struct cluster_spawn){ ORDER,
	    .file = "cat", .flags = CLUSTER_SPAWN_UNREF,
	    .stdio = { { .kind = CLUSTER_STDIO_PIPE } } }, NULL, &cat) != 0)
		abort();
	return cat;
}

/* ---- rows ----------------------------------------------------------------------- */

#define ROW(function, what, wanted, counted, ...)			\
static int64_t								\
run_##function##_##what(struct cluster_request *req)			\
{									\
	(void)req;							\
	return (int64_t)(__VA_ARGS__);					\
}
#include "request.def"
#define ROW(function, what, wanted, counted, ...)			\
static int64_t								\
run_##function##_##what(struct cluster_request *req)			\
{									\
	(void)req;							\
	return (int64_t)(__VA_ARGS__);					\
}
#include "worker.def"

static const struct row {
	const char *name;
	int64_t wanted;
	int counted;
	int64_t (*run)(struct cluster_request *req);
} rows[] = {
#define ROW(function, what, wanted, counted, ...) \
	{ #function "/" #what, wanted, counted, run_##function##_##what },
#include "request.def"
#define ROW(function, what, wanted, counted, ...) \
	{ #function "/" #what, wanted, counted, run_##function##_##what },
#include "worker.def"
};

/* What all rows of a phase said that they should not have. */
struct report {
	char text[8192];
	int used, rows, wrong, counted;
};

static void
compare(struct report *report, const char *name, int64_t got, int64_t wanted,
    int counted)
{
	report->rows++;
	report->counted += counted;
	if (got == wanted)
		return;
	report->wrong++;
	if (report->used < (int)sizeof(report->text) - 128)
		report->used += snprintf(report->text + report->used, 128,
		    "%s: %lld, not %lld; ", name, (long long)got,
		    (long long)wanted);
}

/* ---- handles that are none -------------------------------------------------------- */

enum kind { NONE, REQUEST, TIMER, WATCH, OBSERVER, CANCEL, MESSAGE, CHILD,
	STREAM, DATAGRAM };

#define REQ ((struct cluster_request *)handle)
#define HANDLE ((void *)handle)

static void
try_dead(struct report *report, uintptr_t handle, enum kind kind)
{
#define DEAD(function, own, wanted, counted, ...)			\
	if (kind != own)						\
		compare(report, #function, (int64_t)(__VA_ARGS__), wanted, \
		    counted);
#include "dead.def"
}
#undef REQ
#undef HANDLE

/* Numbers, an address, and what had been handles. */
static void
try_all_dead(struct report *report, struct cluster_request *over)
{
	static const uintptr_t numbers[] = { 0, 1, UINTPTR_MAX, 77777777,
	    UINTPTR_MAX / 2 + 1, 1 << 21, 1 << 16 };
	struct cluster_timer *timer = cluster_timer(60000, on_time, NULL);
	struct cluster_cancel *token = cluster_cancel_new();

	for (size_t i = 0; i < COUNT(numbers); i++)
		try_dead(report, numbers[i], NONE);
	try_dead(report, (uintptr_t)&numbers, NONE);
	if (over != NULL)
		try_dead(report, (uintptr_t)over, NONE);
	cluster_timer_cancel(timer);
	try_dead(report, (uintptr_t)timer, NONE);
	cluster_cancel_free(token);
	try_dead(report, (uintptr_t)token, NONE);
}

/* What are handles, but of another kind; this one's number is that of the
 * request that is open. */
static void
try_others(struct report *report, struct cluster_request *req)
{
	struct cluster_timer *timers[8];
	struct cluster_cancel *tokens[8];
	struct cluster_watch *watch = NULL;
	int fds[2];

	try_dead(report, (uintptr_t)req, REQUEST);
	try_dead(report, (uintptr_t)child(), CHILD);
	for (int i = 0; i < 8; i++) {
		timers[i] = cluster_timer(60000, on_time, NULL);
		tokens[i] = cluster_cancel_new();
	}
	for (int i = 0; i < 8; i++) {
		try_dead(report, (uintptr_t)timers[i], TIMER);
		try_dead(report, (uintptr_t)tokens[i], CANCEL);
	}
	for (int i = 0; i < 8; i++) {
		cluster_timer_free(timers[i]);
		cluster_cancel_free(tokens[i]);
	}
	if (pipe(fds) != 0 || cluster_watch(fds[0], CLUSTER_WATCH_READ, on_fd,
	    NULL, &watch) != 0)
		abort();
	try_dead(report, (uintptr_t)watch, WATCH);
	cluster_watch_free(watch);
	close(fds[0]);
	close(fds[1]);
}

/* ---- threads ------------------------------------------------------------------------ */

struct calls {
	struct report *report;
	struct cluster_request *req;
};

static void *
try_thread(void *arg)
{
	struct report *report = ((struct calls *)arg)->report;
	struct cluster_request *req = ((struct calls *)arg)->req;

#define THREAD(function, wanted, counted, ...)				\
	compare(report, #function, (int64_t)(__VA_ARGS__), wanted, counted);
#include "threads.def"
	return NULL;
}

static void
run_thread(void *(*run)(void *), void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, arg) != 0)
		abort();
	pthread_join(thread, NULL);
}

/* A copy of the worker with that thread alone: how it ended. */
static void *
fork_thread(void *arg)
{
	struct calls *calls = arg;
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		cluster_reply_text(calls->req, 200, "twice");
		_exit(77);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	compare(calls->report, "fork", WEXITSTATUS(status), 1, 0);
	return NULL;
}

/* It cannot return. */
static void *
exit_thread(void *reason)
{
	cluster_exit(reason);
}

/* ---- phases ------------------------------------------------------------------------- */

enum phase { EVERY, START, DRAIN, STOP, ANSWERED };

static void
try_phase(struct report *report, enum phase phase, struct cluster_request *req)
{
#define PHASE(when, function, wanted, ...)				\
	if (phase == when || (when == EVERY && phase != ANSWERED))	\
		compare(report, #function, (int64_t)(__VA_ARGS__), wanted, 0);
#include "phases.def"
	if (phase != ANSWERED)
		try_all_dead(report, NULL);
}

static struct report at_start;

/* Before there is a host, also in a checker. */
__attribute__((constructor)) static void
begin(void)
{
	compare(&at_start, "has", cluster_has(method), 0, 0);
	compare(&at_start, "method", IS(cluster_method(NULL)), 0, 0);
	compare(&at_start, "reply", cluster_reply_copy(NULL, 200, NULL, "", 0),
	    -ENOSYS, 0);
	compare(&at_start, "reply_file", cluster_reply_file_with(NULL, 200,
	    NULL, NULL), -ENOSYS, 0);
	compare(&at_start, "reply_give", cluster_reply_give(NULL, 200, NULL,
	    NULL, 0, NULL, NULL), -ENOSYS, 0);
	compare(&at_start, "timer", IS(cluster_timer(1, on_time, NULL)), 0, 0);
	compare(&at_start, "now_ms", cluster_now_ms() == 0, 1, 0);
	compare(&at_start, "self", IS(cluster_self()), 0, 0);
	compare(&at_start, "spawn", cluster_spawn(NULL, NULL, NULL), -ENOSYS,
	    0);
	cluster_log(CLUSTER_ERROR, "nobody hears of it");
	cluster_result_done(&result);
}

static int
start(void *self)
{
	(void)self;
	memset(too_long, 'a', sizeof(too_long) - 1);
	*(size_t *)(void *)large = sizeof(large);
	try_phase(&at_start, START, NULL);
	return 0;
}

static void
log_phase(enum phase phase, const char *name)
{
	static struct report report;

	report = (struct report){ .used = 0 };
	try_phase(&report, phase, NULL);
	cluster_log(CLUSTER_NOTICE, "%s: %d of %d wrong. %s", name,
	    report.wrong, report.rows, report.text);
}

static void
on_drain(void *self)
{
	(void)self;
	log_phase(DRAIN, "on_drain");
}

static void
stop(void *self)
{
	(void)self;
	log_phase(STOP, "stop");
}

/* ---- requests ------------------------------------------------------------------------ */

static struct cluster_request *over;	/* one that was answered */
static struct report last;

static enum cluster_verdict
say(struct cluster_request *req, const struct report *report)
{
	char words[9000];

	snprintf(words, sizeof(words), "%d of %d wrong, %d counted. %s",
	    report->wrong, report->rows, report->counted, report->text);
	return cluster_reply_text(req, 200, words);
}

static enum cluster_verdict
run_row(struct cluster_request *req, const char *name)
{
	char words[80];

	for (size_t i = 0; i < COUNT(rows); i++) {
		if (strcmp(rows[i].name, name) != 0)
			continue;
		snprintf(words, sizeof(words), "%lld %lld %d",
		    (long long)rows[i].run(req), (long long)rows[i].wanted,
		    rows[i].counted);
		return cluster_reply_text(req, 200, words);
	}
	return CLUSTER_FAIL;
}

/* The end of this worker, with no reason or one that is no line. */
static enum cluster_verdict
end(const char *reason)
{
	if (strcmp(reason, "none") == 0)
		cluster_exit(NULL);
	if (strcmp(reason, "thread") == 0)
		run_thread(exit_thread, (void *)(uintptr_t)reason);
	memcpy(too_long, "a\r\nb\x1b[1m\x7f", 10);
	cluster_exit(too_long);
}

static enum cluster_verdict
leave(struct cluster_request *req)
{
	int first = cluster_disconnect("a\r\nb\x1b[1m\x7f");
	char words[40];

	snprintf(words, sizeof(words), "%d %d", first, cluster_disconnect("c"));
	return cluster_reply_text(req, 200, words);
}

static enum cluster_verdict
handle(struct cluster_request *req, void *self)
{
	const char *path = cluster_path(req);

	(void)self;
	if (strcmp(path, "/start") == 0)
		return say(req, &at_start);
	if (strcmp(path, "/leave") == 0)
		return leave(req);
	if (strcmp(path, "/last") == 0)
		return say(req, &last);
	if (strcmp(path, "/row") == 0)
		return run_row(req, cluster_query(req));
	if (strcmp(path, "/exit") == 0)
		return end(cluster_query(req));
	last = (struct report){ .used = 0 };
	if (strcmp(path, "/dead") == 0)
		try_all_dead(&last, over);
	if (strcmp(path, "/others") == 0)
		try_others(&last, req);
	if (strcmp(path, "/threads") == 0)
		run_thread(try_thread, &(struct calls){ &last, req });
	if (strcmp(path, "/fork") == 0)
		run_thread(fork_thread, &(struct calls){ &last, req });
	if (strcmp(path, "/answered") == 0) {
		if (cluster_reply_text(req, 200, "answered") != CLUSTER_DONE)
			return CLUSTER_FAIL;
		try_phase(&last, ANSWERED, req);
		return CLUSTER_DONE;
	}
	over = req;
	return say(req, &last);
}

CLUSTER_PLUGIN(misuse,
	.summary = "Calls every function wrongly, for tests",
	.start = start, .stop = stop, .handle = handle, .on_drain = on_drain);
