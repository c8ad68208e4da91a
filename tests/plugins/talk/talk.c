/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * talk.c: a plugin that talks to its children over their channels, for tests
 * only; arguments stand behind the '?', what is sent is the body.  A child is
 * named by its number, n.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <clusterd/peer.h>
#include <clusterd/plugin.h>

enum { CHILDREN_MAX = 256, WORDS_MAX = 64, HEARD_MAX = 1 << 22, DATA_SHOWN = 64 };

struct row {
	struct cluster_child *child;
	char *heard;			/* a line for each event */
	size_t len;
	bool closed;
};

static struct row rows[CHILDREN_MAX];
static unsigned row_count;

/* What was sent along, and is looked at in done(). */
struct parcel {
	struct row *row;
	int fd, number;
};

/* ---- arguments ------------------------------------------------------------------ */

static const char *
argument(struct cluster_request *req, const char *name)
{
	static char texts[16][256];	/* of a request */
	static unsigned next;
	char *out = texts[next++ % 16];
	const char *at = cluster_query(req);
	size_t len = strlen(name);

	while (at != NULL && *at != '\0') {
		size_t part = strcspn(at, "&");

		if (part > len && strncmp(at, name, len) == 0 &&
		    at[len] == '=') {
			snprintf(out, 256, "%.*s", (int)(part - len - 1),
			    at + len + 1);
			return out;
		}
		at += part + (at[part] == '&');
	}
	return NULL;
}

static long
number(struct cluster_request *req, const char *name, long fallback)
{
	const char *text = argument(req, name);

	return text == NULL ? fallback : strtol(text, NULL, 0);
}

static struct row *
row_of(struct cluster_request *req)
{
	long n = number(req, "n", 0);

	return n >= 0 && n < row_count ? &rows[n] : NULL;
}

__attribute__((format(printf, 2, 3))) static int
reply(struct cluster_request *req, const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return cluster_reply_text(req, 200, text);
}

/* ---- what is heard ----------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void
hear(struct row *row, const char *fmt, ...)
{
	va_list args;

	if (row->heard == NULL && (row->heard = malloc(HEARD_MAX)) == NULL)
		return;
	va_start(args, fmt);
	if (row->len + 1024 < HEARD_MAX)
		row->len += (size_t)vsnprintf(row->heard + row->len, 1024, fmt,
		    args);
	va_end(args);
}

static void
hear_bytes(struct row *row, const char *before, const void *data, size_t len)
{
	const unsigned char *at = data;

	hear(row, "%s", before);
	for (size_t i = 0; i < len && i < DATA_SHOWN; i++)
		hear(row, "%02x", at[i]);
}

static unsigned
sum_of(const void *data, size_t len)
{
	const unsigned char *at = data;
	unsigned sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = sum * 31 + at[i];
	return sum;
}

/* message TOPIC FLAGS FDS LEN SUM ALIGNED DATA, and what is in its files. */
static void
on_message(struct cluster_child *child, const struct cluster_message *m,
    void *arg)
{
	struct row *row = arg;

	if (strcmp(m->topic, "again") == 0)
		(void)cluster_child_send(child, m->data, m->len, NULL);
	hear(row, "message \"%s\" %u %u %zu %u %d ", m->topic, m->flags,
	    m->fd_count, m->len, sum_of(m->data, m->len),
	    (uintptr_t)m->data % 8 == 0);
	hear_bytes(row, "", m->data, m->len);
	for (unsigned i = 0; i < m->fd_count && strcmp(m->topic, "leave") != 0;
	    i++) {
		int fd = cluster_message_take_fd(m, i);
		char text[DATA_SHOWN];
		ssize_t n = pread(fd, text, sizeof(text), 0);

		hear_bytes(row, " ", text, n < 0 ? 0 : (size_t)n);
		close(fd);
	}
	hear(row, "\n");
}

static void
on_room(struct cluster_child *child, int fd, void *arg)
{
	(void)child;
	hear(arg, "room %d\n", fd);
}

static void
on_disconnect(struct cluster_child *child, void *arg)
{
	struct cluster_child_info info = { .size = sizeof(info) };

	(void)cluster_child_info(child, &info);
	hear(arg, "disconnect %d\n", info.connected);
}

static void
on_ended(struct cluster_child *child, const struct cluster_exit *ended,
    void *arg)
{
	(void)child;
	hear(arg, "exit %d %d\n", ended->code, ended->signal);
}

