/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * test_peer.c: libclusterd-peer against a bare socket, as the page says it.
 *
 * The variables, and that they are unset:	shows: node-V3
 * what is sent and received:			shows: node-K1
 *						shows: node-K4
 * how it ends, here and there:			shows: node-K2
 * what a poll tells:				shows: node-K3
 * what waits when it is closed:		shows: node-X9
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <clusterd/peer.h>

#include "common/base/check.h"
#include "common/base/fd.h"

enum {
	BIG = 1 << 20,
	LINE = 300000,			/* with its end; more than a socket holds */
};

static int host;			/* the other end of the channel */
static char big[BIG];

static struct cluster_peer *
open_on(int fd, const char *kind)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", fd);
	setenv("CLUSTERD_CHANNEL_FD", number, 1);
	setenv("CLUSTERD_CHANNEL_KIND", kind, 1);
	setenv("NODE_CHANNEL_FD", number, 1);
	return cluster_peer_open();
}

static struct cluster_peer *
open_pair(int type, const char *kind)
{
	struct cluster_peer *p;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, type, 0, pair), 0);
	host = pair[0];
	p = open_on(pair[1], kind);
	assert_non_null(p);
	assert_int_equal(fd_set_nonblock(pair[1]), 0);
	return p;
}

static struct cluster_peer *
open_packets(void)
{
	return open_pair(SOCK_SEQPACKET, "packet");
}

static struct cluster_peer *
open_lines(void)
{
	return open_pair(SOCK_STREAM, "lines");
}

static void
close_both(struct cluster_peer *p)
{
	assert_int_equal(cluster_peer_close(p), 0);
	close(host);
}

static void
put(const char *data, size_t len)
{
	assert_int_equal(send(host, data, len, MSG_NOSIGNAL), len);
}

static void
assert_message(struct cluster_peer *p, const char *topic, const char *data)
{
	struct cluster_message m = { 0 };

	assert_int_equal(cluster_peer_receive(p, &m), strlen(data));
	assert_string_equal(m.topic, topic);
	assert_int_equal(m.len, strlen(data));
	assert_memory_equal(m.data, data, m.len);
	assert_int_equal((uintptr_t)m.data % 8, 0);
	assert_string_equal(m.from, "parent");
}

static ssize_t
receive(struct cluster_peer *p)
{
	struct cluster_message m = { .len = 4711 };
	ssize_t n = cluster_peer_receive(p, &m);

	if (n < 0)
		assert_int_equal(m.len, 4711);
	return n;
}

/* ---- opening -------------------------------------------------------------------- */

static void
the_channel_is_where_the_environment_says(void **state)
{
	struct cluster_peer *p = open_packets();

	(void)state;
	assert_null(getenv("CLUSTERD_CHANNEL_FD"));
	assert_null(getenv("CLUSTERD_CHANNEL_KIND"));
	assert_null(getenv("NODE_CHANNEL_FD"));
	assert_int_equal(fcntl(cluster_peer_fd(p), F_GETFD), FD_CLOEXEC);
	assert_null(cluster_peer_open());
	close_both(p);
	assert_int_equal(cluster_peer_close(NULL), 0);
}

