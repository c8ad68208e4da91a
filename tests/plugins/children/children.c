/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * children.c: a plugin that starts child processes as its paths say, for tests
 * only; arguments stand behind the '?', percent-encoded, and may repeat (arg=a,
 * arg=b).  A child is named by its number, n.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <clusterd/plugin.h>

enum {
	CHILDREN_MAX = 4096, LIST_MAX = 1200, EVENTS_MAX = 8192,
	OUTPUT_MAX = 1 << 22, TEXTS_MAX = 1 << 20,
};

/* ---- arguments --------------------------------------------------------------------- */

static char texts[TEXTS_MAX];		/* of the request at hand */
static size_t texts_used;

static const char *
decode(const char *from, size_t len)
{
	char *out = texts + texts_used, *to = out;

	for (size_t i = 0; i < len; i++) {
		char hex[3] = "";

		if (from[i] != '%' || i + 2 >= len) {
			*to++ = from[i];
			continue;
		}
		memcpy(hex, from + i + 1, 2);
		*to++ = (char)strtol(hex, NULL, 16);
		i += 2;
	}
	*to++ = '\0';
	texts_used += (size_t)(to - out);
	return out;
}

/* All of that name; NULL behind the last.  How many. */
static size_t
arguments(struct cluster_request *req, const char *name,
    const char **list, size_t max)
{
	const char *at = cluster_query(req);
	size_t len = strlen(name), count = 0;

	while (at != NULL && *at != '\0' && count < max) {
		size_t part = strcspn(at, "&");

		if (part > len && strncmp(at, name, len) == 0 &&
		    at[len] == '=')
			list[count++] = decode(at + len + 1, part - len - 1);
		at += part + (at[part] == '&');
	}
	list[count] = NULL;
	return count;
}

static const char *
argument(struct cluster_request *req, const char *name)
{
	const char *list[2];

	return arguments(req, name, list, 1) > 0 ? list[0] : NULL;
}

static long
number(struct cluster_request *req, const char *name, long fallback)
{
	const char *text = argument(req, name);

	return text == NULL ? fallback : strtol(text, NULL, 0);
}

/* ---- children ----------------------------------------------------------------------- */

struct row {
	struct cluster_child *child;
	struct cluster_request *waits;	/* for its end; NULL: nobody */
	struct cluster_exit ended;
	char events[EVENTS_MAX];	/* in order: "out1:5 eof1 exit close" */
	char *out[3];			/* of 0 (a socket), 1, 2 */
	size_t out_len[3], total;
	bool exited, closed;
};

static struct row *rows[CHILDREN_MAX];
static unsigned row_count;
static struct cluster_cancel *token;
static bool spawning;			/* cluster_spawn() has not returned */

static void
note(struct row *row, const char *fmt, int a, size_t b)
{
	size_t used = strlen(row->events);

	if (spawning)
		fmt = "early ";
	if (used + 40 < EVENTS_MAX)
		snprintf(row->events + used, EVENTS_MAX - used, fmt, a, b);
}

static void
keep(struct row *row, int fd, const void *data, size_t len)
{
	row->total += len;
	if (fd > 2 || row->out_len[fd] + len > OUTPUT_MAX)
		return;
	if (row->out[fd] == NULL)
		row->out[fd] = malloc(OUTPUT_MAX);
	if (row->out[fd] == NULL)
		return;
	memcpy(row->out[fd] + row->out_len[fd], data, len);
	row->out_len[fd] += len;
}

/* "key=value" lines, a blank one, then the output of 0, 1, 2. */
static int
answer_row(struct cluster_request *req, const struct row *row)
{
	static char text[EVENTS_MAX + 3 * OUTPUT_MAX];
	size_t used;

	used = (size_t)snprintf(text, sizeof(text),
	    "events=%s\nexited=%d\nclosed=%d\ncode=%d\nsignal=%d\ncore=%d\n"
	    "cause=%d\nwall_ms=%llu\nmax_rss=%ld\ntotal=%zu\n"
	    "sizes=%zu %zu %zu\n\n", row->events, row->exited, row->closed,
	    row->ended.code, row->ended.signal, row->ended.core,
	    (int)row->ended.cause,
	    (unsigned long long)(row->ended.wall_ns / 1000000),
	    row->ended.rusage.ru_maxrss, row->total, row->out_len[0],
	    row->out_len[1], row->out_len[2]);
	for (int fd = 0; fd < 3; fd++) {
		if (row->out_len[fd] > 0)
			memcpy(text + used, row->out[fd], row->out_len[fd]);
		used += row->out_len[fd];
	}
	return cluster_reply_copy(req, 200, "text/plain", text, used);
}

