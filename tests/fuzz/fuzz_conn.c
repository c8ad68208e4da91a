/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * fuzz_conn.c: any bytes over a whole connection: the worker's own code on a pair
 * of sockets, its loop, and a handler.  What comes of the bytes must not depend on
 * how they are cut: each request that is handed up is the one that reading all bytes
 * at once gives (naive_http.c), and each has one answer, in order.
 *
 * An input: a byte for the cuts, one for what the handler does, one of flags, then
 * the client's bytes.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/check.h"
#include "daemon/http/conn.h"
#include "daemon/http/delivery.h"
#include "daemon/http/dues.h"
#include "daemon/http/request.h"
#include "daemon/http/response.h"
#include "tests/fuzz/naive_http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum flag {
	FLAG_LEAVE = 1,			/* the client closes in the middle */
	FLAG_SMALL = 2,			/* small limits */
	FLAG_DRAIN = 4,			/* the worker drains in the middle */
	FLAG_HALF_CLOSE = 8,		/* the client says its last at the end */
	FLAG_ABORT = 16,		/* the worker cuts all off at the end */
	FLAG_HEADS = 32,		/* bodies are offered at their head */
	FLAG_SLOW = 64,			/* the client reads little at a time */
};

enum { LONGEST = 8192, ANSWERS = 1 << 22, ROW = 512, PIECE = 300,
	LARGE = 20000 };

static struct page page;
static struct board board;
static struct http plain, strict, *http;
static struct event_base *base;

/* ---- one run ---------------------------------------------------------------------- */

static struct {
	const char *buf;		/* all the client's bytes */
	size_t len, sent;
	size_t next;			/* where the next message begins */
	unsigned rng, flags;
	bool to_head[ROW];		/* of each answer that is to come */
	unsigned asked;
	struct naive_request message;
	uint64_t open;			/* a handle that is answered later; or 0 */
	bool streams;			/* its answer has begun */
	bool last;			/* no message is read behind this one */
	bool loose;			/* any may be the last: no count is kept */
	bool drained;
	uint64_t told;			/* the last one handed up */
	uint64_t offered;		/* it was passed on at its head */
	uint64_t body_of;		/* whose body is streamed; or 0 */
	size_t body_len;		/* of that, so far */
	bool paused;
	size_t answers_len;
	char answers[ANSWERS];
} run;

static unsigned
chance(unsigned below)
{
	run.rng = run.rng * 1103515245u + 12345u;
	return (run.rng >> 16) % below;
}

static void
expect_answer(void)
{
	CHECK(run.asked < ROW);
	run.to_head[run.asked++] = run.message.head.method_id == METHOD_HEAD;
	run.next += run.message.end;
	if ((run.message.head.flags & HEAD_KEEP_ALIVE) == 0 ||
	    run.message.result != NAIVE_WHOLE)
		run.last = true;
}

/* Read the message that is due, past those that the host answers by itself. */
static void
read_message(void)
{
	for (;;) {
		naive_read_request(&run.message, run.buf + run.next,
		    run.len - run.next, &http->config.head);
		if (run.last || run.message.result != NAIVE_WHOLE ||
		    run.message.head.form != HEAD_ASTERISK)
			return;
		expect_answer();
	}
}

/* ---- the handler ---------------------------------------------------------------- */

static void
check_request(struct conn *conn)
{
	size_t len;
	const char *method = request_method(conn);
	const char *path = request_path(conn), *value, *name;
	const void *body = request_body(conn, &len);

	CHECK(run.message.result == NAIVE_WHOLE && !run.last);
	CHECK(strcmp(method, method_name(run.message.head.method_id)) == 0);
	CHECK(path[0] == '/' || run.message.head.form == HEAD_ABSOLUTE);
	CHECK(len == run.message.body_len);
	CHECK(memcmp(body, run.message.body, len) == 0);
	for (unsigned i = 0; i < run.message.head.field_count; i++)
		CHECK(request_header_at(conn, i, &name, &value) == 0 &&
		    name[0] != '\0' && strpbrk(value, "\r\n") == NULL);
	CHECK(request_header_at(conn, run.message.head.field_count, &name,
	    &value) != 0);
	CHECK(run.message.head.minor == 0 ||
	    request_header(conn, "Host") != NULL);
}

