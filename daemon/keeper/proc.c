/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* proc.c: names in directories of /proc; see proc.h. */
#include "daemon/keeper/proc.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

int
proc_each_number(const char *dir, int (*visit)(const char *dir,
    const char *name, void *context), void *context)
{
	char buffer[2048] __attribute__((aligned(8)));
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), found = 0;
	long n;

	if (fd < 0)
		return 0;
	while (found == 0 && (n = syscall(SYS_getdents64, fd, buffer,
	    sizeof(buffer))) > 0)
		for (long at = 0; found == 0 && at < n;) {
			struct dirent64 *entry = (void *)(buffer + at);

			at += entry->d_reclen;
			if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
				found = visit(dir, entry->d_name, context);
		}
	close(fd);
	return found;
}