static void
on_output(struct cluster_child *child, int fd, const void *data, size_t len,
    void *arg)
{
	struct row *row = arg;

	(void)child;
	if (len == 0) {
		note(row, "eof%d ", fd, 0);
		return;
	}
	note(row, "out%d:%zu ", fd, len);
	keep(row, fd, data, len);
}

static void
on_room(struct cluster_child *child, int fd, void *arg)
{
	(void)child;
	note(arg, "room%d ", fd, 0);
}

static void
on_exit_(struct cluster_child *child, const struct cluster_exit *ended,
    void *arg)
{
	struct row *row = arg;

	(void)child;
	row->exited = true;
	row->ended = *ended;
	note(row, "exit ", 0, 0);
}

static void
on_close(struct cluster_child *child, const struct cluster_exit *ended,
    void *arg)
{
	struct row *row = arg;
	struct cluster_child_info info = { .size = sizeof(info) };

	row->closed = true;
	row->ended = *ended;
	note(row, "close ", 0, 0);
	if (cluster_child_info(child, &info) != 0)
		note(row, "stale-early ", 0, 0);
	if (row->waits != NULL)
		(void)answer_row(row->waits, row);
	row->waits = NULL;
}

static const struct cluster_child_events all_events = {
	.on_output = on_output, .on_room = on_room, .on_exit = on_exit_,
	.on_close = on_close,
};
static const struct cluster_child_events few_events = {
	.on_exit = on_exit_, .on_close = on_close,
};

static struct row *
new_row(void)
{
	struct row *row;

	if (row_count == CHILDREN_MAX)
		return NULL;
	row = calloc(1, sizeof(*row));
	if (row != NULL)
		rows[row_count++] = row;
	return row;
}

/* ---- orders --------------------------------------------------------------------------- */

static enum cluster_stdio_kind
kind_of(const char *word)
{
	static const char *const words[] = { "default", "pipe", "socket",
	    "null", "inherit", "fd", "file", "data", "log", "capture" };

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strncmp(word, words[i], strlen(words[i])) == 0)
			return (enum cluster_stdio_kind)i;
	return (enum cluster_stdio_kind)99;
}

/* io0=pipe, io1=file:/path, io0=data:text, io3=fd:/path (opened here, dup),
 * io3=move:/path, io3=number:77 */
static void
read_stdio(struct cluster_request *req, struct cluster_spawn *how)
{
	for (int fd = 0; fd < CLUSTER_STDIO_COUNT; fd++) {
		struct cluster_stdio *stdio = &how->stdio[fd];
		char name[8];
		const char *word, *rest;

		snprintf(name, sizeof(name), "io%d", fd);
		if ((word = argument(req, name)) == NULL)
			continue;
		rest = strchr(word, ':');
		rest = rest != NULL ? rest + 1 : "";
		stdio->kind = kind_of(word);
		stdio->path = rest;
		stdio->data = rest;
		stdio->len = strlen(rest);
		stdio->mode = CLUSTER_FD_DUP;
		if (strncmp(word, "move", 4) == 0)
			stdio->mode = CLUSTER_FD_MOVE;
		if (strncmp(word, "fd", 2) == 0 || stdio->mode ==
		    CLUSTER_FD_MOVE) {
			stdio->kind = CLUSTER_STDIO_FD;
			stdio->fd = open(rest, O_RDWR | O_CREAT | O_CLOEXEC,
			    0600);
		}
		if (strncmp(word, "number", 6) == 0 ||
		    strncmp(word, "ours", 4) == 0) {
			stdio->kind = CLUSTER_STDIO_FD;
			stdio->fd = (int)strtol(rest, NULL, 10);
		}
		if (strncmp(word, "ours", 4) == 0)
			stdio->mode = CLUSTER_FD_MOVE;
	}
}

