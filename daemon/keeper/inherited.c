/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* inherited.c: the descriptors that we are started with; see inherited.h. */
#include "daemon/keeper/inherited.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/keeper/notify.h"

enum { FIRST_FD = 3, CLOSED_MAX = 1 << 20 };

static unsigned
count_given(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	long count = fds != NULL ? strtol(fds, NULL, 10) : 0;

	if (pid == NULL || strtol(pid, NULL, 10) != getpid() || count < 0)
		return 0;
	return count < INHERITED_MAX ? (unsigned)count : INHERITED_MAX;
}

static void
note(struct inherited *row, int fd, const char **names)
{
	size_t len = strcspn(*names, ":");

	row->fd = fd_set_cloexec(fd, 1) == 0 ? fd : -1;
	snprintf(row->name, sizeof(row->name), "%.*s", (int)len, *names);
	*names += len + ((*names)[len] == ':');
}

/* All that nobody told us about.  One by one where the kernel refuses: to the
 * soft limit, over which there is none unless it was lowered. */
static void
close_from(int first)
{
	struct rlimit files = { 0, 0 };

#ifdef SYS_close_range
	if (syscall(SYS_close_range, first, ~0U, 0) == 0)
		return;
#endif
	getrlimit(RLIMIT_NOFILE, &files);
	for (int fd = first; fd < (int)files.rlim_cur && fd < CLOSED_MAX; fd++)
		close(fd);
}

void
inherited_init(struct keeper *k)
{
	const char *names = getenv("LISTEN_FDNAMES");
	unsigned count = count_given();
	int fd;

	while ((fd = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0 && fd < 3)
		fd_set_cloexec(fd, 0);
	if (fd >= FIRST_FD + (int)count)
		close(fd);
	else if (fd >= 0)
		count = 0;	/* a hole where a socket should be */
	close_from(FIRST_FD + (int)count);
	names = names != NULL ? names : "";
	for (unsigned i = 0; i < count; i++)
		note(&k->inherited[i], FIRST_FD + (int)i, &names);
	k->inherited_count = count;
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

void
inherited_drop_stored(struct keeper *k)
{
	for (unsigned i = 0; i < k->inherited_count; i++) {
		struct inherited *row = &k->inherited[i];

		if (row->fd < 0 || !notify_is_stored(row->name))
			continue;
		notify_forget(k, row->name);
		fd_close(&row->fd);
	}
}
