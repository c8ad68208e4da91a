/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * digits.h: a number as decimal digits, for who cannot have snprintf(): each
 * request, and the handlers of signals.  All roles; pure.
 */
#ifndef CLUSTERD_BASE_DIGITS_H
#define CLUSTERD_BASE_DIGITS_H

#include <stddef.h>
#include <stdint.h>

enum { DIGITS_MAX = 20 };

/* They lie at its end.  A struct, as the compiler knows how long that is. */
struct digits {
	char text[DIGITS_MAX + 1];	/* terminated */
};

/* Returns the index where they begin. */
static inline size_t
digits_put(struct digits *digits, uint64_t number)
{
	size_t from = DIGITS_MAX;

	digits->text[from] = '\0';
	do {
		digits->text[--from] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	return from;
}

#endif
