/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * streams.c: a plugin with connections and datagrams, for tests only.  Both are
 * driven by lines: "WORD NUMBER".  It keeps in mind which callbacks came, and
 * says so: "log".
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <clusterd/plugin.h>

enum { LOG_SIZE = 16384, PIECE = 16384 };

struct streams {
	int no_ops;			/* they are never given any */
	const char *greeting;
	int farewell;			/* on_drain says so, and closes */
	int64_t all_to;			/* the slot that has them all; -1: none */
};

struct user {
	struct user *next;
	struct cluster_stream *stream;
	unsigned number;
	size_t flood;			/* bytes still to be sent */
	bool hushed;			/* says nothing when it is kept */
	bool told_closed;
};

static const struct cluster_option options[] = {
	CLUSTER_OPTION_SWITCH(struct streams, no_ops, "no", "Give them none"),
	CLUSTER_OPTION_STRING(struct streams, greeting, "", "Sent at once"),
	CLUSTER_OPTION_SWITCH(struct streams, farewell, "no", "Say goodbye"),
	CLUSTER_OPTION_NUMBER(struct streams, all_to, "-1", -1, 63, "Slot"),
	CLUSTER_OPTION_END
};

static struct user *users;
static unsigned user_count;
static char seen[LOG_SIZE];
static size_t seen_len;
static struct cluster_stream *gone;	/* one that has ended */

/* tests/preload/count_heap.c, without which it cannot be known. */
extern const unsigned long heap_calls __attribute__((weak));

static unsigned long
count_heap(void)
{
	return &heap_calls == NULL ? 0 : heap_calls;
}

static void __attribute__((format(printf, 2, 3)))
note(const struct user *user, const char *fmt, ...)
{
	va_list args;

	if (seen_len > LOG_SIZE - 128)
		return;
	seen_len += (size_t)snprintf(seen + seen_len, 32, "%u:", user->number);
	va_start(args, fmt);
	seen_len += (size_t)vsnprintf(seen + seen_len, 64, fmt, args);
	va_end(args);
	seen[seen_len++] = ' ';
	seen[seen_len] = '\0';
}

static void
say(const struct user *user, const char *text)
{
	cluster_stream_send(user->stream, text, strlen(text));
}

/* ---- much of it --------------------------------------------------------------- */

static void
flood(struct user *user)
{
	static const char piece[PIECE];
	int rc;

	while (user->flood > 0) {
		size_t len = user->flood < PIECE ? user->flood : PIECE;

		rc = cluster_stream_send(user->stream, piece, len);
		if (rc < 0)
			return;		/* drained() comes */
		user->flood -= len;
		if (rc == CLUSTER_STREAM_FULL && user->flood % 3 != 0)
			return;
	}
	cluster_stream_finish(user->stream);
}

/* As much as it takes. */
static void
overflow(struct user *user)
{
	static const char piece[PIECE];
	unsigned taken = 0, full = 0;
	int rc;

	while ((rc = cluster_stream_send(user->stream, piece, PIECE)) >= 0) {
		taken++;
		full += rc == CLUSTER_STREAM_FULL;
	}
	note(user, "overflow=%d,%d,%d", rc, taken > 32, full > 16);
}

/* ---- what it is told ------------------------------------------------------------ */

static void
resume(void *arg)
{
	struct user *user;

	for (user = users; user != NULL; user = user->next)
		if (user->number == (unsigned)(uintptr_t)arg) {
			say(user, "resumed\n");
			cluster_stream_resume(user->stream);
		}
}

