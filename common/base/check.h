/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * check.h: assertions about our own invariants; they stay on in every build.
 * Never for input from outside, which is refused instead.  In the keeper and
 * the master a failed CHECK ends the process; its successor continues.
 */
#ifndef CLUSTERD_BASE_CHECK_H
#define CLUSTERD_BASE_CHECK_H

#define CHECK(condition) do {						\
	if (__builtin_expect(!(condition), 0))				\
		check_failed(#condition, __FILE__, __LINE__);		\
} while (0)

/* Number of elements of an array. */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Writes one line to fd 2, async-signal-safe, and aborts. */
_Noreturn void check_failed(const char *condition, const char *file, int line);

/* Roles leave by _exit() or by a signal, where LeakSanitizer does not look:
 * in its builds they call this before, once all that is theirs is freed.  A leak
 * is told on fd 2 and ends the process.  Elsewhere it does nothing. */
void check_leaks(void);

#endif
