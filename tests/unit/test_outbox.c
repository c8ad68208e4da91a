/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_outbox.c: who hears that there is room again, and whose answer counts. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "daemon/plugin/host.h"

static struct {
	struct host host;
	struct board board;
	struct page page;
	struct channel channel;
	struct plugin plugin;
	int pair[2];
	unsigned told;			/* on_room() */
	unsigned answers;
} it;

static void
nothing(void)
{
}

static const struct host_ops ops = { .waits = nothing, .copied = nothing };

static void
on_room(struct cluster_request *req, void *self)
{
	(void)req;
	(void)self;
	it.told++;
}

static int
begin(void **state)
{
	(void)state;
	memset(&it, 0, sizeof(it));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, it.pair))
		return -1;
	channel_init(&it.channel, it.pair[0], CHANNEL_FROM_WORKER);
	board_init(&it.board, &it.page);
	host_init(&it.host, event_base_new(), &it.board, &ops);
	it.host.outbox.channel = &it.channel;
	it.host.plugins = &it.plugin;
	it.host.plugin_count = 1;
	it.plugin.desc.on_room = on_room;
	return 0;
}

static int
end(void **state)
{
	(void)state;
	host_stop(&it.host);
	free(it.host.outbox.rows);	/* a worker has them till its process ends */
	channel_done(&it.channel);
	event_base_free(it.host.base);
	close(it.pair[0]);
	close(it.pair[1]);
	return 0;
}

/* ---- room ------------------------------------------------------------------------- */

static void
take_tokens(void)
{
	it.host.outbox.tokens = 0;
	it.host.outbox.tokens_ns = clock_now_ns();
}

/* Until no more frames may leave, but not for longer than that lasts. */
static int
start_and_fill(void *self)
{
	static const char data[15000];
	int rc;

	(void)self;
	do {
		take_tokens();
		rc = outbox_send(&it.host.outbox, "web/0", data, sizeof(data),
		    NULL);
	} while (rc == 0);
	assert_int_equal(rc, -EAGAIN);
	while (clock_now_ns() - it.host.outbox.tokens_ns < NS_PER_MS)
		;
	return 0;
}

static void
who_was_refused_in_start_hears_of_room(void **state)
{
	size_t failed;

	(void)state;
	it.plugin.desc.start = start_and_fill;
	assert_int_equal(host_start(&it.host, &failed), 0);
	assert_int_equal(it.told, 1);
	outbox_tell_room(&it.host.outbox);
	assert_int_equal(it.told, 1);
}

/* ---- answers ------------------------------------------------------------------------ */

static void
on_answer(const struct cluster_message *m, int error, void *arg)
{
	(void)arg;
	it.answers += m != NULL && error == 0;
}

/* The number of what was just sent; it is in the frame that is being filled. */
static uint64_t
ask(const char *to)
{
	struct letter letter;

	assert_int_equal(outbox_ask(&it.host.outbox, to, "?", 1, 1000,
	    on_answer, NULL), 0);
	letter_read(channel_tail(&it.host.outbox.packet, NULL), &letter);
	outbox_flush(&it.host.outbox);
	return letter.ref;
}

static unsigned
answer(uint64_t ref, const char *from, uint64_t from_id)
{
	unsigned before = it.answers;

	outbox_answered(&it.host.outbox, ref, &(struct cluster_message){
	    .size = sizeof(struct cluster_message), .from = from,
	    .from_id = from_id, .topic = "" });
	return it.answers - before;
}

static void
only_who_was_asked_may_answer(void **state)
{
	uint64_t ref = ask("web/1");

	(void)state;
	assert_int_equal(answer(ref, "web/0", 7), 0);
	assert_int_equal(answer(ref, "web/11", 8), 0);
	assert_int_equal(answer(ref, "shop/1", 9), 0);
	/* whoever serves there */
	assert_int_equal(answer(ref, "web/1", 10), 1);
	assert_int_equal(answer(ref, "web/1", 10), 0);
	ref = ask("web/2@hello");
	assert_int_equal(answer(ref, "web/1", 10), 0);
	assert_int_equal(answer(ref, "web/2", 11), 1);
}

static void
a_process_answers_for_itself(void **state)
{
	uint64_t ref = ask("id:10");

	(void)state;
	assert_int_equal(answer(ref, "web/1", 11), 0);
	assert_int_equal(answer(ref, "web/1", 10), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    who_was_refused_in_start_hears_of_room, begin, end),
		cmocka_unit_test_setup_teardown(
		    only_who_was_asked_may_answer, begin, end),
		cmocka_unit_test_setup_teardown(
		    a_process_answers_for_itself, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