/* What the child has a copy of; on success what moved is closed already. */
static void
close_stdio(const struct cluster_spawn *how, int rc)
{
	for (int fd = 0; fd < CLUSTER_STDIO_COUNT; fd++)
		if (how->stdio[fd].kind == CLUSTER_STDIO_FD &&
		    how->stdio[fd].path != NULL &&
		    how->stdio[fd].path[0] == '/' &&
		    (rc != 0 || how->stdio[fd].mode == CLUSTER_FD_DUP))
			close(how->stdio[fd].fd);
}

static struct cluster_rlimit limits[2];

static void
read_order(struct cluster_request *req, struct cluster_spawn *how)
{
	static const char *argv[LIST_MAX + 1], *env[LIST_MAX + 1];
	const char *limit;

	texts_used = 0;
	limit = argument(req, "rlimit");
	*how = (struct cluster_spawn){
		.size = (size_t)number(req, "size", sizeof(*how)),
		.file = argument(req, "file"),
		.shell = argument(req, "shell"), .cwd = argument(req, "cwd"),
		.flags = (unsigned)number(req, "flags", 0),
		.channel = (enum cluster_channel)number(req, "channel", 0),
		.timeout_ms = (unsigned)number(req, "timeout_ms", 0),
		.kill_after_ms = (unsigned)number(req, "kill_after", 0),
		.linger_ms = (unsigned)number(req, "linger", 0),
		.kill_signal = (int)number(req, "kill_signal", 0),
		.nice = (int)number(req, "nice", 0),
		.kill_scope = (enum cluster_kill_scope)number(req, "scope", 0),
		.max_output = (size_t)number(req, "max", 0),
		.overflow = (enum cluster_overflow)number(req, "overflow", 0),
		.events = number(req, "quiet", 0) ? &few_events : &all_events,
	};
	if (arguments(req, "arg", argv, LIST_MAX) > 0)
		how->argv = argv;
	if (arguments(req, "env", env, LIST_MAX) > 0)
		how->env = env;
	if (number(req, "noenv", 0))
		how->env = env;
	if (number(req, "with", 0))
		how->with = req;
	if (number(req, "cancel", 0))
		how->cancel = token;
	if (limit != NULL && sscanf(limit, "%d:%lu", &limits[0].resource,
	    &limits[0].soft) == 2) {
		limits[0].hard = limits[0].soft;
		limits[1].resource = -1;
		how->rlimits = limits;
	}
	read_stdio(req, how);
}

static enum cluster_verdict
say(struct cluster_request *req, long a, long b)
{
	char text[64];

	snprintf(text, sizeof(text), "%ld %ld\n", a, b);
	return cluster_reply_text(req, 200, text);
}

/* /spawn: answered when it has closed; /start: at once, with its number. */
static enum cluster_verdict
begin(struct cluster_request *req, bool wait)
{
	enum cluster_stage stage = (enum cluster_stage)9;
	struct row *row = new_row();
	struct cluster_spawn how;
	int rc;

	if (row == NULL)
		return CLUSTER_FAIL;
	read_order(req, &how);
	how.arg = row;
	spawning = true;
	rc = cluster_spawn(&how, &stage, &row->child);
	spawning = false;
	close_stdio(&how, rc);
	if (rc != 0)
		return say(req, rc, (long)stage);
	if (!wait)
		return say(req, row_count - 1, 0);
	row->waits = req;
	return CLUSTER_LATER;
}

static enum cluster_verdict
do_spawn(struct cluster_request *req, struct row *row)
{
	(void)row;
	return begin(req, true);
}

static enum cluster_verdict
do_start(struct cluster_request *req, struct row *row)
{
	(void)row;
	return begin(req, false);
}

/* ---- results ---------------------------------------------------------------------------- */

