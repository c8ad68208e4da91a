/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * mail.c: a plugin that sends messages and keeps those that it gets, for tests
 * only; driven by paths, with arguments behind the '?'.  What a message makes
 * its receiver do is its topic.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <clusterd/plugin.h>

enum { GOT_MAX = 200000, JOB_MAX = 20000, TEXT_MAX = 1 << 22 };

/* ---- arguments: a=1&b=two ------------------------------------------------------ */

static const char *
argument(struct cluster_request *req, const char *name, char *out, size_t size)
{
	const char *at = cluster_query(req);
	size_t len = strlen(name);

	for (out[0] = '\0'; at != NULL && *at != '\0';) {
		size_t part = strcspn(at, "&");

		if (part > len && strncmp(at, name, len) == 0 &&
		    at[len] == '=') {
			snprintf(out, size, "%.*s", (int)(part - len - 1),
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
	char text[32];

	return argument(req, name, text, sizeof(text)) == NULL ? fallback :
	    strtol(text, NULL, 0);
}

/* ---- what has come ----------------------------------------------------------------- */

struct got {
	uint64_t from_id;
	size_t len;
	unsigned fds, flags, sum;
	char from[24], topic[24], data[32];
};

static struct got *got;
static unsigned got_count;
static int last_answers[4];		/* of cluster_answer(), by hand */
static int firsts[16];			/* of first reads, by serve() */
static unsigned first_count;

static unsigned
sum_of(const void *data, size_t len)
{
	const unsigned char *at = data;
	unsigned sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = sum * 31 + at[i];
	return sum;
}

static void
keep(const struct cluster_message *m)
{
	struct got *row;

	if (got == NULL)
		got = calloc(GOT_MAX, sizeof(*got));
	if (got == NULL || got_count == GOT_MAX || m->topic[0] == '-')
		return;
	row = &got[got_count++];
	*row = (struct got){ .from_id = m->from_id, .len = m->len,
	    .fds = m->fd_count, .flags = m->flags,
	    .sum = sum_of(m->data, m->len) };
	snprintf(row->from, sizeof(row->from), "%s", m->from);
	snprintf(row->topic, sizeof(row->topic), "%s", m->topic);
	snprintf(row->data, sizeof(row->data), "%.*s",
	    (int)(m->len < 31 ? m->len : 31), (const char *)m->data);
}

/* A client of another worker: it gets our name and what it had said. */
static void
serve(const struct cluster_message *m)
{
	for (unsigned i = 0; i < m->fd_count; i++) {
		int fd = cluster_message_take_fd(m, i);
		char byte;
		ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK);

		if (first_count < sizeof(firsts) / sizeof(firsts[0]))
			firsts[first_count++] = n < 0 ? -errno : (int)n;
		dprintf(fd, "%s %.*s\n", cluster_worker_name(), (int)m->len,
		    (const char *)m->data);
		close(fd);
	}
}

static void
answer(const struct cluster_message *m)
{
	int self = dup(STDERR_FILENO);
	struct cluster_fds fds = { &self, 1, CLUSTER_FD_MOVE };

	last_answers[0] = cluster_answer(m, m->data, m->len,
	    strcmp(m->topic, "") == 0 && m->len == 2 ? &fds : NULL);
	last_answers[1] = cluster_answer(m, "again", 5, NULL);
	last_answers[2] = cluster_message_take_fd(m, 0);
	last_answers[3] = cluster_answer(NULL, "", 0, NULL);
	if (fcntl(self, F_GETFD) >= 0)
		close(self);
}

static void
on_message(const struct cluster_message *m, void *self)
{
	(void)self;
	if (strcmp(m->topic, "block") == 0)
		poll(NULL, 0, (int)strtol(m->data, NULL, 10));
	if (strcmp(m->topic, "exit") == 0)
		_exit(3);
	if (strcmp(m->topic, "conn") == 0)
		serve(m);
	if (m->wants_answer && m->len > 0 && *(const char *)m->data != 'q')
		answer(m);
	keep(m);
}

static enum cluster_verdict
do_got(struct cluster_request *req)
{
	char *text = malloc(TEXT_MAX), from[24];
	bool some = argument(req, "from", from, sizeof(from)) != NULL;
	enum cluster_verdict verdict;
	size_t used = 0;

	if (text == NULL)
		return CLUSTER_FAIL;
	text[0] = '\0';
	for (unsigned i = 0; i < got_count && used < TEXT_MAX - 200; i++) {
		const struct got *row = &got[i];

		if (some && strcmp(row->from, from) != 0)
			continue;
		used += (size_t)snprintf(text + used, TEXT_MAX - used,
		    "%s %llu [%s] %zu %u %u %u %s\n", row->from,
		    (unsigned long long)row->from_id, row->topic, row->len,
		    row->fds, row->flags, row->sum, row->data);
	}
	verdict = cluster_reply_text(req, 200, text);
	free(text);
	return verdict;
}

static enum cluster_verdict
say_numbers(struct cluster_request *req, const int *numbers, unsigned count)
{
	char text[512] = "";
	size_t used = 0;

	for (unsigned i = 0; i < count; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
		    "%d\n", numbers[i]);
	return cluster_reply_text(req, 200, text);
}

/* ---- one message ----------------------------------------------------------------------- */

static void *
make_data(size_t len)
{
	unsigned char *data = malloc(len + 1);

	for (size_t i = 0; data != NULL && i < len; i++)
		data[i] = (unsigned char)(i * 7);
	return data;
}

static void
on_done(void *arg, int error, unsigned taken)
{
	char text[64];

	snprintf(text, sizeof(text), "%d %u\n", error, taken);
	cluster_reply_text(arg, 200, text);
}

static enum cluster_verdict
say_result(struct cluster_request *req, int rc)
{
	if (rc == 0)
		return CLUSTER_LATER;
	return say_numbers(req, &rc, 1);
}

/* /send?to=&topic=&data=&size=&flags=&timeout=&fds=&mode= */
static enum cluster_verdict
do_send(struct cluster_request *req)
{
	char to[128] = "", topic[128], text[256] = "";
	struct cluster_send how = { .size = sizeof(how), .done = on_done,
	    .arg = req };
	long size = number(req, "size", -1);
	int fds[32], rc;
	void *data;

	argument(req, "to", to, sizeof(to));
	argument(req, "data", text, sizeof(text));
	how.topic = argument(req, "topic", topic, sizeof(topic));
	how.flags = (unsigned)number(req, "flags", 0);
	how.timeout_ms = (unsigned)number(req, "timeout", 0);
	how.fds.count = (unsigned)number(req, "fds", 0);
	how.fds.mode = (enum cluster_fd_mode)number(req, "mode", 0);
	how.fds.fd = fds;
	for (unsigned i = 0; i < how.fds.count && i < 32; i++)
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	data = size >= 0 ? make_data((size_t)size) : strdup(text);
	rc = cluster_send(to, data, size >= 0 ? (size_t)size : strlen(text),
	    &how);
	free(data);
	/* what stays open here is told by /fds */
	return say_result(req, rc);
}

/* /quiet?to=&data=&n=: nobody hears of them; how many were taken. */
static enum cluster_verdict
do_quiet(struct cluster_request *req)
{
	char to[128] = "", text[256] = "";
	long n = number(req, "n", 1), sent = 0;
	int rc = 0;

	argument(req, "to", to, sizeof(to));
	argument(req, "data", text, sizeof(text));
	for (; sent < n && rc == 0; sent += rc == 0)
		rc = cluster_send(to, text, strlen(text), NULL);
	return say_numbers(req, (int[]){ (int)sent, rc,
	    (int)cluster_send_room() }, 3);
}

static void
on_answer(const struct cluster_message *m, int error, void *arg)
{
	char text[256];
	int fd = m != NULL && m->fd_count > 0 ?
	    cluster_message_take_fd(m, 0) : -1;

	snprintf(text, sizeof(text), "%d %s %s %d\n", error,
	    m == NULL ? "-" : m->from, m == NULL ? "-" :
	    (m->len < 100 ? (const char *)m->data : "long"), fd >= 0);
	if (m != NULL && m->len < 100)
		snprintf(text, sizeof(text), "%d %s %.*s %d\n", error,
		    m->from, (int)m->len, (const char *)m->data, fd >= 0);
	close(fd);
	cluster_reply_text(arg, 200, text);
}

/* /ask?to=&data=&timeout= */
static enum cluster_verdict
do_ask(struct cluster_request *req)
{
	char to[128] = "", text[256] = "";

	argument(req, "to", to, sizeof(to));
	argument(req, "data", text, sizeof(text));
	return say_result(req, cluster_ask(to, text, strlen(text),
	    (unsigned)number(req, "timeout", 0), on_answer, req));
}

/* ---- many, numbered --------------------------------------------------------------------- */

enum { OPEN = 1 };			/* an outcome that is not there yet */

static struct job {
	char to[128];
	unsigned count, next, refused;
	long every_ms, burst;
	bool waits;			/* for on_room() */
	int outcome[JOB_MAX];
} job;

static void
on_job_done(void *arg, int error, unsigned taken)
{
	(void)taken;
	job.outcome[(uintptr_t)arg] = error;
}

static void
job_run(void *arg)
{
	(void)arg;
	for (long i = 0; i < job.burst && job.next < job.count; i++) {
		char text[32];
		struct cluster_send how = { .size = sizeof(how),
		    .topic = "numbered", .done = on_job_done,
		    .arg = (void *)(uintptr_t)job.next };
		int rc;

		snprintf(text, sizeof(text), "%u", job.next);
		rc = cluster_send(job.to, text, strlen(text), &how);
		if (rc == -EAGAIN) {
			job.refused++;
			job.waits = true;
			return;
		}
		job.outcome[job.next++] = rc == 0 ? OPEN : rc;
	}
	if (job.next < job.count)
		cluster_timer((unsigned)job.every_ms, job_run, NULL);
}

/* /start?to=&n=&every=&burst= */
static enum cluster_verdict
do_start(struct cluster_request *req)
{
	memset(&job, 0, sizeof(job));
	argument(req, "to", job.to, sizeof(job.to));
	job.count = (unsigned)number(req, "n", 100);
	job.every_ms = number(req, "every", 1);
	job.burst = number(req, "burst", 1);
	if (job.count > JOB_MAX)
		job.count = JOB_MAX;
	job_run(NULL);
	return cluster_reply_text(req, 200, "started\n");
}

/* /stop: no more of them; how many there are. */
static enum cluster_verdict
do_stop(struct cluster_request *req)
{
	job.count = job.next;
	return say_numbers(req, (int[]){ (int)job.count }, 1);
}

/* One outcome a word; the first is how often there was no room. */
static enum cluster_verdict
do_outcomes(struct cluster_request *req)
{
	static char text[8 * JOB_MAX];
	size_t used = (size_t)snprintf(text, sizeof(text), "%u", job.refused);

	for (unsigned i = 0; i < job.next; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
		    " %d", job.outcome[i]);
	return cluster_reply_text(req, 200, text);
}

/* ---- as many as possible, for bench/messages --------------------------------------------- */

static struct flood {
	struct cluster_request *req;
	char to[128], data[4096];
	long n, sent, done, taken, size, window;
} flood;

static void flood_more(void);

static void
on_flood_done(void *arg, int error, unsigned taken)
{
	(void)arg;
	(void)error;
	flood.done++;
	flood.taken += taken;
	if (flood.done == flood.n)
		say_numbers(flood.req, (int[]){ (int)flood.taken }, 1);
	else if (flood.sent - flood.done <= flood.window / 2)
		flood_more();
}

static void
flood_more(void)
{
	static const struct cluster_send how = { .size = sizeof(how),
	    .topic = "-", .done = on_flood_done };	/* not kept */

	while (flood.sent < flood.n && flood.sent - flood.done < flood.window &&
	    cluster_send(flood.to, flood.data, (size_t)flood.size, &how) == 0)
		flood.sent++;
}

static void
on_room(struct cluster_request *req, void *self)
{
	(void)self;
	if (req != NULL)
		return;
	if (flood.sent < flood.n)
		flood_more();
	if (!job.waits)
		return;
	job.waits = false;
	job_run(NULL);
}

/* /flood?to=&n=&size=&window=: how many were taken, when all have ended. */
static enum cluster_verdict
do_flood(struct cluster_request *req)
{
	flood = (struct flood){ .req = req, .n = number(req, "n", 1000),
	    .size = number(req, "size", 64),
	    .window = number(req, "window", 512) };
	argument(req, "to", flood.to, sizeof(flood.to));
	flood_more();
	return CLUSTER_LATER;
}

/* ---- clients that are passed on -------------------------------------------------------------- */

static struct gate {
	int fd, port;
	char to[2][128];		/* and if not there */
	unsigned taken, failed, under_way;
} gate;

struct client {
	int fd;
	unsigned tries;
	size_t len;
	char said[64];
};

static void client_pass(struct client *client);

static void
client_again(void *arg)
{
	client_pass(arg);
}

static void
on_client_done(void *arg, int error, unsigned taken)
{
	struct client *client = arg;

	(void)taken;
	gate.under_way--;
	if (error == 0) {
		gate.taken += client->tries == 1;
		free(client);
		return;
	}
	gate.failed++;
	client_pass(client);
}

static void
client_pass(struct client *client)
{
	struct cluster_send how = { .size = sizeof(how), .topic = "conn",
	    .done = on_client_done, .arg = client,
	    .fds = { &client->fd, 1, CLUSTER_FD_MOVE } };

	if (cluster_send(gate.to[client->tries++ > 0], client->said,
	    client->len, &how) == 0) {
		gate.under_way++;
		return;
	}
	client->tries--;
	cluster_timer(5, client_again, client);
}

static void
gate_look(void *arg)
{
	int fd;

	while ((fd = accept4(gate.fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		struct client *client = calloc(1, sizeof(*client));
		ssize_t n = read(fd, client->said, sizeof(client->said));

		client->fd = fd;
		client->len = n > 0 ? (size_t)n : 0;
		client_pass(client);
	}
	cluster_timer(1, gate_look, arg);
}

/* /gate?to=&else=: its port. */
static enum cluster_verdict
do_gate(struct cluster_request *req)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);

	argument(req, "to", gate.to[0], sizeof(gate.to[0]));
	argument(req, "else", gate.to[1], sizeof(gate.to[1]));
	gate.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);
	if (bind(gate.fd, (struct sockaddr *)&address, len) != 0 ||
	    listen(gate.fd, 2048) != 0 ||
	    getsockname(gate.fd, (struct sockaddr *)&address, &len) != 0)
		return CLUSTER_FAIL;
	gate_look(NULL);
	return say_numbers(req, (int[]){ ntohs(address.sin_port) }, 1);
}

/* What the first read of each client that was passed on to us would say. */
static enum cluster_verdict
do_firsts(struct cluster_request *req)
{
	return say_numbers(req, firsts, first_count);
}

static enum cluster_verdict
do_gate_counts(struct cluster_request *req)
{
	return say_numbers(req, (int[]){ (int)gate.taken, (int)gate.failed,
	    (int)gate.under_way }, 3);
}

/* ---- misuse ------------------------------------------------------------------------------------ */

static int
send_with(const char *to, struct cluster_send how)
{
	how.size = how.size == 0 ? sizeof(how) : how.size;
	return cluster_send(to, "x", 1, &how);
}

/* What each wrong call says, in the order of tests/system/test_messages.py. */
static enum cluster_verdict
do_misuse(struct cluster_request *req)
{
	static const int closed[] = { 4000 }, own[] = { 3 };
	int good[] = { open("/dev/null", O_RDONLY | O_CLOEXEC) };
	static char event[CLUSTER_EVENT_MAX + 1];
	static int many[17];
	char long_topic[65];
	int said[24], n = 0;

	memset(long_topic, 't', 64);
	long_topic[64] = '\0';
	for (int i = 0; i < 17; i++)
		many[i] = 2;
	said[n++] = cluster_send(NULL, "x", 1, NULL);
	said[n++] = cluster_send("web/x", "x", 1, NULL);
	said[n++] = cluster_send("web/0", NULL, 1, NULL);
	said[n++] = cluster_send("web/0", "x", CLUSTER_MESSAGE_MAX + 1, NULL);
	said[n++] = cluster_send("master", event, sizeof(event), NULL);
	said[n++] = send_with("web/0", (struct cluster_send){ .size = 1 });
	said[n++] = send_with("web/0", (struct cluster_send){ .flags = 64 });
	said[n++] = send_with("web/0", (struct cluster_send){
	    .topic = long_topic });
	said[n++] = send_with("web/0", (struct cluster_send){ .topic = "\n" });
	said[n++] = send_with("web/0", (struct cluster_send){
	    .topic = "clusterd.x" });
	said[n++] = send_with("web/0", (struct cluster_send){
	    .fds = { closed, 1, CLUSTER_FD_DUP } });
	said[n++] = send_with("web/0", (struct cluster_send){
	    .fds = { own, 1, CLUSTER_FD_MOVE } });
	said[n++] = send_with("web/0", (struct cluster_send){
	    .fds = { many, 17, CLUSTER_FD_DUP } });
	said[n++] = send_with("web/0", (struct cluster_send){
	    .fds = { good, 1, (enum cluster_fd_mode)7 } });
	said[n++] = send_with("web", (struct cluster_send){
	    .fds = { good, 1, CLUSTER_FD_MOVE } });
	said[n++] = send_with("master", (struct cluster_send){
	    .fds = { good, 1, CLUSTER_FD_DUP } });
	said[n++] = cluster_ask("web", "x", 1, 0, on_answer, NULL);
	said[n++] = cluster_ask("master", "x", 1, 0, on_answer, NULL);
	said[n++] = cluster_ask("web/0", "x", 1, 0, NULL, NULL);
	said[n++] = cluster_answer(NULL, "x", 1, NULL);
	said[n++] = cluster_message_take_fd(NULL, 0);
	close(good[0]);
	return say_numbers(req, said, (unsigned)n);
}

static enum cluster_verdict
do_answers(struct cluster_request *req)
{
	return say_numbers(req, last_answers, 4);
}

/* /fill?leave=N: open descriptors until so many numbers are free; /fill?leave=-1:
 * close these. */
static enum cluster_verdict
do_fill(struct cluster_request *req)
{
	static int filled[70000];
	static unsigned count;
	long left = number(req, "leave", 0);
	int fd;

	while (left >= 0 && count < 70000 && (fd = dup(2)) >= 0)
		filled[count++] = fd;
	for (long i = 0; count > 0 && (left < 0 || i < left); i++)
		close(filled[--count]);
	return say_numbers(req, (int[]){ (int)count }, 1);
}

/* ---- paths --------------------------------------------------------------------------------------- */

static enum cluster_verdict
do_who(struct cluster_request *req)
{
	return cluster_reply_text(req, 200, cluster_worker_name());
}

static const struct {
	const char *path;
	enum cluster_verdict (*run)(struct cluster_request *req);
} paths[] = {
	{ "/send", do_send }, { "/quiet", do_quiet }, { "/ask", do_ask },
	{ "/got", do_got }, { "/start", do_start },
	{ "/stop", do_stop }, { "/flood", do_flood },
	{ "/outcomes", do_outcomes }, { "/gate", do_gate },
	{ "/gate-counts", do_gate_counts }, { "/firsts", do_firsts }, { "/misuse", do_misuse },
	{ "/answers", do_answers }, { "/fill", do_fill },
	{ "/who", do_who },
};

static enum cluster_verdict
handle(struct cluster_request *req, void *self)
{
	char id[24];

	(void)self;
	snprintf(id, sizeof(id), "%llu",
	    (unsigned long long)cluster_worker_id());
	cluster_set_header(req, "X-Worker", cluster_worker_name());
	cluster_set_header(req, "X-Worker-Id", id);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (strcmp(cluster_path(req), paths[i].path) == 0)
			return paths[i].run(req);
	return CLUSTER_PASS;
}

struct mail {
	const char *greets;		/* who hears that it starts, and stops */
};

static const struct cluster_option options[] = {
	CLUSTER_OPTION_STRING(struct mail, greets, "", "A target"),
	CLUSTER_OPTION_END
};

static int
start(void *self)
{
	const struct mail *mail = self;

	if (mail->greets[0] != '\0' && cluster_worker_name()[4] != '0')
		return cluster_send(mail->greets, "born", 4, NULL);
	return 0;
}

static void
stop(void *self)
{
	const struct mail *mail = self;

	if (mail->greets[0] != '\0' && cluster_worker_name()[4] != '0')
		(void)cluster_send(mail->greets, "gone", 4, NULL);
}

CLUSTER_PLUGIN(mail,
    .summary = "Sends messages and keeps those that it gets",
    .options = options, .size = sizeof(struct mail),
    .start = start, .stop = stop, .handle = handle, .on_message = on_message, .on_room = on_room);
