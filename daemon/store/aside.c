/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* aside.c: unusable databases get another name; see aside.h. */
#include "daemon/store/aside.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/clock.h"

static const char mark[] = ".corrupt-";
/* The file itself last: when it is gone, all of it is. */
static const char *const parts[] = { "-wal", "-shm", "" };

/* scandir() has no argument for its filters: this runs in one thread. */
static const char *wanted;

static int
is_ours(const struct dirent *entry)
{
	size_t len = strlen(wanted);

	return strncmp(entry->d_name, wanted, len) == 0 &&
	    strncmp(entry->d_name + len, mark, sizeof(mark) - 1) == 0 &&
	    strchr(entry->d_name + len + sizeof(mark) - 1, '-') == NULL;
}

static void
remove_all(const char *dir, const char *name)
{
	char path[4400];

	for (size_t i = 0; i < COUNT(parts); i++) {
		snprintf(path, sizeof(path), "%s/%s%s", dir, name, parts[i]);
		(void)unlink(path);
	}
}

/* Keep the newest: the time in the name has a fixed width, so names sort. */
static void
limit_kept(const char *path)
{
	const char *slash = strrchr(path, '/');
	struct dirent **found;
	char dir[4096];
	int count;

	if (slash == NULL)
		return;
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	wanted = slash + 1;
	count = scandir(dir, &found, is_ours, alphasort);
	for (int i = 0; i < count; i++) {
		if (i < count - ASIDE_KEPT)
			remove_all(dir, found[i]->d_name);
		free(found[i]);
	}
	if (count >= 0)
		free(found);
}

int
aside_move(const char *path, char *out, size_t size)
{
	long long now = (long long)clock_wall_ms();
	char from[4400], to[4400];
	int moved = 0;

	for (size_t i = 0; i < COUNT(parts); i++) {
		snprintf(from, sizeof(from), "%s%s", path, parts[i]);
		snprintf(to, sizeof(to), "%s%s%013lld%s", path, mark, now,
		    parts[i]);
		if (rename(from, to) == 0)
			moved = 1;
		else if (errno != ENOENT)
			return -1;
	}
	if (!moved)
		return 0;
	snprintf(out, size, "%s%s%013lld", path, mark, now);
	limit_kept(path);
	return 0;
}
