/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_owner.c: which worker polls which socket of a reuseport address. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/check.h"
#include "daemon/supervisor/owner.h"

enum { LETTERS = 5 };
static const char letters[LETTERS + 1] = "rsp.n";

/*
 * One letter a slot, from 0: r READY, s stalled, p paused, . not READY; n: it and
 * a successor, both READY.  The id of a worker is 10 and its slot, that of a
 * successor 20 and its slot.
 */
static size_t
make(const char *spec, struct owner_worker *workers)
{
	size_t n = 0;

	for (uint32_t slot = 0; spec[slot] != '\0'; slot++) {
		char c = spec[slot];

		workers[n++] = (struct owner_worker){ .slot = slot,
		    .id = 10 + slot, .ready = c != '.', .stalled = c == 's',
		    .paused = c == 'p' };
		if (c == 'n')
			workers[n++] = (struct owner_worker){ .slot = slot,
			    .id = 20 + slot, .ready = 1 };
	}
	return n;
}

static const struct {
	const char *what, *workers;
	uint64_t owners[6];	/* of sockets 0..; 0: no more */
} cases[] = {
	{ "each its own", "rrrr", { 10, 11, 12, 13 } },
	{ "one is gone: number 2 of the other three", "rr.r",
	    { 10, 11, 13, 13 } },
	{ "stalled as if gone", "rrsr", { 10, 11, 13, 13 } },
	{ "paused as if gone", "prrr", { 11, 11, 12, 13 } },
	{ "two are left for four", "rr..", { 10, 11, 10, 11 } },
	{ "fewer slots than sockets", "rr", { 10, 11, 10, 11, 10, 11 } },
	{ "one for all", "..r.", { 12, 12, 12, 12, 12 } },
	{ "the successor polls, not who serves beside it", "rnr",
	    { 10, 21, 12 } },
	{ "all stalled is better than nobody", "ss", { 10, 11, 10 } },
	{ "a stalled one where the other is paused", "ps", { 11, 11 } },
	{ "nobody: all are paused", "pp", { 0, 0 } },
	{ "nobody is READY", "..", { 0, 0, 0 } },
	{ "no worker at all", "", { 0 } },
};

static void
each_socket_has_its_owner(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct owner_worker workers[16];
		size_t count = owner_choose(workers,
		    make(cases[i].workers, workers));

		for (uint32_t s = 0; s < COUNT(cases[i].owners) && (s == 0 ||
		    cases[i].owners[s] != 0); s++)
			if (owner_of(s, workers, count) != cases[i].owners[s])
				fail_msg("%s: socket %u has %d", cases[i].what,
				    s, (int)owner_of(s, workers, count));
	}
}

/* One of the READY that may serve, and its slot's where that is one of them. */
static void
check_owner(const char *spec, uint32_t socket, uint64_t owner)
{
	const char *best = strpbrk(spec, "rn") != NULL ? "rn" : "s";
	size_t slot = (size_t)(owner % 10), slots = strlen(spec);

	if (strpbrk(spec, "rns") == NULL) {
		assert_int_equal(owner, 0);
		return;
	}
	assert_true(owner >= 10 && slot < slots);
	assert_non_null(strchr(best, spec[slot]));
	assert_int_equal(owner / 10, spec[slot] == 'n' ? 2 : 1);
	if (socket < slots && strchr(best, spec[socket]) != NULL)
		assert_int_equal(slot, socket);
}

/* All pools of up to five slots, with up to eight sockets. */
static void
there_is_one_if_anybody_is_ready(void **state)
{
	(void)state;
	for (unsigned slots = 0; slots <= 5; slots++) {
		unsigned all = 1;

		for (unsigned i = 0; i < slots; i++)
			all *= LETTERS;
		for (unsigned number = 0; number < all; number++) {
			struct owner_worker workers[16];
			char spec[8] = "";
			unsigned rest = number;
			size_t count;

			for (unsigned i = 0; i < slots; i++, rest /= LETTERS)
				spec[i] = letters[rest % LETTERS];
			count = owner_choose(workers, make(spec, workers));
			for (uint32_t s = 0; s < 8; s++)
				check_owner(spec, s, owner_of(s, workers,
				    count));
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_socket_has_its_owner),
		cmocka_unit_test(there_is_one_if_anybody_is_ready),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
