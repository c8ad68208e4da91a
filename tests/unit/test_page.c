/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_page.c: what is written into a page is what is read, and what a liar
 * writes is seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "daemon/scoreboard/read.h"
#include "daemon/scoreboard/write.h"

static struct page page;
static struct board board;
static const struct page_limits limits = { 100, 200, 10 };

static int
fresh(void **state)
{
	(void)state;
	memset(&page, 0, sizeof(page));
	board_init(&board, &page);
	return 0;
}

static void
what_is_written_is_read(void **state)
{
	struct page_report report;
	struct errmsg err;

	(void)state;
	board_add(&board, METRIC_REQUESTS, 2);
	board_add(&board, METRIC_REQUESTS, 1);
	board_beat(&board, 5 * NS_PER_S, 7);
	board_beat(&board, 6 * NS_PER_S, 1);
	page.gauges.connections = 12;
	page.gauges.closable = 40;
	page.gauges.fds = 100000;
	assert_int_equal(page_read(&page, &limits, NULL, 6 * NS_PER_S,
	    &report, &err), 0);
	assert_int_equal(report.counters[METRIC_REQUESTS], 3);
	assert_int_equal(report.beat_ns, 6 * NS_PER_S);
	assert_int_equal(report.loops, 8);
	assert_int_equal(report.connections, 12);
	assert_int_equal(report.closable, 12);		/* clamped */
	assert_int_equal(report.fds, 200);
}

/* Two passes: what was done first began each, and a beat comes in the second. */
static void
busy_is_what_is_not_waited(void **state)
{
	(void)state;
	board_beat(&board, 1000, 1);
	assert_int_equal(page.beat.busy_ns, 0);
	board_wake(&board, 2000);
	board_set_callback(&board, 2100);
	board_set_callback(&board, 0);
	board_rest(&board, 2500);
	board_set_callback(&board, 5000);
	board_beat(&board, 5100, 1);
	assert_int_equal(page.beat.busy_ns, 600);
	board_rest(&board, 5300);
	board_beat(&board, 9000, 1);
	assert_int_equal(page.beat.busy_ns, 800);
}

static void
a_lie_is_seen(void **state)
{
	struct page_report before, report;
	struct errmsg err;

	(void)state;
	board_add(&board, METRIC_TAKEN, 5);
	assert_int_equal(page_read(&page, &limits, NULL, 1, &before, &err), 0);
	page.counters[METRIC_TAKEN] = 4;
	assert_int_equal(page_read(&page, &limits, &before, 1, &report, &err),
	    ERR_FORMAT);
	assert_non_null(strstr(err.text, "taken"));
	page.counters[METRIC_TAKEN] = 5;
	page.beat.beat_ns = 3 * NS_PER_S;
	assert_int_equal(page_read(&page, &limits, &before, NS_PER_S, &report,
	    &err), ERR_FORMAT);
	assert_int_equal(page_read(&page, &limits, &before, 2 * NS_PER_S,
	    &report, &err), 0);
	page.counters[METRIC_TAKEN] = 9007199254740993;		/* 2^53 + 1 */
	assert_int_equal(page_read(&page, &limits, &before, 2 * NS_PER_S,
	    &report, &err), ERR_FORMAT);
	assert_non_null(strstr(err.text, "taken cannot be so high"));
}

static void
a_sum_does_not_turn_over(void **state)
{
	uint64_t sum = 9007199254740990;

	(void)state;
	page_add(&sum, 1);
	assert_true(sum == 9007199254740991);
	page_add(&sum, UINT64_MAX);
	assert_true(sum == 9007199254740992);
	page_add(&sum, 1);
	assert_true(sum == 9007199254740992);
}

static void
doing_is_whole_or_unknown(void **state)
{
	static char long_path[400];
	struct board_work work = { .kind = DOING_REQUEST, .plugin = 3,
		.route = 1024, .method = 1, .since_ns = 77, .request = 42 };
	struct page_doing doing;
	unsigned route;

	(void)state;
	memset(long_path, 'x', sizeof(long_path) - 1);
	assert_int_equal(page_read_doing(&page, 0, 0, &doing, &route),
	    DOING_IDLE);
	work.path = long_path;
	work.path_len = 399;
	board_do(&board, 0, &work);
	assert_int_equal(page_read_doing(&page, 0, 0, &doing, &route),
	    DOING_KNOWN);
	assert_int_equal(strlen(doing.path), PAGE_PATH - 1);
	assert_int_equal(route, 1024);
	work.path = "/short";
	work.path_len = 6;
	work.route = 9;
	board_do(&board, 0, &work);
	assert_int_equal(page_read_doing(&page, 0, 0, &doing, &route),
	    DOING_KNOWN);
	assert_string_equal(doing.path, "/short");
	for (size_t i = 6; i < PAGE_PATH; i++)
		assert_int_equal(doing.path[i], 0);
	assert_int_equal(doing.plugin, 3);
	assert_int_equal(route, 9);
	assert_int_equal(doing.since_ns, 77);
	assert_int_equal(doing.request, 42);
	page.doing[0].seq++;				/* dies while writing */
	assert_int_equal(page_read_doing(&page, 0, 0, &doing, &route),
	    DOING_UNKNOWN);
	assert_string_equal(doing.path, "");
	assert_int_equal(page_read_doing(&page, 0, 1, &doing, &route),
	    DOING_UNKNOWN);
	assert_string_equal(doing.path, "/short");
	board_do_nothing(&board, 0);
	assert_int_equal(page_read_doing(&page, 0, 0, &doing, &route),
	    DOING_IDLE);
}