static void
what_is_no_channel_is_not_opened(void **state)
{
	static const char *const numbers[] = { "", "x", "-1", " 3", "3x", "9999",
	    "99999999999999999999" };
	int pair[2];

	(void)state;
	for (size_t i = 0; i < COUNT(numbers); i++) {
		setenv("CLUSTERD_CHANNEL_FD", numbers[i], 1);
		setenv("CLUSTERD_CHANNEL_KIND", "packet", 1);
		assert_null(cluster_peer_open());
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_null(open_on(pair[0], "packet"));
	assert_null(open_on(pair[0], "json"));
	assert_null(open_on(pair[0], ""));
	assert_int_equal(fcntl(pair[0], F_GETFD), 0);
	fd_close_all(pair, 2);
}

/* ---- packets -------------------------------------------------------------------- */

static void
a_packet_is_as_the_page_says(void **state)
{
	static const char expect[] = "\2\0\0\0\0\0\0\0" "hi" "data";
	struct cluster_peer *p = open_packets();
	char got[64];

	(void)state;
	assert_int_equal(cluster_peer_send(p, "hi", "data", 4, NULL), 0);
	assert_int_equal(recv(host, got, sizeof(got), 0), sizeof(expect) - 1);
	assert_memory_equal(got, expect, sizeof(expect) - 1);
	put("\3\0\0\0\1\0\0\0" "abcxyz", 14);
	put("\0\0\0\0\0\0\0\0", 8);
	assert_message(p, "abc", "xyz");
	assert_message(p, "", "");
	assert_int_equal(receive(p), -EAGAIN);
	close_both(p);
}

static const struct { const char *bytes; size_t len; } bad_packets[] = {
	{ "\0", 1 }, { "\0\0\0\0\0\0\0", 7 }, { "\1\0\0\0\0\0\0\0", 8 },
	{ "\377\377\377\377\0\0\0\0x", 9 }, { "\0\0\0\0\2\0\0\0", 8 },
	{ "\0\0\0\0\0\0\0\200", 8 }, { "\1\0\0\0\0\0\0\0\n", 9 },
	{ "\1\0\0\0\0\0\0\0\0", 9 }, { "\1\0\0\0\0\0\0\0\x7f", 9 },
	{ "\11\0\0\0\0\0\0\0clusterd.", 17 }, { "\0\0\0\0\0\1\0\0", 8 },
};

static void
what_is_no_message_is_left_out(void **state)
{
	char longest[8 + CLUSTER_TOPIC_MAX + 1] = { CLUSTER_TOPIC_MAX + 1 };
	struct cluster_peer *p = open_packets();

	(void)state;
	for (size_t i = 0; i < COUNT(bad_packets); i++) {
		put(bad_packets[i].bytes, bad_packets[i].len);
		put("\0\0\0\0\0\0\0\0ok", 10);
		if (receive(p) != -EBADMSG)
			fail_msg("taken: packet %zu", i);
		assert_message(p, "", "ok");
	}
	memset(longest + 8, 't', sizeof(longest) - 8);
	put(longest, sizeof(longest));
	assert_int_equal(receive(p), -EBADMSG);
	put(big, CLUSTER_PEER_PACKET_MAX + 1);
	assert_int_equal(receive(p), -EBADMSG);
	close_both(p);
}

static void
what_cannot_be_sent_is_refused(void **state)
{
	struct cluster_peer *p = open_packets();
	int bad = 9999, many[CLUSTER_MESSAGE_FDS + 1] = { 0 };

	(void)state;
	assert_int_equal(cluster_peer_send(p, "a\nb", "", 0, NULL), -EINVAL);
	assert_int_equal(cluster_peer_send(p, "clusterd.x", "", 0, NULL),
	    -EINVAL);
	assert_int_equal(cluster_peer_send(p, NULL, NULL, 1, NULL), -EINVAL);
	assert_int_equal(cluster_peer_send(p, NULL, big,
	    CLUSTER_MESSAGE_MAX + 1, NULL), -EMSGSIZE);
	assert_int_equal(cluster_peer_send(p, NULL, "", 0,
	    &(struct cluster_fds){ many, CLUSTER_MESSAGE_FDS + 1,
	    CLUSTER_FD_DUP }), -E2BIG);
	assert_int_equal(cluster_peer_send(p, NULL, big, BIG,
	    &(struct cluster_fds){ many, CLUSTER_MESSAGE_FDS,
	    CLUSTER_FD_DUP }), -E2BIG);
	assert_int_equal(cluster_peer_send(p, NULL, "", 0,
	    &(struct cluster_fds){ &bad, 1, CLUSTER_FD_DUP }), -EBADF);
	assert_int_equal(recv(host, big, 1, MSG_DONTWAIT), -1);
	close_both(p);
}

static void
a_full_channel_says_so_and_goes_on(void **state)
{
	struct cluster_peer *p = open_packets();
	int sent = 0, rc;

	(void)state;
	while ((rc = cluster_peer_send(p, "n", big, 1000, NULL)) == 0)
		sent++;
	assert_int_equal(rc, -EAGAIN);
	for (int i = 0; i < sent; i++)
		assert_int_equal(recv(host, big, BIG, MSG_DONTWAIT), 1009);
	assert_int_equal(cluster_peer_send(p, "n", "x", 1, NULL), 0);
	close_both(p);
}

static bool
is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void
descriptors_come_and_go(void **state)
{
	struct cluster_peer *p = open_packets();
	int pipes[2], got[FD_PASS_MAX], taken;
	struct cluster_fds fds = { pipes, 2, CLUSTER_FD_DUP };
	struct cluster_message m;
	char data[64];
	size_t count;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(cluster_peer_send(p, NULL, "p", 1, &fds), 0);
	assert_true(is_open(pipes[0]) && is_open(pipes[1]));
	fds.mode = CLUSTER_FD_MOVE;
	assert_int_equal(cluster_peer_send(p, NULL, "p", 1, &fds), 0);
	assert_true(!is_open(pipes[0]) && !is_open(pipes[1]));
	assert_int_equal(fd_recv(host, data, 64, got, &count), 9);
	assert_int_equal(count, 2);
	assert_int_equal(fd_send(host, data, 9, got, 2), 0);
	assert_int_equal(cluster_peer_receive(p, &m), 1);
	assert_int_equal(m.fd_count, 2);
	taken = cluster_peer_take_fd(p, 1);
	assert_int_equal(fcntl(taken, F_GETFD), FD_CLOEXEC);
	assert_int_equal(cluster_peer_take_fd(p, 1), -EBADF);
	assert_int_equal(cluster_peer_take_fd(p, 2), -EBADF);
	assert_int_equal(write(taken, "x", 1), 1);
	assert_int_equal(receive(p), -EAGAIN);	/* the other one is closed */
	assert_int_equal(cluster_peer_take_fd(p, 0), -EBADF);
	assert_true(is_open(taken));
	fd_close(&taken);
	fd_close_all(got, 2);
	close_both(p);
}

/* What the one has sent to the host is what the other one gets from it. */
static void
hand_over(struct cluster_peer *to)
{
	int fds[FD_PASS_MAX];
	char data[256];
	size_t count;
	ssize_t n = fd_recv(host, data, sizeof(data), fds, &count);

	assert_true(n > 0);
	assert_int_equal(fd_send(host, data, (size_t)n, fds, count), 0);
	fd_close_all(fds, count);
	(void)to;
}

static void
what_is_more_than_a_packet_goes_beside_it(void **state)
{
	struct cluster_peer *p = open_packets();
	int ends[2];
	struct cluster_message m;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	memset(big, 'b', BIG);
	assert_int_equal(cluster_peer_send(p, "large", big, BIG,
	    &(struct cluster_fds){ ends, 2, CLUSTER_FD_DUP }), 0);
	hand_over(p);
	assert_int_equal(cluster_peer_receive(p, &m), BIG);
	assert_string_equal(m.topic, "large");
	assert_memory_equal(m.data, big, BIG);
	assert_int_equal(m.fd_count, 2);
	fd_close(&ends[1]);
	ends[1] = cluster_peer_take_fd(p, 1);
	assert_int_equal(write(ends[1], "x", 1), 1);
	fd_close_all(ends, 2);
	/* the greatest that is a packet */
	assert_int_equal(cluster_peer_send(p, NULL, big,
	    CLUSTER_PEER_PACKET_MAX - 8, NULL), 0);
	assert_int_equal(recv(host, big, BIG, 0), CLUSTER_PEER_PACKET_MAX);
	assert_int_equal(send(host, big, CLUSTER_PEER_PACKET_MAX, 0),
	    CLUSTER_PEER_PACKET_MAX);
	assert_int_equal(receive(p), CLUSTER_PEER_PACKET_MAX - 8);
	close_both(p);
}

static void
large_data_that_may_change_is_refused(void **state)
{
	static const char large[] = "\0\0\0\0\0\1\0\0";
	struct cluster_peer *p = open_packets();
	int file = fd_memfd("t"), pipes[2];

	(void)state;
	assert_int_equal(fd_put(file, "data", 4), 0);
	assert_int_equal(fd_send(host, large, 8, &file, 1), 0);
	assert_int_equal(receive(p), -EBADMSG);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(fd_send(host, large, 8, pipes, 2), 0);
	assert_int_equal(receive(p), -EBADMSG);
	assert_int_equal(fd_seal(file), 0);
	assert_int_equal(fd_send(host, "\0\0\0\0\0\1\0\0x", 9, &file, 1), 0);
	assert_int_equal(receive(p), -EBADMSG);
	assert_int_equal(fd_send(host, large, 8, &file, 1), 0);
	assert_message(p, "", "data");
	fd_close(&file);
	fd_close_all(pipes, 2);
	close_both(p);
}

static void
what_was_sent_before_the_end_is_received(void **state)
{
	struct cluster_peer *p = open_packets();

	(void)state;
	assert_int_equal(cluster_peer_send(p, NULL, "unread", 6, NULL), 0);
	put("\0\0\0\0\0\0\0\0last", 12);
	close(host);
	assert_message(p, "", "last");
	assert_int_equal(receive(p), -EPIPE);
	assert_int_equal(receive(p), -EPIPE);
	assert_int_equal(cluster_peer_send(p, NULL, "", 0, NULL), -EPIPE);
	assert_int_equal(cluster_peer_close(p), 0);
}

/* ---- lines ----------------------------------------------------------------------- */

static void
lines_come_one_by_one(void **state)
{
	static const char text[] = "{\"a\":1}\n\n[2]\n\"three\"\n";
	struct cluster_peer *p = open_lines();
	char got[64];

	(void)state;
	/* wherever it is cut */
	for (size_t cut = 0; cut < sizeof(text); cut++) {
		put(text, cut);
		while (cluster_peer_receive(p, &(struct cluster_message){ 0 }) >= 0)
			;
		put(text + cut, sizeof(text) - 1 - cut);
		while (cluster_peer_receive(p, &(struct cluster_message){ 0 }) >= 0)
			;
		put("1\n", 2);
		assert_message(p, "", "1");
	}
	put(text, sizeof(text) - 1);
	assert_message(p, "", "{\"a\":1}");
	/* a poll tells of what is there still */
	assert_true(recv(cluster_peer_fd(p), got, 64, MSG_PEEK) > 0);
	assert_message(p, "", "[2]");
	assert_message(p, "", "\"three\"");
	assert_int_equal(receive(p), -EAGAIN);
	assert_int_equal(cluster_peer_send(p, "", "{}", 2, NULL), 0);
	assert_int_equal(recv(host, got, sizeof(got), 0), 3);
	assert_memory_equal(got, "{}\n", 3);
	close_both(p);
}

static void
what_is_no_line_is_refused(void **state)
{
	struct cluster_peer *p = open_lines();
	int fd = 0;

	(void)state;
	assert_int_equal(cluster_peer_send(p, NULL, "", 0, NULL), -EINVAL);
	assert_int_equal(cluster_peer_send(p, NULL, "{\n}", 3, NULL), -EINVAL);
	assert_int_equal(cluster_peer_send(p, "t", "{}", 2, NULL), -EINVAL);
	assert_int_equal(cluster_peer_send(p, NULL, "{}", 2,
	    &(struct cluster_fds){ &fd, 1, CLUSTER_FD_DUP }), -EINVAL);
	put("unfinished", 10);
	close(host);
	assert_int_equal(receive(p), -EPIPE);
	assert_int_equal(cluster_peer_close(p), 0);
}

/* A line that the channel takes in part is not mixed with the next. */
static void
a_line_is_sent_whole(void **state)
{
	struct cluster_peer *p = open_lines();
	size_t expect = 0, got = 0;
	ssize_t n;
	int rc;

	(void)state;
	memset(big, 'x', BIG);
	while ((rc = cluster_peer_send(p, NULL, big, LINE - 1, NULL)) == 0)
		expect += LINE;
	assert_int_equal(rc, -EAGAIN);
	for (size_t column = 0; got < expect; got += (size_t)n) {
		n = recv(host, big, BIG, MSG_DONTWAIT);
		if (n < 0) {
			n = 0;
			assert_int_equal(receive(p), -EAGAIN);	/* it flushes */
			continue;
		}
		for (ssize_t i = 0; i < n; i++) {
			bool is_end = ++column == LINE;

			assert_true((big[i] == '\n') == is_end);
			column = is_end ? 0 : column;
		}
	}
	close_both(p);
}

static void
closing_waits_for_what_was_sent(void **state)
{
	struct cluster_peer *p = open_lines();

	(void)state;
	memset(big, 'x', BIG);
	while (cluster_peer_send(p, NULL, big, LINE - 1, NULL) == 0)
		;
	assert_int_equal(cluster_peer_close(p), -ETIMEDOUT);
	close(host);
	p = open_lines();
	while (cluster_peer_send(p, NULL, big, LINE - 1, NULL) == 0)
		;
	close(host);
	assert_int_equal(cluster_peer_close(p), -EPIPE);
}

static void
a_line_beyond_the_limit_is_left_out(void **state)
{
	struct cluster_peer *p = open_lines();
	size_t left = CLUSTER_MESSAGE_MAX + 1;

	(void)state;
	memset(big, 'x', BIG);
	while (left > 0) {
		size_t part = left < 64 << 10 ? left : 64 << 10;

		put(big, part);
		left -= part;
		assert_int_equal(receive(p), -EAGAIN);
	}
	put("\n{}\n", 4);
	assert_int_equal(receive(p), -EBADMSG);
	assert_message(p, "", "{}");
	close_both(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_channel_is_where_the_environment_says),
		cmocka_unit_test(what_is_no_channel_is_not_opened),
		cmocka_unit_test(a_packet_is_as_the_page_says),
		cmocka_unit_test(what_is_no_message_is_left_out),
		cmocka_unit_test(what_cannot_be_sent_is_refused),
		cmocka_unit_test(a_full_channel_says_so_and_goes_on),
		cmocka_unit_test(descriptors_come_and_go),
		cmocka_unit_test(what_is_more_than_a_packet_goes_beside_it),
		cmocka_unit_test(large_data_that_may_change_is_refused),
		cmocka_unit_test(what_was_sent_before_the_end_is_received),
		cmocka_unit_test(lines_come_one_by_one),
		cmocka_unit_test(what_is_no_line_is_refused),
		cmocka_unit_test(a_line_is_sent_whole),
		cmocka_unit_test(closing_waits_for_what_was_sent),
		cmocka_unit_test(a_line_beyond_the_limit_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
