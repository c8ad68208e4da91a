/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_roster.c: what a writer shows is what is read, whole, also of one that
 * died; and a slow reader is not told a mixture. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "daemon/scoreboard/roster.h"

static struct roster *shared;
static struct roster_copy *seen;

static int
fresh(void **state)
{
	(void)state;
	if (shared != NULL)
		munmap(shared, sizeof(*shared));
	free(seen);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	seen = calloc(1, sizeof(*seen));
	return shared == MAP_FAILED || seen == NULL ? -1 : 0;
}

/* All of one write say the same number. */
static void
fill(struct roster_copy *copy, uint64_t number, uint32_t rows)
{
	copy->at_ns = number;
	copy->workers = rows;
	copy->pools = 2;
	for (uint32_t i = 0; i < rows; i++)
		copy->worker[i].id = copy->worker[i].requests = number;
	for (uint32_t i = 0; i < copy->pools; i++) {
		copy->pool[i].requests = number;
		copy->pool[i].listens = 1;
		snprintf(copy->pool[i].listen[0], ROSTER_ADDRESS, "%llu",
		    (unsigned long long)number);
	}
}

static void
show(uint64_t number, uint32_t rows)
{
	fill(roster_begin(shared), number, rows);
	roster_end(shared);
}

static void
assert_whole(const struct roster_copy *copy)
{
	char address[ROSTER_ADDRESS];

	snprintf(address, sizeof(address), "%llu",
	    (unsigned long long)copy->at_ns);
	for (uint32_t i = 0; i < copy->workers; i++)
		assert_int_equal(copy->worker[i].id, copy->at_ns);
	for (uint32_t i = 0; i < copy->pools; i++) {
		assert_int_equal(copy->pool[i].requests, copy->at_ns);
		assert_string_equal(copy->pool[i].listen[0], address);
	}
}

static void
nothing_is_there_before_the_first(void **state)
{
	(void)state;
	assert_int_equal(roster_read(shared, seen), -ENOENT);
	fill(roster_begin(shared), 1, 3);
	assert_int_equal(roster_read(shared, seen), -ENOENT);
	roster_end(shared);
	assert_int_equal(roster_read(shared, seen), 0);
	assert_int_equal(seen->workers, 3);
	assert_whole(seen);
}

static void
the_newest_whole_one_is_read(void **state)
{
	(void)state;
	for (uint64_t number = 1; number < 10; number++) {
		show(number, (uint32_t)number);
		fill(roster_begin(shared), 1000 + number, 5);
		assert_int_equal(roster_read(shared, seen), 0);
		assert_int_equal(seen->at_ns, number);
		assert_whole(seen);
	}
}

/* It died in the middle; its successor begins the same one again. */
static void
a_writer_that_died_leaves_the_one_before(void **state)
{
	struct roster_worker row;

	(void)state;
	show(7, 4);
	fill(roster_begin(shared), 8, 2);
	assert_int_equal(roster_find(shared, 8, &row), -ENOENT);
	assert_int_equal(roster_find(shared, 7, &row), 0);
	assert_int_equal(row.requests, 7);
	assert_int_equal(roster_number(shared), 1);
	assert_int_equal(roster_read(shared, seen), 0);
	assert_int_equal(seen->at_ns, 7);
	show(9, 1);
	assert_int_equal(roster_read(shared, seen), 0);
	assert_int_equal(seen->at_ns, 9);
	assert_whole(seen);
}

static void
counts_and_versions_are_not_trusted(void **state)
{
	(void)state;
	show(1, 2);
	shared->copy[1].workers = shared->copy[1].pools = UINT32_MAX;
	shared->copy[1].pool[0].listens = UINT32_MAX;
	assert_int_equal(roster_read(shared, seen), 0);
	assert_int_equal(seen->workers, ROSTER_WORKERS);
	assert_int_equal(seen->pools, MEMO_POOLS);
	assert_int_equal(seen->pool[0].listens, ROSTER_LISTENS);
	shared->copy_size++;
	assert_int_equal(roster_read(shared, seen), -ENOENT);
	shared->copy_size--;
	shared->version++;
	assert_int_equal(roster_read(shared, seen), -ENOENT);
}

/* In another process, as it is; without a rest. */
static _Noreturn void
write_on(void)
{
	for (uint64_t number = 2; number < 20000; number++)
		show(number, 40);
	_exit(0);
}

static void
a_reader_that_is_overtaken_sees_it(void **state)
{
	unsigned whole = 0;
	pid_t writer;

	(void)state;
	show(1, 40);
	if ((writer = fork()) == 0)
		write_on();
	assert_true(writer > 0);
	for (int i = 0; i < 20000; i++) {
		int rc = roster_read(shared, seen);

		assert_true(rc == 0 || rc == -EAGAIN);
		if (rc == 0) {
			assert_whole(seen);
			whole++;
		}
	}
	assert_int_equal(waitpid(writer, NULL, 0), writer);
	assert_true(whole > 0);
}

static void
one_leads_a_pool(void **state)
{
	struct roster_leader *web = &shared->leader[0];
	struct roster_leader *api = &shared->leader[3];

	(void)state;
	assert_false(roster_leads(shared, 0));
	assert_null(roster_leader(shared, "web"));
	roster_name_leader(shared, web, "web");
	roster_name_leader(shared, api, "api");
	assert_ptr_equal(roster_leader(shared, "api"), api);
	assert_false(roster_leads(shared, 0));
	roster_give_lead(web, 7);
	roster_give_lead(api, 8);
	assert_true(roster_leads(shared, 7));
	assert_true(roster_leads(shared, 8));
	roster_take_lead(web);
	assert_false(roster_leads(shared, 7));
	assert_int_equal(web->former, 7);
	roster_give_lead(web, 9);
	assert_true(roster_leads(shared, 9));
	assert_false(roster_leads(shared, 7));
	/* of another pool by now */
	roster_name_leader(shared, api, "new");
	assert_null(roster_leader(shared, "api"));
	assert_false(roster_leads(shared, 8));
	assert_int_equal(api->former, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_is_there_before_the_first, fresh),
		cmocka_unit_test_setup(the_newest_whole_one_is_read, fresh),
		cmocka_unit_test_setup(a_writer_that_died_leaves_the_one_before,
		    fresh),
		cmocka_unit_test_setup(counts_and_versions_are_not_trusted,
		    fresh),
		cmocka_unit_test_setup(a_reader_that_is_overtaken_sees_it, fresh),
		cmocka_unit_test_setup(one_leads_a_pool, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
