/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* ends.c: the descriptors of a child; see ends.h. */
#include "daemon/child/ends.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/fd.h"

enum { FILE_MODE = 0666 };	/* less the umask, as of any program */

/* ours: the end of the pair that stays here. */
static int
take_pair(struct ends *ends, int fd, const int pair[2], int ours)
{
	int rc = fd_set_nonblock(pair[ours]);

	ends->ours[fd] = pair[ours];
	ends->theirs[fd] = pair[!ours];
	return rc;
}

static int
open_pipe(struct ends *ends, int fd)
{
	int pair[2];

	if (pipe2(pair, O_CLOEXEC) < 0)
		return -errno;
	return take_pair(ends, fd, pair, fd == 0 ? 1 : 0);
}

static int
open_socket(struct ends *ends, int fd)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	return take_pair(ends, fd, pair, 0);
}

/* Never waits for the other side of a fifo: one that is written and that
 * nobody reads is -ENXIO. */
static int
open_file(struct ends *ends, int fd, const char *path)
{
	int flags = fd == 0 ? O_RDONLY : O_WRONLY | O_CREAT | O_APPEND;
	int file = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
	    FILE_MODE);

	if (file < 0)
		return -errno;
	ends->theirs[fd] = file;
	return fcntl(file, F_SETFL, flags & O_APPEND) < 0 ? -errno : 0;
}

static int
open_data(struct ends *ends, int fd, const void *data, size_t len)
{
	int file = fd_memfd("child-data"), rc;

	if (file < 0)
		return file;
	ends->theirs[fd] = file;
	rc = len > 0 ? fd_put(file, data, len) : 0;
	return rc != 0 ? rc : fd_seal(file);
}

static int
open_null(struct ends *ends, int fd)
{
	if (fd > 2)
		return 0;
	ends->theirs[fd] = open("/dev/null",
	    (fd == 0 ? O_RDONLY : O_WRONLY) | O_CLOEXEC);
	return ends->theirs[fd] < 0 ? -errno : 0;
}

static int
lend(struct ends *ends, int fd, int given)
{
	if (fcntl(given, F_GETFD) < 0)
		return -errno;
	ends->theirs[fd] = given;
	ends->borrowed[fd] = true;
	return 0;
}

static int
open_one(struct ends *ends, int fd, const struct cluster_stdio *stdio)
{
	switch (stdio->kind) {
	case CLUSTER_STDIO_PIPE:
	case CLUSTER_STDIO_LOG:
	case CLUSTER_STDIO_CAPTURE:
		return open_pipe(ends, fd);
	case CLUSTER_STDIO_SOCKET:
		return open_socket(ends, fd);
	case CLUSTER_STDIO_DEFAULT:
	case CLUSTER_STDIO_NULL:
		return open_null(ends, fd);
	case CLUSTER_STDIO_INHERIT:
		return fd > 2 ? 0 : lend(ends, fd, fd);
	case CLUSTER_STDIO_FD:
		return lend(ends, fd, stdio->fd);
	case CLUSTER_STDIO_FILE:
		return open_file(ends, fd, stdio->path);
	case CLUSTER_STDIO_DATA:
		return open_data(ends, fd, stdio->data, stdio->len);
	}
	return -EINVAL;
}

int
ends_open(struct ends *ends, const struct cluster_spawn *order)
{
	int rc = 0;

	for (int fd = 0; fd < CLUSTER_STDIO_COUNT; fd++) {
		ends->theirs[fd] = ends->ours[fd] = -1;
		ends->borrowed[fd] = false;
	}
	for (int fd = 0; fd < CLUSTER_STDIO_COUNT && rc == 0; fd++)
		rc = open_one(ends, fd, &order->stdio[fd]);
	if (rc != 0)
		ends_close(ends);
	return rc;
}

void
ends_close_theirs(struct ends *ends)
{
	for (int fd = 0; fd < CLUSTER_STDIO_COUNT; fd++) {
		if (!ends->borrowed[fd])
			fd_close(&ends->theirs[fd]);
		ends->theirs[fd] = -1;
	}
}

void
ends_close(struct ends *ends)
{
	ends_close_theirs(ends);
	fd_close_all(ends->ours, CLUSTER_STDIO_COUNT);
}