static void
misuse(struct user *user)
{
	static char large[CLUSTER_STREAM_OUT + 1];
	struct cluster_stream *stream = user->stream;
	struct cluster_stream *none = (void *)(uintptr_t)77777777;
	struct cluster_stream_ops ops = { .size = sizeof(ops) };
	char text[1024];
	size_t len = 1;
	int n = 0;

#define SAY(call) \
	n += snprintf(text + n, sizeof(text) - (size_t)n, "%d ", call)
	SAY(cluster_stream_on(stream, NULL, NULL));
	SAY(cluster_stream_on(stream, &ops, NULL));
	ops.size = 3;
	SAY(cluster_stream_on(stream, &ops, NULL));
	SAY(cluster_stream_send(stream, NULL, 1));
	SAY(cluster_stream_send(stream, large, sizeof(large)));
	SAY(cluster_stream_send(stream, NULL, 0));
	for (int i = 0; i < 3; i++) {
		SAY(cluster_stream_on(none, &ops, NULL));
		SAY(cluster_stream_send(none, "x", 1));
		SAY(cluster_stream_finish(none));
		SAY(cluster_stream_close(none));
		SAY(cluster_stream_abort(none));
		SAY(cluster_stream_pause(none));
		SAY(cluster_stream_resume(none));
		SAY(cluster_stream_deadline(none, 1));
		SAY(cluster_stream_give(none, "web/0", NULL, 0));
		SAY(cluster_stream_peer(none) == NULL ? 0 : 1);
		SAY(cluster_stream_local(none) == NULL ? 0 : 1);
		none = i == 0 ? NULL : gone;
	}
	SAY(cluster_reply_text((struct cluster_request *)stream, 200, "x"));
	SAY(cluster_stream_note(&len) == NULL && len == 0 ? 0 : 1);
	SAY(cluster_datagram_reply(NULL, "x", 1));
	SAY(cluster_datagram_send(&(struct cluster_datagram_peer){ 0 }, "x",
	    1));
#undef SAY
	text[n - 1] = '\n';
	say(user, text);
	cluster_stream_finish(stream);
	note(user, "finish=%d", cluster_stream_finish(stream));
	note(user, "send=%d", cluster_stream_send(stream, "x", 1));
	note(user, "close=%d", cluster_stream_close(stream));
	note(user, "close=%d", cluster_stream_close(stream));
	note(user, "finish=%d", cluster_stream_finish(stream));
}

static void
abort_stream(struct user *user)
{
	say(user, "never seen");
	note(user, "cut=%d", cluster_stream_abort(user->stream));
	note(user, "cut=%d", cluster_stream_abort(user->stream));
	note(user, "send=%d", cluster_stream_send(user->stream, "x", 1));
}

static void
tell_others(const struct user *user, const char *text)
{
	for (const struct user *u = users; u != NULL; u = u->next)
		if (u != user)
			say(u, text);
}

static void
end_others(const struct user *user)
{
	for (const struct user *u = users; u != NULL; u = u->next)
		if (u != user)
			cluster_stream_close(u->stream);
}

/* rest: what came behind the line. */
static void
pass_on(struct user *user, unsigned long slot, const void *rest, size_t len)
{
	static const char large[CLUSTER_STREAM_NOTE + 1];
	struct cluster_stream *stream = user->stream;
	char to[32];

	snprintf(to, sizeof(to), "%.*s/%lu",
	    (int)strcspn(cluster_worker_name(), "/"), cluster_worker_name(),
	    slot);
	note(user, "odd=%d", cluster_stream_give(stream, "web", NULL, 0));
	note(user, "odd=%d", cluster_stream_give(stream, "master", NULL, 0));
	note(user, "odd=%d", cluster_stream_give(stream, NULL, NULL, 0));
	note(user, "odd=%d", cluster_stream_give(stream, to, NULL, 1));
	note(user, "odd=%d", cluster_stream_give(stream, to, large,
	    sizeof(large)));
	note(user, "pass=%d", cluster_stream_give(stream, to, rest, len));
	note(user, "busy=%d", cluster_stream_give(stream, to, rest, len));
	note(user, "busy=%d", cluster_stream_send(stream, "x", 1));
	note(user, "busy=%d", cluster_stream_close(stream));
	note(user, "busy=%d", cluster_stream_abort(stream));
	note(user, "busy=%d", cluster_stream_pause(stream));
}

