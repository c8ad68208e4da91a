/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_channel.c: every message goes over and comes back the same; what is not
 * one is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/base/check.h"
#include "daemon/channel/channel.h"

static int pair[2];
static struct channel ends[2];	/* by enum channel_sender */
static struct channel_packet sent, got;

static int
open_pair(void **state)
{
	(void)state;
	if (fd_seqpacket_pair(pair) != 0)
		return -1;
	channel_init(&ends[CHANNEL_FROM_WORKER], pair[0], CHANNEL_FROM_WORKER);
	channel_init(&ends[CHANNEL_FROM_MASTER], pair[1], CHANNEL_FROM_MASTER);
	return 0;
}

static int
close_pair(void **state)
{
	(void)state;
	channel_done(&ends[0]);
	channel_done(&ends[1]);
	fd_close_all(pair, 2);
	return 0;
}

/* Something in each field that its row allows. */
static void
fill(const struct record *record)
{
	uint8_t *at = sent.body.bytes;

	for (size_t i = 0; i < record->count; i++) {
		const struct field *field = &record->fields[i];

		switch ((enum field_kind)field->kind) {
		case FIELD_UINT:
			memcpy(at, &field->max, field->size);
			break;
		case FIELD_SINT:
		case FIELD_BYTES:
			memset(at, 0xa5, field->size);
			break;
		case FIELD_TEXT:
			record_put_text((char *)at, field->size, field->name);
			break;
		case FIELD_ZERO:
			break;
		}
		at += field->size;
	}
}

static void
every_message_comes_back_the_same(void **state)
{
	int fds[FD_PASS_MAX];

	(void)state;
	for (unsigned type = 1; type < CHANNEL__COUNT; type++) {
		const struct record *record = channel_record(type);
		size_t len, count, tail = record->tail_max;
		struct errmsg err = { 0 };
		int rc;

		channel_begin(&sent, (enum channel_type)type, 17);
		fill(record);
		memset(sent.body.bytes + record->size, 'x', tail);
		len = channel_end(&sent, tail);
		for (size_t i = 0; i < record->fds_max; i++)
			fds[i] = pair[0];
		rc = channel_send(&ends[record->sender], &sent, len, fds,
		    record->fds_max, &err);
		if (rc != 0)
			fail_msg("%s: send: %s", record->name, err.text);
		rc = channel_receive(&ends[!record->sender], &got, &len, fds,
		    &count, &err);
		if (rc != CHANNEL_GOT)
			fail_msg("%s: %d %s", record->name, rc, err.text);
		assert_int_equal(count, record->fds_max);
		fd_close_all(fds, count);
		assert_memory_equal(&sent, &got, len);
		assert_int_equal(len, sizeof(sent.header) + record->size +
		    tail);
		/* and never the other way */
		assert_int_equal(channel_check(&got, len, count,
		    (enum channel_sender)!record->sender, &err), ERR_FORMAT);
	}
}

static int
receive(enum channel_sender side, struct errmsg *err)
{
	int fds[FD_PASS_MAX];
	size_t len, count;

	return channel_receive(&ends[side], &got, &len, fds, &count, err);
}

static void
what_is_no_message_is_refused(void **state)
{
	struct errmsg err = { 0 };
	size_t len;

	(void)state;
	assert_int_equal(fd_send(pair[0], "short", 5, NULL, 0) < 0, 0);
	assert_int_equal(receive(CHANNEL_FROM_MASTER, &err), ERR_FORMAT);
	channel_begin(&sent, CHANNEL_READY, 0);
	len = channel_end(&sent, 0);
	sent.header.length++;
	fd_send(pair[0], &sent, len, NULL, 0);
	assert_int_equal(receive(CHANNEL_FROM_MASTER, &err), ERR_FORMAT);
	channel_begin(&sent, CHANNEL_READY, 0);
	len = channel_end(&sent, 0);
	fd_send(pair[0], &sent, len, pair, 1);		/* a stray descriptor */
	assert_int_equal(receive(CHANNEL_FROM_MASTER, &err), ERR_FORMAT);
	assert_int_equal(receive(CHANNEL_FROM_MASTER, &err), CHANNEL_EMPTY);
}

/* An empty packet is read as the end: what came with it has no owner then. */
static void
descriptors_alone_are_refused_and_closed(void **state)
{
	struct errmsg err = { 0 };
	int before, after;

	(void)state;
	before = dup(pair[0]);
	close(before);
	assert_int_equal(fd_send(pair[0], "", 0, pair, 2), 0);
	assert_int_equal(receive(CHANNEL_FROM_MASTER, &err), ERR_FORMAT);
	after = dup(pair[0]);
	close(after);
	assert_int_equal(after, before);
}