static void
answer_result(struct cluster_request *req, const struct cluster_result *result)
{
	struct row *row = calloc(1, sizeof(*row));

	if (row == NULL)
		return;
	row->ended = result->exit;
	row->total = result->lost;
	row->exited = row->closed = true;
	note(row, "lost:%zu ", 0, result->lost);
	keep(row, 1, result->out, result->out_len);
	keep(row, 2, result->err, result->err_len);
	for (int i = 0; i < 2; i++) {
		char *block = NULL;
		ssize_t n = 0;

		if (result->spill_fd[i] < 0)
			continue;
		note(row, "spill%d ", i + 1, 0);
		block = malloc(OUTPUT_MAX);
		if (block != NULL)
			n = read(result->spill_fd[i], block, OUTPUT_MAX);
		if (n > 0)
			keep(row, i + 1, block, (size_t)n);
		free(block);
	}
	row->total = result->lost;
	(void)answer_row(req, row);
	for (int fd = 0; fd < 3; fd++)
		free(row->out[fd]);
	free(row);
}

static void
on_result(const struct cluster_result *result, void *arg)
{
	answer_result(arg, result);
	for (int i = 0; i < 2; i++)
		if (result->spill_fd[i] >= 0)
			close(result->spill_fd[i]);
}

/* /exec?line=..., /exec_file?file=...&arg=...: how as of /spawn; bare=1: none */
static enum cluster_verdict
do_exec(struct cluster_request *req, struct row *row)
{
	const char *const *argv = NULL;
	struct cluster_spawn how;
	const char *line;
	int rc;

	(void)row;
	read_order(req, &how);
	line = argument(req, "line");
	if (line != NULL) {
		how.events = NULL;
		rc = cluster_exec(line, number(req, "bare", 0) ? NULL : &how,
		    on_result, req, NULL);
	} else {
		line = how.file;
		argv = how.argv;
		how.file = NULL;
		how.argv = NULL;
		how.events = NULL;
		rc = cluster_exec_file(line, argv,
		    number(req, "bare", 0) ? NULL : &how, on_result, req,
		    NULL);
	}
	return rc == 0 ? CLUSTER_LATER : say(req, rc, 0);
}

/* /run: not here; what it gave in start() is told by /started */
static enum cluster_verdict
do_run(struct cluster_request *req, struct row *row)
{
	struct cluster_result result;
	struct cluster_spawn how;

	(void)row;
	read_order(req, &how);
	how.events = NULL;
	return say(req, cluster_run(&how, &result), 0);
}

/* ---- what is done to one that runs ------------------------------------------------------ */

static enum cluster_verdict
do_look(struct cluster_request *req, struct row *row)
{
	return answer_row(req, row) == 0 ? CLUSTER_DONE : CLUSTER_FAIL;
}

static enum cluster_verdict
do_wait(struct cluster_request *req, struct row *row)
{
	if (row->closed)
		return do_look(req, row);
	row->waits = req;
	return CLUSTER_LATER;
}

/* /write?n=&fd=&data=&size=&times=: how many were taken, and what the last said */
static enum cluster_verdict
do_write(struct cluster_request *req, struct row *row)
{
	const char *data = argument(req, "data");
	long size = number(req, "size", -1), times = number(req, "times", 1);
	char *block = NULL;
	long taken = 0;
	int rc = 0;

	if (size >= 0) {
		block = calloc(1, (size_t)size + 1);
		if (block == NULL)
			return CLUSTER_FAIL;
		memset(block, 'x', (size_t)size);
		data = block;
	} else if (data != NULL) {
		size = (long)strlen(data);
	}
	for (long i = 0; i < times && rc == 0; i++) {
		rc = cluster_child_write(row->child,
		    (int)number(req, "fd", 0), data, (size_t)size);
		taken += rc == 0;
	}
	free(block);
	return say(req, rc, taken);
}

static enum cluster_verdict
do_close(struct cluster_request *req, struct row *row)
{
	return say(req, cluster_child_close(row->child,
	    (int)number(req, "fd", 0)), 0);
}

static enum cluster_verdict
do_disconnect(struct cluster_request *req, struct row *row)
{
	return say(req, cluster_child_disconnect(row->child), 0);
}

static enum cluster_verdict
do_pause(struct cluster_request *req, struct row *row)
{
	return say(req, cluster_child_pause(row->child,
	    (int)number(req, "fd", 1), number(req, "on", 1) != 0), 0);
}

static enum cluster_verdict
do_kill(struct cluster_request *req, struct row *row)
{
	return say(req, cluster_child_kill(row->child,
	    (int)number(req, "sig", 15),
	    (enum cluster_kill_scope)number(req, "scope", 0)), 0);
}

