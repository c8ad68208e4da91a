/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_gate.c: who is let in to a route that is shut. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/clock.h"
#include "daemon/plugin/gate.h"

enum { ROUTE = 4 };

static struct gates gates;
static const uint64_t now = 100 * NS_PER_S;

static int
one_is_shut(void **state)
{
	(void)state;
	memset(&gates, 0, sizeof(gates));
	gates_shut(&gates, ROUTE, now);
	assert_int_equal(gates.count, 1);
	return 0;
}

static void
others_pass(void **state)
{
	(void)state;
	assert_int_equal(gates_look(&gates, 3, now), GATE_PASS);
	assert_int_equal(gates_look(&gates, ROUTE, now - 1), GATE_REFUSE);
	gates_open(&gates, ROUTE);
	gates_open(&gates, ROUTE);
	assert_int_equal(gates.count, 0);
	assert_int_equal(gates_look(&gates, ROUTE, now), GATE_PASS);
}

static void
asking_is_bounded(void **state)
{
	(void)state;
	gates_shut(&gates, 5, now);
	assert_int_equal(gates_look(&gates, ROUTE, now), GATE_REFUSE_AND_ASK);
	assert_int_equal(gates_look(&gates, 5, now + 1), GATE_REFUSE);
	assert_int_equal(gates_look(&gates, 5, now + 250 * NS_PER_MS),
	    GATE_REFUSE_AND_ASK);
}

static void
one_probe_passes(void **state)
{
	(void)state;
	gates_leave(&gates, ROUTE, now + 5);
	gates_shut(&gates, ROUTE, now);			/* told again */
	assert_int_equal(gates_look(&gates, ROUTE, now), GATE_PASS_AS_PROBE);
	gates_shut(&gates, ROUTE, now);
	gates_leave(&gates, ROUTE, now + 9);
	assert_int_equal(gates_look(&gates, ROUTE, now), GATE_REFUSE);
	assert_int_equal(gates_take_back(&gates, now + 100), 0);
	gates_end_probe(&gates, ROUTE);
	assert_int_equal(gates_look(&gates, ROUTE, now), GATE_REFUSE_AND_ASK);
}

static void
leave_that_nobody_uses_is_given_back(void **state)
{
	(void)state;
	gates_leave(&gates, ROUTE, now + 5);
	gates_leave(&gates, 9, now);			/* not shut here */
	assert_int_equal(gates_take_back(&gates, now + 4), 0);
	assert_int_equal(gates_take_back(&gates, now + 5), ROUTE);
	assert_int_equal(gates_take_back(&gates, now + 5), 0);
	assert_int_equal(gates_look(&gates, ROUTE, now + 6),
	    GATE_REFUSE_AND_ASK);
}

static void
there_are_only_so_many(void **state)
{
	(void)state;
	for (unsigned route = 0; route < 100; route++)
		gates_shut(&gates, route, now);
	assert_int_equal(gates.count, GATES_MAX);
	assert_int_equal(gates_look(&gates, 99, now), GATE_PASS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(others_pass, one_is_shut),
		cmocka_unit_test_setup(asking_is_bounded, one_is_shut),
		cmocka_unit_test_setup(one_probe_passes, one_is_shut),
		cmocka_unit_test_setup(leave_that_nobody_uses_is_given_back,
		    one_is_shut),
		cmocka_unit_test_setup(there_are_only_so_many, one_is_shut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
