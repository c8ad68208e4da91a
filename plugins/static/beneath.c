/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* beneath.c: opening files below a directory; see beneath.h. */
#include "beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TRIES = 16 };

int
beneath_open(int root, const char *name, bool links, bool look)
{
	struct open_how how = {
		.flags = look ? O_PATH | O_CLOEXEC :
		    O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS |
		    (links ? 0 : RESOLVE_NO_SYMLINKS),
	};
	long fd = -1;

	/* EAGAIN: somebody renames on the way, while a link has ".." in it. */
	for (unsigned i = 0; i < TRIES; i++) {
		fd = syscall(SYS_openat2, root, name[0] == '\0' ? "." : name,
		    &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return fd < 0 ? -errno : (int)fd;
}

int
beneath_open_root(const char *directory)
{
	int root = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC), probe;

	if (root < 0)
		return -errno;
	probe = beneath_open(root, "", true, true);
	if (probe >= 0) {
		close(probe);
		return root;
	}
	close(root);
	return probe == -EPERM ? -ENOSYS : probe;
}
