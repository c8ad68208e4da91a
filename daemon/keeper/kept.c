/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* kept.c: named descriptors held for the next master; see kept.h. */
#include "daemon/keeper/kept.h"

#include <errno.h>

void
kept_init(struct keeper *k)
{
	for (unsigned i = 0; i < KEEPER_KEPT_MAX; i++)
		k->kept[i].fd = -1;
}

struct kept *
kept_find(struct keeper *k, uint32_t kind, uint64_t number)
{
	for (unsigned i = 0; i < KEEPER_KEPT_MAX; i++)
		if (k->kept[i].fd >= 0 && k->kept[i].kind == kind &&
		    k->kept[i].number == number)
			return &k->kept[i];
	return NULL;
}

int
kept_add(struct keeper *k, uint32_t kind, uint64_t number, int fd)
{
	struct kept *row = kept_find(k, kind, number);
	int rc = kind == KEPT_SNAPSHOT && !fd_is_sealed(fd) ? -EPERM : 0;

	for (unsigned i = 0; row == NULL && i < KEEPER_KEPT_MAX; i++)
		if (k->kept[i].fd < 0)
			row = &k->kept[i];
	if (rc == 0 && row == NULL)
		rc = -ENOSPC;
	if (rc != 0) {
		fd_close(&fd);
		return rc;
	}
	fd_close(&row->fd);
	*row = (struct kept){ .fd = fd, .kind = kind, .number = number };
	return 0;
}

int
kept_drop(struct keeper *k, uint32_t kind, uint64_t number)
{
	struct kept *row = kept_find(k, kind, number);

	if (row == NULL)
		return -ENOENT;
	fd_close(&row->fd);
	return 0;
}
