/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* fd.c: descriptors and the passing of them; see fd.h. */
#include "common/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/base/clock.h"

enum { UNTAKEN_MS = 30000 };

void
fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

void
fd_close_all(int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		fd_close(&fds[i]);
}

int
fd_set_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

int
fd_set_cloexec(int fd, int on)
{
	return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0 ? -errno : 0;
}

int
fd_seqpacket_pair(int pair[2])
{
	int type = SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK;

	return socketpair(AF_UNIX, type, 0, pair) < 0 ? -errno : 0;
}

int
fd_memfd(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	return fd < 0 ? -errno : fd;
}

enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL };

int
fd_seal(int fd)
{
	return fcntl(fd, F_ADD_SEALS, SEALS) < 0 ? -errno : 0;
}

int
fd_sealed(const char *name, const void *data, size_t len)
{
	int fd = fd_memfd(name), rc;

	if (fd < 0)
		return fd;
	rc = len > 0 ? fd_put(fd, data, len) : 0;
	if (rc == 0)
		rc = fd_seal(fd);
	if (rc == 0)
		return fd;
	fd_close(&fd);
	return rc;
}

int
fd_is_sealed(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & SEALS) == SEALS;
}

union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(FD_PASS_MAX * sizeof(int))];
};

int
fd_send(int sock, const void *data, size_t len, const int *fds, size_t count)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data,
	    .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control;
	ssize_t n;

	if (count > FD_PASS_MAX)
		return -EINVAL;
	if (count > 0) {
		struct cmsghdr *header = &control.header;

		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(header), fds, count * sizeof(int));
	}
	do {
		n = sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EMSGSIZE;
}

/* Collect the descriptors of a received message; returns how many. */
static size_t
take_fds(struct msghdr *msg, int fds[FD_PASS_MAX])
{
	size_t count = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL;
	    c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		if (n > FD_PASS_MAX - count)
			n = FD_PASS_MAX - count;
		memcpy(fds + count, CMSG_DATA(c), n * sizeof(int));
		count += n;
	}
	return count;
}

static ssize_t
receive(int sock, void *data, size_t size, int fds[FD_PASS_MAX],
    size_t *count, int flags)
{
	struct iovec iov = { .iov_base = data, .iov_len = size };
	union control control;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = &control, .msg_controllen = sizeof(control) };
	ssize_t n;
	size_t got;

	do {
		n = recvmsg(sock, &msg, flags | MSG_DONTWAIT |
		    MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	got = take_fds(&msg, fds);
	*count = got;
	if ((msg.msg_flags & MSG_CTRUNC) != 0) {
		fd_close_all(fds, got);
		*count = FD_LOST;
		/* there was a place for each, so they were too many */
		if (got == FD_PASS_MAX)
			return -EMSGSIZE;
	}
	/* Without a byte it would be taken for the end, and nobody looks for
	 * descriptors there. */
	if ((msg.msg_flags & MSG_TRUNC) != 0 || (n == 0 && got > 0)) {
		fd_close_all(fds, got);
		return -EMSGSIZE;
	}
	return n;
}

/* Descriptors that are lost are a fault. */
static ssize_t
whole(ssize_t n, size_t count)
{
	return n >= 0 && count == FD_LOST ? -EMSGSIZE : n;
}

ssize_t
fd_recv(int sock, void *data, size_t size, int fds[FD_PASS_MAX],
    size_t *count)
{
	return whole(receive(sock, data, size, fds, count, 0), *count);
}

ssize_t
fd_recv_lossy(int sock, void *data, size_t size, int fds[FD_PASS_MAX],
    size_t *count)
{
	return receive(sock, data, size, fds, count, 0);
}

ssize_t
fd_peek(int sock, void *data, size_t size, int fds[FD_PASS_MAX],
    size_t *count)
{
	return whole(receive(sock, data, size, fds, count, MSG_PEEK), *count);
}

ssize_t
fd_read(int fd, void *to, size_t size)
{
	ssize_t n;

	do {
		n = read(fd, to, size);
	} while (n < 0 && errno == EINTR);
	return n;
}

int
fd_put(int fd, const void *data, size_t len)
{
	ssize_t n;

	do {
		n = pwrite(fd, data, len, 0);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : (size_t)n == len ? 0 : -EIO;
}

int
fd_write_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int
fd_set_untaken(int fd, int64_t more_ms)
{
	int64_t ms = clock_scaled_ms(UNTAKEN_MS) + more_ms;
	int value = ms < INT_MAX ? (int)ms : INT_MAX;

	return setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &value,
	    sizeof(value)) < 0 ? -errno : 0;
}
