/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * aside.h: an unusable database and its two companions get another name, for
 * whoever wants to look into them.  Store thread.
 */
#ifndef CLUSTERD_STORE_ASIDE_H
#define CLUSTERD_STORE_ASIDE_H

#include <stddef.h>

enum { ASIDE_KEPT = 5 };	/* older ones are removed */

/*
 * Rename path, path-wal and path-shm to path.corrupt-TIME and so on, so that
 * the three still belong together.  0, with the new name of the file in out if
 * there was any of them; -1: errno.
 */
int aside_move(const char *path, char *out, size_t size);

#endif