static void
stream(struct conn *conn, bool begun)
{
	static const char piece[LARGE] = "piece";
	unsigned most = run.flags & FLAG_SLOW ? LARGE : PIECE;

	if (!begun && response_begin(conn, 200, "text/plain", -1) != 0)
		return;
	if (run.message.head.minor == 0)
		run.last = true;
	for (unsigned i = chance(4); i > 0; i--)
		if (run.answers_len < ANSWERS / 2)
			(void)response_write(conn, piece, chance(most));
}

static void
answer(struct conn *conn)
{
	static const int statuses[] = { 200, 204, 304, 404, 500 };

	if (chance(3) == 0)
		response_set_header(conn, "X-Any", "thing");
	response_reply(conn, statuses[chance(COUNT(statuses))], "text/plain",
	    "answer", chance(7));
}

/* At once, in pieces, or later. */
static void
respond(struct conn *conn)
{
	switch (chance(5)) {
	case 0:
		run.open = request_handle(conn);
		run.streams = false;
		break;
	case 1:
		stream(conn, false);
		run.open = request_handle(conn);
		run.streams = true;
		break;
	case 2:
		stream(conn, false);
		response_end(conn);
		break;
	default:
		answer(conn);
	}
}

static void
on_request(struct conn *conn, void *ctx)
{
	(void)ctx;
	CHECK(run.open == 0 && run.body_of == 0);
	if (run.offered != request_handle(conn))
		read_message();
	run.offered = 0;
	run.told = request_handle(conn);
	check_request(conn);
	expect_answer();
	respond(conn);
}

/* ---- bodies in pieces ---------------------------------------------------------------- */

static void
on_data(struct cluster_request *req, const void *data, size_t len, void *arg)
{
	(void)req;
	(void)data;
	(void)len;
	(void)arg;
}

static void
on_end(struct cluster_request *req, int error, void *arg)
{
	(void)req;
	(void)error;
	(void)arg;
}

/* At its head: answered before its body, streamed, or to be read as a whole. */
static bool
on_offer(struct conn *conn, void *ctx)
{
	/* for the upper layer, which is on_body() and on_body_end() here */
	static const struct cluster_body_sink sink = {
		.size = sizeof(sink), .data = on_data, .end = on_end,
	};
	struct body *body = &conn->exchange->body;

	(void)ctx;
	CHECK(run.open == 0 && run.body_of == 0);
	read_message();
	CHECK(!run.last);
	run.told = request_handle(conn);
	switch (chance(4)) {
	case 0:
		run.loose = true;
		expect_answer();
		if (chance(2) == 0)
			answer(conn);
		else
			run.open = request_handle(conn);
		run.streams = false;
		return true;
	case 1:
		run.offered = request_handle(conn);
		return false;
	}
	body->asks = true;
	CHECK(delivery_stream(conn, &sink, NULL) == 0);
	body->asks = false;
	run.body_of = request_handle(conn);
	run.body_len = 0;
	run.paused = false;
	return true;
}

static void
on_body(struct conn *conn, const void *data, size_t len, void *ctx)
{
	(void)ctx;
	CHECK(run.body_of == request_handle(conn) && !run.paused && len > 0);
	CHECK(len <= run.message.body_len - run.body_len);
	CHECK(memcmp(data, run.message.body + run.body_len, len) == 0);
	run.body_len += len;
	run.paused = chance(4) == 0;
	if (run.paused)
		CHECK(delivery_pause(conn) == 0);
}