static enum cluster_verdict
do_ref(struct cluster_request *req, struct row *row)
{
	return say(req, cluster_child_ref(row->child,
	    number(req, "on", 1) != 0), 0);
}

static enum cluster_verdict
do_info(struct cluster_request *req, struct row *row)
{
	struct cluster_child_info info = { .size = sizeof(info) };
	int rc = cluster_child_info(row->child, &info);
	char text[4096];
	size_t used;

	if (rc != 0)
		return say(req, rc, 0);
	used = (size_t)snprintf(text, sizeof(text),
	    "pid=%d\nrunning=%d\nconnected=%d\nreferenced=%d\ncode=%d\n"
	    "signal=%d\nsignal_sent=%d\nchannel=%d\nfile=%s\nargv=",
	    (int)info.pid, info.running, info.connected, info.referenced,
	    info.code, info.signal, info.signal_sent, (int)info.channel,
	    info.file);
	for (size_t i = 0; info.argv[i] != NULL && used < 4000; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
		    "%s|", info.argv[i]);
	return cluster_reply_text(req, 200, text);
}

/* /token?do=new|cancel|free */
static enum cluster_verdict
do_token(struct cluster_request *req, struct row *row)
{
	const char *what = argument(req, "do");

	(void)row;
	if (what == NULL)
		return CLUSTER_FAIL;
	if (strcmp(what, "new") == 0)
		token = cluster_cancel_new();
	else if (strcmp(what, "cancel") == 0)
		cluster_cancel(token);
	else
		cluster_cancel_free(token);
	return say(req, token != NULL, 0);
}

/* ---- its output as an answer --------------------------------------------------------------- */

struct flow {
	struct cluster_request *req;
	struct cluster_child *child;
	char *waits;			/* a piece that did not go out */
	size_t len;
};

static void
flow_output(struct cluster_child *child, int fd, const void *data, size_t len,
    void *arg)
{
	struct flow *flow = arg;

	if (fd != 1 || len == 0 ||
	    cluster_stream_write(flow->req, data, len) != -EAGAIN)
		return;
	flow->waits = malloc(len);
	if (flow->waits == NULL)
		return;
	memcpy(flow->waits, data, len);
	flow->len = len;
	(void)cluster_child_pause(child, fd, true);
}

static void
flow_close(struct cluster_child *child, const struct cluster_exit *ended,
    void *arg)
{
	struct flow *flow = arg;

	(void)child;
	(void)ended;
	(void)cluster_stream_end(flow->req);
	free(flow->waits);
	free(flow);
}

static const struct cluster_child_events flow_events = {
	.on_output = flow_output, .on_close = flow_close,
};

static struct flow *last_flow;		/* one at a time */

static void
on_stream_room(struct cluster_request *req, void *self)
{
	struct flow *flow = last_flow;

	(void)self;
	if (flow == NULL || flow->req != req || flow->waits == NULL ||
	    cluster_stream_write(req, flow->waits, flow->len) == -EAGAIN)
		return;
	free(flow->waits);
	flow->waits = NULL;
	(void)cluster_child_pause(flow->child, 1, false);
}

/* /stream?file=...: as /spawn; no more is read than the client takes. */
static enum cluster_verdict
do_stream(struct cluster_request *req, struct row *row)
{
	struct flow *flow = calloc(1, sizeof(*flow));
	struct cluster_spawn how;

	(void)row;
	if (flow == NULL)
		return CLUSTER_FAIL;
	read_order(req, &how);
	how.events = &flow_events;
	how.arg = flow;
	how.with = req;
	flow->req = req;
	if (cluster_spawn(&how, NULL, &flow->child) != 0) {
		free(flow);
		return CLUSTER_FAIL;
	}
	last_flow = flow;
	(void)cluster_stream_begin(req, 200, "application/octet-stream", -1);
	return CLUSTER_LATER;
}

/* ---- many, one after the other ----------------------------------------------------------------- */

static struct {
	struct cluster_request *req;
	long left, failed;
	uint64_t since_ns;
} many;