static void
a_path_without_end_is_ended(void **state)
{
	struct page_doing doing;
	unsigned route;

	(void)state;
	memset(&page.doing[31], 0xff, sizeof(page.doing[31]));
	page.doing[31].seq = 2;
	assert_int_equal(page_read_doing(&page, 31, 0, &doing, &route),
	    DOING_KNOWN);
	assert_int_equal(strlen(doing.path), PAGE_PATH - 1);
}

static void
children_are_shown_while_they_live(void **state)
{
	static char long_command[100];
	struct board_child cat = { .pid = 4711, .flags = CHILD_HOLDS,
		.since_ns = 55, .request = 42, .command = "cat /etc/motd" };
	struct page_child child;

	(void)state;
	assert_false(page_read_child(&page, 0, &child));
	board_child_set(&board, 0, &cat);
	board_child_set(&board, 63, &cat);
	assert_int_equal(page.gauges.children, 2);
	assert_true(page_read_child(&page, 0, &child));
	assert_int_equal(child.pid, 4711);
	assert_int_equal(child.flags, CHILD_HOLDS);
	assert_int_equal(child.since_ns, 55);
	assert_int_equal(child.request, 42);
	assert_string_equal(child.command, "cat /etc/motd");
	memset(long_command, 'x', sizeof(long_command) - 1);
	cat.command = long_command;
	cat.flags = 0;
	board_child_set(&board, 0, &cat);		/* the same, changed */
	assert_int_equal(page.gauges.children, 2);
	assert_true(page_read_child(&page, 0, &child));
	assert_int_equal(child.flags, 0);
	assert_int_equal(strlen(child.command), PAGE_COMMAND - 1);
	cat.command = "ls";
	board_child_set(&board, 0, &cat);
	assert_true(page_read_child(&page, 0, &child));
	for (size_t i = 2; i < PAGE_COMMAND; i++)
		assert_int_equal(child.command[i], 0);
	board_child_clear(&board, 0);
	board_child_clear(&board, 0);
	assert_false(page_read_child(&page, 0, &child));
	assert_int_equal(page.gauges.children, 1);
}

static void
children_beyond_the_rows_are_counted(void **state)
{
	struct board_child one = { .pid = 2 };

	(void)state;
	for (unsigned i = 0; i < 4096; i++)
		board_child_set(&board, i, &one);
	assert_int_equal(page.gauges.children, 4096);
	assert_int_equal(page.reserved[0], 0);
	board_child_set(&board, 4096, &one);
	board_child_clear(&board, 4096);
	assert_int_equal(page.gauges.children, 4096);
	for (unsigned i = 0; i < 4096; i++)
		board_child_clear(&board, i);
	assert_int_equal(page.gauges.children, 0);
}

static void
a_child_half_written_is_not_shown(void **state)
{
	struct page_child child = { .pid = 1 };

	(void)state;
	memset(&page.child[7], 0xff, sizeof(page.child[7]));
	assert_false(page_read_child(&page, 7, &child));
	assert_int_equal(child.pid, 1);			/* untouched */
	page.child[7].seq = 2;
	assert_true(page_read_child(&page, 7, &child));
	assert_int_equal(strlen(child.command), PAGE_COMMAND - 1);
}

static void
buckets_are_four_an_octave(void **state)
{
	static const struct { uint64_t us; unsigned bucket; } cases[] = {
		{ 0, 0 }, { 19, 0 }, { 20, 1 }, { 24, 2 }, { 28, 3 },
		{ 32, 4 }, { 40, 5 }, { 64, 8 }, { 1024, 24 },
		{ 1000000000, 63 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		unsigned bucket = board_bucket(cases[i].us * 1000);

		if (bucket != cases[i].bucket)
			fail_msg("%u us: bucket %u", (unsigned)cases[i].us,
			    bucket);
	}
	assert_int_equal(board_bucket_end_ns(0), 20000);
	assert_int_equal(board_bucket_end_ns(3), 32000);
	assert_int_equal(board_bucket_end_ns(4), 40000);
	for (unsigned i = 0; i + 1 < PAGE_BUCKETS; i++) {
		assert_int_equal(board_bucket(board_bucket_end_ns(i) - 1), i);
		assert_int_equal(board_bucket(board_bucket_end_ns(i)), i + 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_is_written_is_read, fresh),
		cmocka_unit_test_setup(busy_is_what_is_not_waited, fresh),
		cmocka_unit_test_setup(a_lie_is_seen, fresh),
		cmocka_unit_test_setup(a_sum_does_not_turn_over, fresh),
		cmocka_unit_test_setup(doing_is_whole_or_unknown, fresh),
		cmocka_unit_test_setup(a_path_without_end_is_ended, fresh),
		cmocka_unit_test_setup(children_are_shown_while_they_live,
		    fresh),
		cmocka_unit_test_setup(children_beyond_the_rows_are_counted,
		    fresh),
		cmocka_unit_test_setup(a_child_half_written_is_not_shown, fresh),
		cmocka_unit_test_setup(buckets_are_four_an_octave, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
