/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* logfile.c: opening a file for lines; see logfile.h. */
#include "daemon/journal/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/errmsg.h"
#include "common/base/file.h"

int
logfile_open(const char *what, const char *path, int *out, struct errmsg *err)
{
	/* Not waiting for the reader of a FIFO, which is refused below. */
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW |
	    O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0640);
	struct stat st;

	if (fd < 0 && errno == ELOOP)
		return errmsg_set(err, ERR_BAD_ARGUMENT,
		    "%s: %s is a symbolic link", what, path);
	if (fd < 0)
		return errmsg_errno(err, "%s: cannot open %s", what, path);
	if (fstat(fd, &st) != 0 || !file_takes_lines(&st) ||
	    (S_ISREG(st.st_mode) && st.st_nlink != 1)) {
		close(fd);
		return errmsg_set(err, ERR_BAD_ARGUMENT, "%s: %s is neither a "
		    "regular file with one name nor a device", what, path);
	}
	*out = fd;
	return 0;
}

bool
logfile_is_removed(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 0;
}
