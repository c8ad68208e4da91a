/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* choose.c: which worker gets the next connection; see choose.h. */
#include "daemon/supervisor/choose.h"

/* Index of the first choice behind slot `last`, 0 when there is none. */
static size_t
first_after(const struct choice *choices, size_t count, uint32_t last)
{
	size_t i = 0;

	while (i < count && choices[i].slot <= last)
		i++;
	return i < count ? i : 0;
}

static int
choose(const struct choice *choices, size_t count, uint32_t last, int least)
{
	size_t first = first_after(choices, count, last);
	int best = -1, willing_best = -1;

	for (size_t n = 0; n < count; n++) {
		size_t i = first + n < count ? first + n : first + n - count;
		const struct choice *c = &choices[i];
		int willing = !c->busy && !c->full;

		if (!c->room)
			continue;
		if (willing && (willing_best < 0 || (least &&
		    c->load < choices[willing_best].load)))
			willing_best = (int)i;
		if (best < 0 || (least && c->load < choices[best].load))
			best = (int)i;
		if (willing && !least)
			return (int)i;
	}
	return willing_best >= 0 ? willing_best : best;
}

int
choose_round_robin(const struct choice *choices, size_t count, uint32_t last)
{
	return choose(choices, count, last, 0);
}

int
choose_least(const struct choice *choices, size_t count, uint32_t last)
{
	return choose(choices, count, last, 1);
}
