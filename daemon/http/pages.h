/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * pages.h: bodies for answers of the host itself, by their status, in memory that
 * outlives all connections.
 */
#ifndef DAEMON_HTTP_PAGES_H
#define DAEMON_HTTP_PAGES_H

#include <stddef.h>
#include <stdint.h>

enum { PAGES_FIRST = 400, PAGES_LAST = 599, PAGES_MAX = 64 };

struct page_file {
	const char *type;		/* its Content-Type */
	const char *data;
	size_t len;
};

/* All zero: none. */
struct pages {
	struct page_file files[PAGES_MAX];
	unsigned count;
	uint8_t by_status[PAGES_LAST + 1 - PAGES_FIRST];	/* + 1 */
};

/* A file that further statuses may name; its number, or -1: too many. */
int pages_add(struct pages *pages, const struct page_file *file);
void pages_set(struct pages *pages, int status, int file);

/* NULL: none for it. */
static inline const struct page_file *
pages_find(const struct pages *pages, int status)
{
	unsigned number = status < PAGES_FIRST || status > PAGES_LAST ? 0 :
	    pages->by_status[status - PAGES_FIRST];

	return number == 0 ? NULL : &pages->files[number - 1];
}

#endif