static void
on_body_end(struct conn *conn, int error, void *ctx)
{
	(void)ctx;
	CHECK(run.body_of == request_handle(conn));
	run.body_of = 0;
	run.paused = false;
	if (error == 0) {
		CHECK(run.message.result == NAIVE_WHOLE);
		CHECK(run.body_len == run.message.body_len);
		expect_answer();
		respond(conn);
	} else if (error == -EPROTO || error == -EMSGSIZE) {
		CHECK(run.message.result == NAIVE_REFUSED);
		if (chance(2) == 0)
			return;
		run.loose = true;
		answer(conn);
	}
}

static void
resume(void)
{
	struct conn *conn = request_by_handle(http, run.body_of);

	if (conn == NULL || !run.paused || chance(2) == 0)
		return;
	run.paused = false;
	CHECK(delivery_resume(conn) == 0);
}
/* What was left open goes on, or ends. */
static void
go_on(void)
{
	struct conn *conn = run.open == 0 ? NULL :
	    request_by_handle(http, run.open);

	if (run.body_of != 0)
		resume();
	if (conn == NULL || chance(3) == 0)
		return;
	if (run.streams && chance(2) == 0) {
		stream(conn, true);
		return;
	}
	run.open = 0;
	if (run.streams)
		response_end(conn);
	else if (chance(2) == 0)
		answer(conn);
	else {
		stream(conn, false);
		response_end(conn);
	}
}

static void
on_stale(struct conn *conn, bool lost, void *ctx)
{
	(void)lost;
	(void)ctx;
	CHECK(run.told == request_handle(conn));
	run.open = run.body_of = run.offered = 0;
	run.paused = false;
}

static void
on_conn(struct conn *conn, void *ctx)
{
	(void)conn;
	(void)ctx;
}

static void
on_lost(struct conn *conn, int error, void *ctx)
{
	(void)conn;
	(void)error;
	(void)ctx;
	CHECK(!"a body could be kept");
}

static void
on_due(const struct due *due, void *ctx)
{
	(void)ctx;
	due_call(due);
}

static void
on_closed(int fd, void *ctx)
{
	(void)ctx;
	close(fd);
}

/* ---- the client ------------------------------------------------------------------- */