static void
many_next(const struct cluster_result *result, void *arg)
{
	(void)arg;
	if (result != NULL && result->exit.code != 0)
		many.failed++;
	if (many.left-- > 0) {
		if (cluster_exec("true", NULL, many_next, NULL, NULL) == 0)
			return;
		many.failed++;
	}
	(void)say(many.req, many.failed,
	    (long)((cluster_now_ns() - many.since_ns) / 1000));
}

/* /many?n=: how many failed, and microseconds for all */
static enum cluster_verdict
do_many(struct cluster_request *req, struct row *row)
{
	(void)row;
	many.req = req;
	many.left = number(req, "n", 1);
	many.failed = 0;
	many.since_ns = cluster_now_ns();
	many_next(NULL, NULL);
	return CLUSTER_LATER;
}

static char *heap;

/* /grow?mb=: so much heap, all of it touched */
static enum cluster_verdict
do_grow(struct cluster_request *req, struct row *row)
{
	size_t size = (size_t)number(req, "mb", 1) << 20;

	(void)row;
	free(heap);
	heap = malloc(size);
	if (heap == NULL)
		return CLUSTER_FAIL;
	memset(heap, 1, size);
	return say(req, 0, heap[size / 2]);
}

/* ---- the start -------------------------------------------------------------------------- */

struct plugin {
	const char *start;	/* a line to run before anything is served */
	uint64_t start_ms;
};

static struct cluster_result started;
static int started_rc = 1;

static enum cluster_verdict
do_started(struct cluster_request *req, struct row *row)
{
	(void)row;
	if (started_rc != 0)
		return say(req, started_rc, 0);
	answer_result(req, &started);
	return CLUSTER_LATER;
}

static int
start(void *self)
{
	const struct plugin *plugin = self;
	struct cluster_spawn how = { .size = sizeof(how),
	    .shell = plugin->start[0] == '/' ? NULL : "",	/* a program */
	    .file = plugin->start, .timeout_ms = (unsigned)plugin->start_ms,
	    .kill_after_ms = 100 };

	if (plugin->start[0] != '\0')
		started_rc = cluster_run(&how, &started);
	return 0;
}

static void
stop(void *self)
{
	(void)self;
	if (started_rc == 0)
		cluster_result_done(&started);
}

/* ---- the paths ---------------------------------------------------------------------------- */

static const struct {
	const char *path;
	bool of_row;
	enum cluster_verdict (*call)(struct cluster_request *req,
	    struct row *row);
} paths[] = {
	{ "/exec", false, do_exec }, { "/exec_file", false, do_exec },
	{ "/run", false, do_run }, { "/started", false, do_started },
	{ "/token", false, do_token }, { "/stream", false, do_stream },
	{ "/many", false, do_many }, { "/grow", false, do_grow },
	{ "/spawn", false, do_spawn }, { "/start", false, do_start },
	{ "/look", true, do_look }, { "/wait", true, do_wait },
	{ "/write", true, do_write }, { "/close", true, do_close },
	{ "/pause", true, do_pause }, { "/kill", true, do_kill },
	{ "/disconnect", true, do_disconnect },
	{ "/ref", true, do_ref }, { "/info", true, do_info },
};

static enum cluster_verdict
handle(struct cluster_request *req, void *self)
{
	const char *path = cluster_path(req);

	(void)self;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct row *row = NULL;

		if (strcmp(path, paths[i].path) != 0)
			continue;
		texts_used = 0;
		if (paths[i].of_row) {
			long n = number(req, "n", row_count - 1);

			if (n < 0 || n >= (long)row_count)
				return cluster_reply_text(req, 404, "none\n");
			row = rows[n];
		}
		return paths[i].call(req, row);
	}
	return CLUSTER_PASS;
}

static const struct cluster_option options[] = {
	CLUSTER_OPTION_STRING(struct plugin, start, "",
	    "a line for cluster_run() in start()"),
	CLUSTER_OPTION_DURATION(struct plugin, start_ms, "0", 0, 60000,
	    "its timeout"),
	CLUSTER_OPTION_END
};

CLUSTER_PLUGIN(children,
    .summary = "Starts child processes as it is told",
    .options = options, .size = sizeof(struct plugin),
    .start = start, .stop = stop, .handle = handle,
    .on_room = on_stream_room);