static void
do_line(struct user *user, const char *word, unsigned long number)
{
	char text[128];

	if (strcmp(word, "who") == 0) {
		snprintf(text, sizeof(text), "%s\n", cluster_worker_name());
		say(user, text);
	} else if (strcmp(word, "ends") == 0) {
		snprintf(text, sizeof(text), "%s %s\n",
		    cluster_stream_peer(user->stream),
		    cluster_stream_local(user->stream));
		say(user, text);
	} else if (strcmp(word, "heap") == 0) {
		snprintf(text, sizeof(text), "%lu\n", count_heap());
		say(user, text);
	} else if (strcmp(word, "log") == 0) {
		say(user, seen);
		say(user, "\n");
	} else if (strcmp(word, "flood") == 0) {
		user->flood = number;
		flood(user);
	} else if (strcmp(word, "overflow") == 0) {
		overflow(user);
	} else if (strcmp(word, "finish") == 0) {
		say(user, "the last\n");
		cluster_stream_finish(user->stream);
	} else if (strcmp(word, "close") == 0) {
		say(user, "the last\n");
		cluster_stream_close(user->stream);
	} else if (strcmp(word, "abort") == 0) {
		abort_stream(user);
	} else if (strcmp(word, "pause") == 0) {
		cluster_stream_pause(user->stream);
		cluster_timer_after((unsigned)number, resume,
		    (void *)(uintptr_t)user->number, 0, NULL);
	} else if (strcmp(word, "deadline") == 0) {
		cluster_stream_deadline(user->stream, (unsigned)number);
		say(user, "set\n");
	} else if (strcmp(word, "hush") == 0) {
		user->hushed = true;
		say(user, "hushed\n");
	} else if (strcmp(word, "others") == 0) {
		tell_others(user, "told\n");
		end_others(user);
		say(user, "done\n");
	} else if (strcmp(word, "misuse") == 0) {
		misuse(user);
	} else if (strcmp(word, "segv") == 0) {
		raise(SIGSEGV);
	} else if (strcmp(word, "spin") == 0) {
		for (volatile int on = 1; on;)
			continue;
	}
}

static void
on_data(struct cluster_stream *stream, const void *data, size_t len, void *arg)
{
	struct user *user = arg;
	char line[64];
	char *space;

	size_t end = strcspn(data, "\n") + 1;

	note(user, "data=%zu", len);
	if (stream != user->stream)
		abort();
	snprintf(line, sizeof(line), "%.*s", (int)strcspn(data, "\n"),
	    (const char *)data);
	space = strchr(line, ' ');
	if (space != NULL)
		*space++ = '\0';
	if (strcmp(line, "pass") == 0)
		pass_on(user, strtoul(space, NULL, 10),
		    (const char *)data + end, len - end);
	else
		do_line(user, line, space == NULL ? 0 : strtoul(space, NULL, 10));
}

static void
on_drained(struct cluster_stream *stream, void *arg)
{
	struct user *user = arg;

	(void)stream;
	if (user->flood > 0)
		flood(user);
	else
		note(user, "drained");
}

static void
on_kept(struct cluster_stream *stream, int error, void *arg)
{
	struct user *user = arg;

	(void)stream;
	note(user, "kept=%d", error);
	if (!user->hushed)
		say(user, "kept\n");
}

static void
on_eof(struct cluster_stream *stream, void *arg)
{
	struct user *user = arg;

	note(user, "eof");
	say(user, "eof\n");
	cluster_stream_finish(stream);
}

static void
on_closed(struct cluster_stream *stream, int error, void *arg)
{
	struct user *user = arg, **at = &users;

	note(user, "closed=%d,%d", error, cluster_stream_send(stream, "x", 1));
	if (user->told_closed)
		abort();		/* twice */
	user->told_closed = true;
	gone = stream;
	while (*at != user)
		at = &(*at)->next;
	*at = user->next;
	free(user);
}

static void
on_stream(struct cluster_stream *stream, void *self)
{
	static const struct cluster_stream_ops ops = {
		.size = sizeof(ops), .data = on_data, .drained = on_drained,
		.eof = on_eof, .closed = on_closed, .kept = on_kept,
	};
	const struct streams *streams = self;
	struct user *user;
	const void *came;
	size_t len;

	if (streams->no_ops)
		return;
	if (streams->all_to >= 0 &&
	    cluster_self()->slot != (unsigned)streams->all_to) {
		char to[32];

		snprintf(to, sizeof(to), "web/%d", (int)streams->all_to);
		cluster_stream_give(stream, to, NULL, 0);
		return;			/* it was not read */
	}
	user = calloc(1, sizeof(*user));
	if (user == NULL)
		abort();
	user->stream = stream;
	user->number = ++user_count;
	user->next = users;
	users = user;
	note(user, "open");
	cluster_stream_on(stream, &ops, user);
	came = cluster_stream_note(&len);
	if (came != NULL) {
		say(user, "passed ");
		cluster_stream_send(stream, came, len);
		say(user, "\n");
	}
	if (streams->greeting[0] != '\0')
		say(user, streams->greeting);
}