static void
on_close(struct cluster_child *child, const struct cluster_exit *ended,
    void *arg)
{
	struct row *row = arg;

	(void)child;
	(void)ended;
	row->closed = true;
	hear(row, "close\n");
}

static const struct cluster_child_events events = {
	.on_room = on_room, .on_message = on_message,
	.on_disconnect = on_disconnect, .on_exit = on_ended,
	.on_close = on_close,
};

/* done NUMBER ERROR TAKEN, and whether what was sent along is open. */
static void
on_done(void *arg, int error, unsigned taken)
{
	struct parcel *parcel = arg;
	bool open = parcel->fd >= 0 && fcntl(parcel->fd, F_GETFD) >= 0;

	hear(parcel->row, "done %d %d %u %d\n", parcel->number, error, taken,
	    open);
	if (open)
		close(parcel->fd);
	free(parcel);
}

/* ---- orders ------------------------------------------------------------------------- */

/* The body: words, each ended by a NUL; valid until the next one. */
static const char **
words_of(struct cluster_request *req)
{
	static char body[65536];
	static const char *words[WORDS_MAX + 1];
	size_t len, count = 0;
	const void *data = cluster_body(req, &len);

	if (len >= sizeof(body))
		len = 0;
	if (len > 0)
		memcpy(body, data, len);
	for (size_t at = 0; at < len && count < WORDS_MAX;
	    at += strlen(body + at) + 1)
		words[count++] = body + at;
	words[count] = NULL;
	return words;
}

/* "N PID" or "ERROR" */
static int
reply_started(struct cluster_request *req, struct row *row, int rc)
{
	struct cluster_child_info info = { .size = sizeof(info) };

	if (rc != 0)
		return reply(req, "%d", rc);
	(void)cluster_child_info(row->child, &info);
	return reply(req, "%u %d", row_count++, (int)info.pid);
}

/* channel=packet linger= ; body: the program's words */
static int
start(struct cluster_request *req)
{
	const char **words = words_of(req), *kind = argument(req, "channel");
	struct row *row = &rows[row_count];
	struct cluster_spawn how = { .size = sizeof(how), .file = words[0],
	    .argv = words, .events = &events, .arg = row,
	    .linger_ms = (unsigned)number(req, "linger", 0),
	    .channel = kind == NULL ? CLUSTER_CHANNEL_NONE :
	    strcmp(kind, "packet") == 0 ? CLUSTER_CHANNEL_PACKET :
	    CLUSTER_CHANNEL_LINES };

	if (row_count == CHILDREN_MAX)
		return reply(req, "%d", -ENOSPC);
	*row = (struct row){ 0 };
	return reply_started(req, row, cluster_spawn(&how, NULL, &row->child));
}

/* name= file= ; body: argv, or none */
static int
fork_(struct cluster_request *req)
{
	const char **words = words_of(req);
	struct row *row = &rows[row_count];
	struct cluster_spawn how = { .size = sizeof(how),
	    .file = argument(req, "file"),
	    .argv = words[0] != NULL ? words : NULL, .events = &events,
	    .arg = row };

	if (row_count == CHILDREN_MAX)
		return reply(req, "%d", -ENOSPC);
	*row = (struct row){ 0 };
	return reply_started(req, row, cluster_fork_task(argument(req, "name"),
	    &how, &row->child));
}

static int
file_of(const char *text)
{
	int fd = memfd_create("talk", MFD_CLOEXEC);

	if (fd >= 0 && write(fd, text, strlen(text)) < 0)
		abort();
	return fd;
}

/* The body, or size= bytes: 0, 1 .. 250, 0 .. */
static const void *
data_of(struct cluster_request *req, size_t *len)
{
	static unsigned char data[CLUSTER_MESSAGE_MAX + 1];
	long size = number(req, "size", -1);

	if (size < 0 || (size_t)size > sizeof(data))
		return cluster_body(req, len);
	for (long i = 0; i < size; i++)
		data[i] = (unsigned char)(i % 251);
	*len = (size_t)size;
	return data;
}

