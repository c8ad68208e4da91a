/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* dues.c: see dues.h. */
#include "daemon/http/dues.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/errmsg.h"

static void
on_due(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	dues_run(arg);
}

void
dues_init(struct dues *dues, struct event_base *base,
    void (*run)(const struct due *due, void *ctx), void *ctx)
{
	memset(dues, 0, sizeof(*dues));
	dues->run = run;
	dues->ctx = ctx;
	event_assign(&dues->event, base, -1, 0, on_due, dues);
}

int
dues_promise(struct dues *dues)
{
	size_t size = dues->size == 0 ? 64 : dues->size * 2;
	struct due *rows;

	if (dues->first > 0) {
		dues->count -= dues->first;
		memmove(dues->rows, dues->rows + dues->first,
		    dues->count * sizeof(dues->rows[0]));
		dues->first = 0;
	}
	if (dues->count + dues->promised == dues->size) {
		rows = realloc(dues->rows, size * sizeof(rows[0]));
		if (rows == NULL)
			return ERR_MEMORY;
		dues->rows = rows;
		dues->size = size;
	}
	dues->promised++;
	return 0;
}

void
dues_add(struct dues *dues, const struct due *due)
{
	static const struct timeval now = { 0, 0 };

	CHECK(dues->promised > 0);
	dues->promised--;
	dues->rows[dues->count++] = *due;
	/* not event_active(): that is still this pass, and one that always asks
	 * for more would hold up all others */
	if (!event_pending(&dues->event, EV_TIMEOUT, NULL) &&
	    event_add(&dues->event, &now) != 0)
		event_active(&dues->event, EV_TIMEOUT, 0);
}

/* Each is taken out before it is made: it may promise more, add more, or come
 * here again. */
void
dues_run(struct dues *dues)
{
	dues->runs++;
	for (size_t left = dues->count - dues->first; left > 0 &&
	    dues->first < dues->count; left--) {
		struct due due = dues->rows[dues->first++];

		dues->run(&due, dues->ctx);
	}
	if (dues->first == dues->count)
		dues->first = dues->count = 0;
}

void
due_call(const struct due *due)
{
	switch ((enum due_kind)due->kind) {
	case DUE_NONE:
		break;
	case DUE_MEMORY:
		due->call.memory(due->data, due->arg);
		break;
	case DUE_FILE:
	case DUE_WORD:
		due->call.number(due->number, due->arg);
		break;
	}
}