static void
on_drain(void *self)
{
	const struct streams *streams = self;

	if (!streams->farewell)
		return;
	for (const struct user *u = users; u != NULL; u = u->next) {
		say(u, "bye\n");
		cluster_stream_close(u->stream);
	}
}

static void
stop(void *self)
{
	(void)self;
	if (users != NULL)
		cluster_log(CLUSTER_ERROR, "a stream was not closed: bug.");
	cluster_log(CLUSTER_NOTICE, "streams: %s", seen);
}

/* ---- datagrams ------------------------------------------------------------------ */

static struct cluster_datagram_peer kept;
static struct cluster_datagram *stale;

static void
send_late(void *arg)
{
	static const char text[] = "late";

	(void)arg;
	if (cluster_datagram_reply(stale, text, 4) == -ESTALE)
		cluster_datagram_send(&kept, text, 4);
}

static void
misuse_datagram(struct cluster_datagram *datagram)
{
	static const char large[70000];
	struct cluster_datagram copy = *datagram;
	struct cluster_datagram_peer odd = { { ~0ull, ~0ull, ~0ull, ~0ull } };
	struct cluster_datagram_peer none = { { 0 } };
	char text[256];

	snprintf(text, sizeof(text), "%d %d %d %d %d %d %d %d %d",
	    cluster_datagram_reply(NULL, "x", 1),
	    cluster_datagram_reply(&copy, "x", 1),
	    cluster_datagram_reply(datagram, NULL, 1),
	    cluster_datagram_reply(datagram, large, sizeof(large)),
	    cluster_datagram_send(NULL, "x", 1),
	    cluster_datagram_send(&odd, "x", 1),
	    cluster_datagram_send(&none, "x", 1),
	    cluster_datagram_send(&datagram->from, NULL, 1),
	    cluster_stream_send((struct cluster_stream *)datagram, "x", 1));
	cluster_datagram_reply(datagram, text, strlen(text));
}

/* What any plugin can do to the socket that it shares with all workers. */
static void
break_socket(bool ties)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
	    .sin_port = htons(9) };

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (int fd = 3; fd < 256; fd++) {
		socklen_t len = sizeof(int);
		int type = 0;

		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0 ||
		    type != SOCK_DGRAM)
			continue;
		if (ties)
			connect(fd, (struct sockaddr *)&at, sizeof(at));
		else
			shutdown(fd, SHUT_RDWR);
	}
}

static void
on_datagram(struct cluster_datagram *datagram, void *self)
{
	char word[64], text[256];

	(void)self;
	snprintf(word, sizeof(word), "%.*s", (int)datagram->len,
	    (const char *)datagram->data);
	if (strcmp(word, "who") == 0) {
		cluster_datagram_reply(datagram, cluster_worker_name(),
		    strlen(cluster_worker_name()));
	} else if (strcmp(word, "ends") == 0) {
		snprintf(text, sizeof(text), "%s %s", datagram->peer,
		    datagram->local);
		cluster_datagram_reply(datagram, text, strlen(text));
	} else if (strcmp(word, "heap") == 0) {
		snprintf(text, sizeof(text), "%lu", count_heap());
		cluster_datagram_reply(datagram, text, strlen(text));
	} else if (strcmp(word, "shut") == 0 || strcmp(word, "tie") == 0) {
		break_socket(word[0] == 't');
	} else if (strcmp(word, "late") == 0) {
		kept = datagram->from;
		stale = datagram;
		cluster_timer_after(50, send_late, NULL, 0, NULL);
	} else if (strcmp(word, "misuse") == 0) {
		misuse_datagram(datagram);
	} else if (strcmp(word, "segv") == 0) {
		raise(SIGSEGV);
	} else {
		cluster_datagram_reply(datagram, datagram->data, datagram->len);
	}
}

CLUSTER_PLUGIN(streams,
	.summary = "Connections and datagrams, for tests",
	.options = options, .size = sizeof(struct streams),
	.on_stream = on_stream, .on_datagram = on_datagram,
	.on_drain = on_drain, .stop = stop);
