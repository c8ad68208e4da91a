/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_waiting.c: whose turn comes when: in order, and never early. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "daemon/http/conn.h"

enum { MANY = 500 };

static struct event_base *base;
static struct waiting waiting;
static struct conn conns[MANY];
static struct conn *came[4 * MANY];
static size_t came_count;
static struct conn *again;		/* it comes once more, from its turn */
static struct conn *ended;		/* whom a turn ends, that waits too */

static void
turn(struct conn *conn)
{
	came[came_count++] = conn;
	/* the passes have no time */
	if (conn->due_ns != 0)
		assert_true(clock_now_ns() >= conn->due_ns);
	if (conn == again)
		waiting_for_pass(&waiting, conn);
	if (ended != NULL)
		waiting_end(&waiting, ended);
}

static int
begin(void **state)
{
	(void)state;
	base = event_base_new();
	memset(conns, 0, sizeof(conns));
	came_count = 0;
	again = ended = NULL;
	return waiting_init(&waiting, base, MANY, turn);
}

static int
end(void **state)
{
	(void)state;
	event_del(&waiting.timer);
	event_del(&waiting.pass);
	event_base_free(base);
	free(waiting.heap);
	return 0;
}

static void
set(struct conn *conn, unsigned kind, uint64_t us)
{
	conn->due_ns = clock_now_ns() + us * 1000;
	if (kind != DEADLINE_NONE)
		waiting_in_list(&waiting, conn, kind);
	else
		waiting_in_heap(&waiting, conn);
}

static void
times_of_their_own_come_in_order(void **state)
{
	size_t expected = 0;

	(void)state;
	srandom(7);
	for (size_t i = 0; i < MANY; i++)
		set(&conns[i], DEADLINE_NONE, (uint64_t)random() % 30000);
	for (size_t i = 0; i < MANY; i++) {
		if (i % 5 == 0)
			waiting_end(&waiting, &conns[i]);
		else if (i % 5 == 1)
			set(&conns[i], DEADLINE_NONE,
			    (uint64_t)random() % 30000);
		expected += i % 5 != 0;
	}
	while (came_count < expected)
		event_base_loop(base, EVLOOP_ONCE);
	for (size_t i = 1; i < came_count; i++)
		assert_true(came[i - 1]->due_ns <= came[i]->due_ns);
	for (size_t i = 0; i < came_count; i++)
		assert_true((came[i] - conns) % 5 != 0);
	assert_int_equal(waiting.heap_count, 0);
	assert_int_equal(event_base_loop(base, EVLOOP_NONBLOCK), 1);
}

static void
those_of_one_kind_come_as_they_went(void **state)
{
	(void)state;
	for (size_t i = 0; i < 100; i++)
		set(&conns[i], 1 + i % 2, 10000 * (1 + i % 2));
	set(&conns[0], 1, 10000);		/* to the end */
	waiting_end(&waiting, &conns[2]);
	while (came_count < 99)
		event_base_loop(base, EVLOOP_ONCE);
	for (size_t i = 0; i < 48; i++)
		assert_ptr_equal(came[i], &conns[4 + 2 * i]);
	assert_ptr_equal(came[48], &conns[0]);
	for (size_t i = 0; i < 50; i++)
		assert_ptr_equal(came[49 + i], &conns[1 + 2 * i]);
}

static void
the_first_may_come_last(void **state)
{
	(void)state;
	set(&conns[0], 1, 60000000);
	set(&conns[1], DEADLINE_NONE, 20000);
	set(&conns[2], 2, 1000);
	while (came_count < 2)
		event_base_loop(base, EVLOOP_ONCE);
	assert_ptr_equal(came[0], &conns[2]);
	assert_ptr_equal(came[1], &conns[1]);
	assert_true(event_pending(&waiting.timer, EV_TIMEOUT, NULL));
	waiting_end(&waiting, &conns[0]);
}

static void
each_has_a_pass_of_its_own(void **state)
{
	static const int order[] = { 0, 1, 2, 1, 1 };

	(void)state;
	again = &conns[1];
	for (size_t i = 0; i < 3; i++)
		waiting_for_pass(&waiting, &conns[i]);
	for (size_t i = 0; i < COUNT(order); i++) {
		if (i == 4)
			again = NULL;
		event_base_loop(base, EVLOOP_ONCE);
		assert_int_equal(came_count, i + 1);
		assert_ptr_equal(came[i], &conns[order[i]]);
	}
	assert_int_equal(event_base_loop(base, EVLOOP_NONBLOCK), 1);
}

static void
ends_are_taken_along(void **state)
{
	(void)state;
	for (size_t i = 0; i < 9; i++) {
		conns[i].dead = i < 7;
		waiting_for_pass(&waiting, &conns[i]);
	}
	event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(came_count, 8);
	event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(came_count, 9);
}

static void
who_is_ended_by_another_does_not_come(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++)
		waiting_for_pass(&waiting, &conns[i]);
	ended = &conns[1];
	event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(came_count, 1);
	set(&conns[0], 1, 1000);
	set(&conns[1], 1, 1000);
	while (came_count < 2)
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(event_base_loop(base, EVLOOP_NONBLOCK), 1);
	assert_ptr_equal(came[1], &conns[0]);
}

/* Its end was so long ago, and the loop finds it now. */
static void
set_late(struct conn *conn, unsigned kind)
{
	conn->due_ns = clock_now_ns() -
	    2 * clock_scaled_ms(CLOCK_AWAY_MS) * NS_PER_MS;
	if (kind != DEADLINE_NONE)
		waiting_in_list(&waiting, conn, kind);
	else
		waiting_in_heap(&waiting, conn);
}

static void
one_that_is_late_judges_nobody_yet(void **state)
{
	(void)state;
	set_late(&conns[0], 1);
	set_late(&conns[1], DEADLINE_NONE);
	event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(came_count, 0);
	/* also who is due in that while */
	set(&conns[2], DEADLINE_NONE, 1000);
	event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(came_count, 0);
	while (came_count < 3)
		event_base_loop(base, EVLOOP_ONCE);
	assert_true(clock_now_ns() >= waiting.excused_ns);
}

static void
one_that_is_always_late_judges_all_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		set_late(&conns[i], 1);
		event_base_loop(base, EVLOOP_ONCE);
		assert_int_equal(came_count, i);
		/* the end of the excuse, and it is late again */
		waiting.wake_ns = waiting.excused_ns = clock_now_ns() -
		    2 * clock_scaled_ms(CLOCK_AWAY_MS) * NS_PER_MS;
		event_active(&waiting.timer, EV_TIMEOUT, 0);
		event_base_loop(base, EVLOOP_ONCE);
		assert_int_equal(came_count, i + 1);
		waiting.excused_ns = 0;
	}
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(times_of_their_own_come_in_order),
		TEST(those_of_one_kind_come_as_they_went),
		TEST(the_first_may_come_last),
		TEST(each_has_a_pass_of_its_own),
		TEST(ends_are_taken_along),
		TEST(who_is_ended_by_another_does_not_come),
		TEST(one_that_is_late_judges_nobody_yet),
		TEST(one_that_is_always_late_judges_all_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
