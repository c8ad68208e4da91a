/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_leader.c: who leads a pool, and when another one may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base/check.h"
#include "daemon/supervisor/leader.h"

enum { READY = 1, CURRENT = 2, WELL = 4, ALL = READY | CURRENT | WELL };

static const struct {
	const char *spec;
	struct { uint64_t id; uint32_t slot; int is; } worker[4];
	uint64_t now, expect;
} cases[] = {
	{ "nobody is there", { { 0, 0, 0 } }, 0, 0 },
	{ "nobody is ready", { { 1, 0, CURRENT | WELL } }, 0, 0 },
	{ "the lowest slot", { { 5, 2, ALL }, { 6, 0, ALL }, { 7, 1, ALL } },
	    0, 6 },
	{ "whoever leads goes on", { { 5, 0, ALL }, { 6, 1, ALL } }, 6, 6 },
	{ "not one that drains", { { 5, 0, CURRENT | WELL }, { 6, 1, ALL } },
	    5, 6 },
	{ "one that is gone has a successor", { { 6, 1, ALL } }, 5, 6 },
	{ "one on trial is not named",
	    { { 5, 0, READY | WELL }, { 6, 1, ALL } }, 0, 6 },
	{ "alone, it is nobody", { { 5, 0, READY | WELL } }, 0, 0 },
	{ "one that was current goes on until it drains",
	    { { 5, 0, READY | WELL }, { 6, 0, ALL } }, 5, 5 },
	{ "one that stands still makes way",
	    { { 5, 0, READY | CURRENT }, { 6, 1, ALL } }, 5, 6 },
	{ "if there is somebody", { { 5, 0, READY | CURRENT } }, 5, 5 },
	{ "who is well, too", { { 5, 0, READY | CURRENT },
	    { 6, 1, READY | CURRENT } }, 5, 5 },
	{ "one that stands still is not named",
	    { { 5, 0, READY | CURRENT }, { 6, 1, ALL } }, 0, 6 },
};

static void
the_one_of_a_pool(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct leader_pick pick;

		leader_begin(&pick, cases[i].now);
		for (size_t w = 0; w < COUNT(cases[i].worker); w++)
			leader_see(&pick, &(struct leader_worker){
			    .id = cases[i].worker[w].id,
			    .slot = cases[i].worker[w].slot,
			    .ready = (cases[i].worker[w].is & READY) != 0,
			    .current = (cases[i].worker[w].is & CURRENT) != 0,
			    .well = (cases[i].worker[w].is & WELL) != 0 });
		if (leader_end(&pick) != cases[i].expect)
			fail_msg("%s: got %llu", cases[i].spec,
			    (unsigned long long)leader_end(&pick));
	}
}

static void
another_one_waits_for_its_last_callback(void **state)
{
	(void)state;
	assert_true(leader_is_out(true, 50, 100));	/* dead in it */
	assert_true(leader_is_out(false, 0, 100));
	assert_true(leader_is_out(false, 101, 100));	/* it was told then */
	assert_false(leader_is_out(false, 100, 100));
	assert_false(leader_is_out(false, 50, 100));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_one_of_a_pool),
		cmocka_unit_test(another_one_waits_for_its_last_callback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