/* topic= flags= done=1 timeout= file=text mode=move count= */
static int
send_(struct cluster_request *req)
{
	struct row *row = row_of(req);
	const char *file = argument(req, "file"), *mode = argument(req, "mode");
	struct cluster_send how = { .size = sizeof(how),
	    .topic = argument(req, "topic"),
	    .flags = (unsigned)number(req, "flags", 0),
	    .timeout_ms = (unsigned)number(req, "timeout", 0) };
	struct parcel *parcel = calloc(1, sizeof(*parcel));
	int many[20];
	size_t len;
	const void *data = data_of(req, &len);
	int rc;

	if (row == NULL || parcel == NULL)
		return CLUSTER_FAIL;
	*parcel = (struct parcel){ row, file == NULL ? -1 : file_of(file),
	    (int)number(req, "done", 0) };
	for (int i = 0; i < 20; i++)
		many[i] = parcel->fd;
	how.fds = (struct cluster_fds){ many,
	    file == NULL ? 0 : (unsigned)number(req, "count", 1),
	    mode != NULL && strcmp(mode, "move") == 0 ? CLUSTER_FD_MOVE :
	    CLUSTER_FD_DUP };
	if (parcel->number != 0) {
		how.done = on_done;
		how.arg = parcel;
	}
	rc = cluster_child_send(row->child, data, len, &how);
	if (rc != 0 || parcel->number == 0) {
		if (parcel->fd >= 0 && how.fds.mode == CLUSTER_FD_DUP)
			close(parcel->fd);
		free(parcel);
	}
	return reply(req, "%d", rc);
}

/* Send so many of that size until it is refused: "HOW_MANY ERROR". */
static int
fill(struct cluster_request *req)
{
	static char data[1 << 20];
	struct row *row = row_of(req);
	long size = number(req, "size", 1), most = number(req, "most", 100000);
	long sent = 0;
	int rc = 0;

	if (row == NULL)
		return CLUSTER_FAIL;
	memset(data, '7', sizeof(data));
	while (sent < most && (rc = cluster_child_send(row->child, data,
	    (size_t)size, NULL)) == 0)
		sent++;
	return reply(req, "%ld %d", sent, rc);
}

static int
heard(struct cluster_request *req)
{
	struct row *row = row_of(req);

	return row == NULL || row->heard == NULL ? reply(req, "%s", "") :
	    cluster_reply_copy(req, 200, "text/plain", row->heard, row->len);
}

static enum cluster_verdict
handle(struct cluster_request *req, void *self)
{
	const char *path = cluster_path(req);
	struct row *row = row_of(req);

	(void)self;
	if (strcmp(path, "/start") == 0)
		return start(req);
	if (strcmp(path, "/task") == 0)
		return fork_(req);
	if (strcmp(path, "/send") == 0)
		return send_(req);
	if (strcmp(path, "/fill") == 0)
		return fill(req);
	if (strcmp(path, "/heard") == 0)
		return heard(req);
	if (strcmp(path, "/disconnect") == 0 && row != NULL)
		return reply(req, "%d", cluster_child_disconnect(row->child));
	return CLUSTER_PASS;
}

/* From another plugin, or a task: "mail TOPIC FROM FDS DATA" of child 0. */
static void
on_mail(const struct cluster_message *m, void *self)
{
	(void)self;
	hear(&rows[0], "mail \"%s\" %s %u %zu %.*s\n", m->topic, m->from,
	    m->fd_count, m->len, m->len < 64 ? (int)m->len : 64,
	    (const char *)m->data);
}

/* ---- tasks: in processes of their own --------------------------------------------- */

struct self {
	const char *word;
};

__attribute__((format(printf, 2, 3))) static void
say(const char *topic, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	(void)cluster_send("parent", text, strlen(text), &(struct cluster_send){
	    .size = sizeof(struct cluster_send), .topic = topic });
}

static int
task_who(int argc, char **argv, void *self_)
{
	const struct self *self = self_;
	const struct cluster_worker_info *info = cluster_self();

	say("who", "%d %s %s %s %d %d", argc, argv[0], self->word, info->name,
	    (int)info->role, info->pid == getpid());
	cluster_log(CLUSTER_NOTICE, "a task says %s", self->word);
	return argc + 40;
}

static int
task_echo(int argc, char **argv, void *self)
{
	struct cluster_peer *peer = cluster_peer_open();
	struct cluster_message m;

	(void)argc;
	(void)argv;
	(void)self;
	while (cluster_peer_receive(peer, &m) >= 0)
		(void)cluster_peer_send(peer, m.topic, m.data, m.len, NULL);
	return cluster_peer_close(peer);
}

