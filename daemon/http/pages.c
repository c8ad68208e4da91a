/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* pages.c: see pages.h. */
#include "daemon/http/pages.h"

int
pages_add(struct pages *pages, const struct page_file *file)
{
	if (pages->count == PAGES_MAX)
		return -1;
	pages->files[pages->count] = *file;
	return (int)pages->count++;
}

void
pages_set(struct pages *pages, int status, int file)
{
	if (status >= PAGES_FIRST && status <= PAGES_LAST && file >= 0)
		pages->by_status[status - PAGES_FIRST] = (uint8_t)(file + 1);
}