static void
turn(int fd)
{
	bool slow = (run.flags & FLAG_SLOW) != 0;
	ssize_t got;

	for (int i = 0; i < 3; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	do {
		size_t room = ANSWERS - run.answers_len;
		size_t most = 1 + chance(3000);

		got = recv(fd, run.answers + run.answers_len,
		    slow && most < room ? most : room, MSG_DONTWAIT);
		if (got > 0)
			run.answers_len += (size_t)got;
	} while (got > 0 && !slow);
	CHECK(run.answers_len < ANSWERS);
}

/* Send it all, in pieces; or leave in the middle. */
static void
send_all(int fd, unsigned most)
{
	size_t end = run.flags & FLAG_LEAVE ? run.len / 2 : run.len;
	unsigned tries = 0;

	while (run.sent < end && http->connections > 0) {
		size_t len = 1 + chance(most);
		ssize_t sent;

		CHECK(++tries < 100 * LONGEST);
		if (len > end - run.sent)
			len = end - run.sent;
		sent = send(fd, run.buf + run.sent, len,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent > 0)
			run.sent += (size_t)sent;
		turn(fd);
		go_on();
		turn(fd);
		if ((run.flags & FLAG_DRAIN) != 0 && !run.drained &&
		    run.sent > end / 3) {
			http_drain(http);
			run.drained = run.loose = true;
		}
	}
}

/* Until nothing more comes of it. */
static void
settle(int fd)
{
	for (unsigned quiet = 0; quiet < 10 || run.open != 0 || run.paused;
	    quiet++) {
		size_t before = run.answers_len + run.next;

		go_on();
		turn(fd);
		if (run.answers_len + run.next != before)
			quiet = 0;
		CHECK(quiet < 1000);
	}
}

static void
expect_refusal(void)
{
	read_message();
	CHECK(run.last || run.loose || run.message.result != NAIVE_WHOLE);
	if (run.last || run.message.result != NAIVE_REFUSED)
		return;
	CHECK(run.asked < ROW);
	run.to_head[run.asked++] = run.message.head.method_id == METHOD_HEAD;
}

/* Each request has one answer, whole, and what was refused has its own. */
static void
check_answers(void)
{
	static const char continues[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct naive_answer one = { 0, false };
	unsigned count = 0;
	size_t at = 0, left;

	while ((left = run.answers_len - at) > 0) {
		size_t used;

		if (left == sizeof(continues) - 1 &&
		    memcmp(run.answers + at, continues, left) == 0)
			break;			/* and no body came */
		CHECK(count < run.asked && !one.closes);
		used = naive_read_answer(run.answers + at, left,
		    run.to_head[count], &one);
		CHECK(used > 0);
		at += used;
		count++;
	}
	if (run.loose)
		return;
	CHECK(count == run.asked);
	if (run.last)
		CHECK(one.closes);
	else if (run.message.result == NAIVE_REFUSED)
		CHECK(one.status == run.message.status && one.closes);
	else
		CHECK(!one.closes);
}

/* ---- all of it ------------------------------------------------------------------ */

static void
set_up(void)
{
	static const struct http_ops ops = {
		.on_offer = on_offer, .on_body = on_body,
		.on_body_end = on_body_end, .on_body_lost = on_lost,
		.on_request = on_request, .on_room = on_conn,
		.on_stale = on_stale, .on_left = on_conn,
		.on_answered = on_conn, .on_due = on_due,
		.on_closed = on_closed,
	};
	struct http_config config = {
		.head = { 4096, 1024, NAIVE_FIELDS }, .max_body = NAIVE_BODY,
		.body_buffer = 4096,
		.max_connections = 4, .max_pipeline = 3, .min_rate = 0,
		.header_ms = 600000, .body_ms = 600000, .send_ms = 600000,
		.idle_ms = 600000, .request_ms = 600000,
	};

	base = event_base_new();
	CHECK(base != NULL);
	board_init(&board, &page);
	CHECK(http_init(&plain, base, &board, &config, &ops, NULL) == 0);
	config.head = (struct head_limits){ 160, 24, 4 };
	config.body_buffer = 16;
	CHECK(http_init(&strict, base, &board, &config, &ops, NULL) == 0);
}

/* Nothing is left of the connection, whoever ends it. */
static void
end_all(int fd)
{
	if ((run.flags & FLAG_ABORT) != 0)
		http_abort_all(http);
	close(fd);
	for (int i = 0; i < 100 && http->connections > 0; i++) {
		go_on();
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	CHECK(http->connections == 0 && http->open == 0 && run.open == 0 &&
	    run.body_of == 0);
	http->draining = false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct connection_passed passed = { .family = AF_UNIX };
	static const int little = 1;
	int fds[2];

	if (size < 4 || size > LONGEST)
		return 0;
	if (base == NULL)
		set_up();
	memset(&run, 0, offsetof(typeof(run), answers));
	run.buf = (const char *)data + 3;
	run.len = size - 3;
	run.rng = data[0] * 257u + data[1];
	run.flags = data[2];
	http = run.flags & FLAG_SMALL ? &strict : &plain;
	http->wants_heads = (run.flags & FLAG_HEADS) != 0;
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	if ((run.flags & FLAG_SLOW) != 0)
		setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &little,
		    sizeof(little));
	CHECK(http_take(http, fds[1], &passed, false) == 0);
	send_all(fds[0], 1 + data[0] * 4u);
	if ((run.flags & FLAG_LEAVE) == 0) {
		if ((run.flags & FLAG_HALF_CLOSE) != 0)
			shutdown(fds[0], SHUT_WR);
		settle(fds[0]);
		expect_refusal();
		check_answers();
	}
	end_all(fds[0]);
	return 0;
}