/* argv[1]: for whom; argv[2]: how many bytes. */
static int
task_mail(int argc, char **argv, void *self)
{
	size_t len = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	char *data = malloc(len + 1);
	int file = file_of("a file"), rc;
	struct cluster_send how = { .size = sizeof(how), .topic = "from a task",
	    .fds = { &file, 1, CLUSTER_FD_DUP } };

	(void)self;
	memset(data, 'd', len);
	rc = cluster_send(argv[1], data, len, &how);
	how.done = on_done;
	say("mail", "%d %d", rc, cluster_send(argv[1], data, len, &how));
	free(data);
	return 0;
}

/* What it has not, and what it has. */
static int
task_misuse(int argc, char **argv, void *self)
{
	struct cluster_request *none = NULL;
	struct cluster_child *child;
	struct cluster_result result;
	struct cluster_spawn how = { .size = sizeof(how), .file = "true" };
	size_t len;
	int rc = cluster_run(&how, &result);

	(void)argc;
	(void)argv;
	(void)self;
	cluster_result_done(&result);
	say("misuse", "%d %d %d %d %d %d", rc, cluster_path(none) == NULL,
	    cluster_body(none, &len) == NULL,
	    cluster_reply_copy(none, 200, NULL, "", 0),
	    cluster_spawn(&how, NULL, &child),
	    cluster_ask("web/0", "", 0, 0, NULL, NULL));
	return 0;
}

/* What would be called later, if there were a loop. */
static void
never(void *arg)
{
	(void)arg;
}

static void
never_ready(int fd, unsigned flags, void *arg)
{
	(void)fd;
	(void)flags;
	(void)arg;
}

static void
never_answered(const struct cluster_message *m, int error, void *arg)
{
	(void)m;
	(void)error;
	(void)arg;
}

static void
never_seen(const struct cluster_event *event, void *arg)
{
	(void)event;
	(void)arg;
}

static void
never_done(int error, const char *json, void *arg)
{
	(void)error;
	(void)json;
	(void)arg;
}

static void
never_ended(const struct cluster_result *result, void *arg)
{
	(void)result;
	(void)arg;
}

static int
task_later(int argc, char **argv, void *self)
{
	struct cluster_observer *observer;

	(void)argc;
	(void)argv;
	(void)self;
	say("later", "%d %d %d %d %d %d %d %d %d %d",
	    cluster_timer(10, never, NULL) != NULL,
	    cluster_timer_after(10, never, NULL, 0, NULL),
	    cluster_timer_every(10, never, NULL, 0, NULL),
	    cluster_watch(STDERR_FILENO, CLUSTER_WATCH_WRITE, never_ready,
	    NULL, NULL),
	    cluster_disconnect("it is none"), cluster_hold(1),
	    cluster_ask("web/0", "", 0, 0, never_answered, NULL),
	    cluster_observe("*", never_seen, NULL, &observer),
	    cluster_command("workers", NULL, NULL, never_done, NULL),
	    cluster_exec("true", NULL, never_ended, NULL, NULL));
	return 0;
}

static void *
send_elsewhere(void *rc)
{
	*(int *)rc = cluster_send("parent", "x", 1, NULL);
	return NULL;
}

/* A thread of it. */
static int
task_thread(int argc, char **argv, void *self)
{
	pthread_t thread;
	int rc = 0;

	(void)argc;
	(void)argv;
	(void)self;
	if (pthread_create(&thread, NULL, send_elsewhere, &rc) != 0)
		return 1;
	pthread_join(thread, NULL);
	say("thread", "%d", rc);
	return 0;
}

static int
task_abort(int argc, char **argv, void *self)
{
	(void)argc;
	(void)argv;
	(void)self;
	abort();
}

static int
task_leave(int argc, char **argv, void *self)
{
	(void)argc;
	(void)argv;
	(void)self;
	printf("written before");
	cluster_exit("enough");
}

static const struct cluster_task tasks[] = {
	{ "who", task_who }, { "echo", task_echo }, { "mail", task_mail },
	{ "misuse", task_misuse }, { "later", task_later },
	{ "thread", task_thread }, { "abort", task_abort },
	{ "leave", task_leave }, { NULL, NULL },
};

static const struct cluster_option options[] = {
	CLUSTER_OPTION_STRING(struct self, word, "nothing", "for tasks"),
	CLUSTER_OPTION_END,
};

CLUSTER_PLUGIN(talk, .summary = "Channels to children", .handle = handle,
    .size = sizeof(struct self), .options = options, .on_message = on_mail,
    .tasks = tasks);
