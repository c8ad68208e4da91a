/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * cgroup.c: kills for want of memory, as the kernel counts them; see cgroup.h.
 * A service manager may move us, so the path is read each time.
 */
#include "daemon/master/cgroup.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/master/master.h"
#include "daemon/supervisor/oom.h"

/* The beginning of a file of the kernel's. */
static bool
read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len, used = 0;

	if (fd < 0)
		return false;
	while ((size_t)used + 1 < size && (len = read(fd, buf + used,
	    size - 1 - (size_t)used)) > 0)
		used += len;
	close(fd);
	buf[used] = '\0';
	return used > 0;
}

static bool
read_count(char *path, size_t size, uint64_t *count)
{
	char text[32768], own[512];

	if (read_file("/proc/self/cgroup", text, sizeof(text)) &&
	    oom_parse_path(text, own, sizeof(own)) == 0) {
		snprintf(path, size, "/sys/fs/cgroup%s/memory.events", own);
		if (read_file(path, text, sizeof(text)) &&
		    oom_parse(text, count) == 0)
			return true;
	}
	snprintf(path, size, "/proc/vmstat");
	return read_file(path, text, sizeof(text)) &&
	    oom_parse(text, count) == 0;
}

static bool
look(struct master *m, uint64_t *count)
{
	static char last[600];
	char path[600];

	if (!read_count(path, sizeof(path), count))
		return false;
	if (strcmp(path, last) != 0)
		m->oom.known = 0;	/* counts of two files say nothing */
	memcpy(last, path, sizeof(last));
	return true;
}

void
cgroup_look(struct master *m)
{
	uint64_t count;

	if (look(m, &count))
		oom_look(&m->oom, count);
}

bool
cgroup_explains_kill(struct master *m)
{
	uint64_t count;

	return look(m, &count) && oom_explains(&m->oom, count);
}