static void
an_unknown_type_is_ignored_by_a_worker_only(void **state)
{
	struct errmsg err = { 0 };
	size_t len;

	(void)state;
	channel_begin(&sent, CHANNEL_STOP, 0);
	len = channel_end(&sent, 0);
	sent.header.type = 4711;
	fd_send(pair[1], &sent, len, NULL, 0);
	fd_send(pair[0], &sent, len, NULL, 0);
	assert_int_equal(receive(CHANNEL_FROM_WORKER, &err), CHANNEL_EMPTY);
	assert_int_equal(ends[CHANNEL_FROM_WORKER].unknown, 1);
	assert_int_equal(receive(CHANNEL_FROM_MASTER, &err), ERR_FORMAT);
}

static void
what_does_not_fit_waits_in_order(void **state)
{
	struct errmsg err = { 0 };
	size_t len, sends = 0, received = 0;
	int rc;

	(void)state;
	for (;; sends++) {
		channel_begin(&sent, CHANNEL_SET, sends);
		len = channel_end(&sent, 0);
		rc = channel_send(&ends[CHANNEL_FROM_MASTER], &sent, len,
		    NULL, 0, &err);
		if (rc != 0)
			break;
	}
	assert_int_equal(rc, ERR_FULL);
	assert_int_equal(ends[CHANNEL_FROM_MASTER].queued, CHANNEL_QUEUE_ALL);
	while (received < sends) {
		rc = receive(CHANNEL_FROM_WORKER, &err);
		if (rc == CHANNEL_EMPTY) {
			assert_true(channel_flush(
			    &ends[CHANNEL_FROM_MASTER], &err) >= 0);
			continue;
		}
		assert_int_equal(rc, CHANNEL_GOT);
		assert_int_equal(got.header.ref, received++);
	}
	assert_int_equal(channel_flush(&ends[CHANNEL_FROM_MASTER], &err), 0);
}

static void
a_closed_end_is_told(void **state)
{
	struct errmsg err = { 0 };
	size_t len;

	(void)state;
	fd_close(&pair[0]);
	assert_int_equal(receive(CHANNEL_FROM_MASTER, &err), CHANNEL_CLOSED);
	channel_begin(&sent, CHANNEL_STOP, 0);
	len = channel_end(&sent, 0);
	assert_int_equal(channel_send(&ends[CHANNEL_FROM_MASTER], &sent, len,
	    NULL, 0, &err), ERR_SYSTEM);
}

/* The kernel tells of it before it hands over what was said. */
static void
last_words_of_one_that_did_not_listen_are_heard(void **state)
{
	struct errmsg err = { 0 };
	size_t len;

	(void)state;
	channel_begin(&sent, CHANNEL_STOP, 0);
	len = channel_end(&sent, 0);
	assert_int_equal(fd_send(pair[1], &sent, len, NULL, 0), 0);
	channel_begin(&sent, CHANNEL_READY, 0);
	len = channel_end(&sent, 0);
	assert_int_equal(fd_send(pair[0], &sent, len, NULL, 0), 0);
	fd_close(&pair[0]);
	assert_int_equal(receive(CHANNEL_FROM_MASTER, &err), CHANNEL_GOT);
	assert_int_equal(got.header.type, CHANNEL_READY);
	assert_int_equal(receive(CHANNEL_FROM_MASTER, &err), CHANNEL_CLOSED);
}

static void
too_many_of_a_kind_are_told(void **state)
{
	struct channel *channel = &ends[CHANNEL_FROM_MASTER];
	struct errmsg err;

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_equal(channel_check_rate(channel, CHANNEL_ONLINE,
		    5000000000, &err), 0);
	assert_int_equal(channel_check_rate(channel, CHANNEL_ONLINE,
	    5000000000, &err), ERR_FORMAT);
	assert_int_equal(channel_check_rate(channel, CHANNEL_READY,
	    5000000000, &err), 0);
	assert_int_equal(channel_check_rate(channel, CHANNEL_ONLINE,
	    6000000000, &err), 0);
	/* these may have waited for us */
	for (int i = 0; i < 300 + 3 * CHANNEL_QUEUE_MESSAGES; i++)
		assert_int_equal(channel_check_rate(channel, CHANNEL_FOLLOW,
		    7000000000, &err), 0);
	assert_int_equal(channel_check_rate(channel, CHANNEL_FOLLOW,
	    7000000000, &err), ERR_FORMAT);
	assert_string_equal(err.text, "more than 300 of FOLLOW in a second");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_pair, close_pair)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(every_message_comes_back_the_same),
		CASE(what_is_no_message_is_refused),
		CASE(descriptors_alone_are_refused_and_closed),
		CASE(an_unknown_type_is_ignored_by_a_worker_only),
		CASE(what_does_not_fit_waits_in_order),
		CASE(a_closed_end_is_told),
		CASE(last_words_of_one_that_did_not_listen_are_heard),
		CASE(too_many_of_a_kind_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
