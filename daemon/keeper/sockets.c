/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* sockets.c: how a listening socket is made; see sockets.h. */
#include "daemon/keeper/sockets.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fd.h"

union address
socket_address(const struct listener *listener)
{
	union address address;

	memcpy(address.bytes, listener->address, sizeof(address.bytes));
	return address;
}

int
socket_hide(const struct listener *listener, const struct sockaddr_un *un,
    struct sockaddr_un *hidden)
{
	const char *slash = strrchr(un->sun_path, '/');
	int n;

	memset(hidden, 0, sizeof(*hidden));
	hidden->sun_family = AF_UNIX;
	if (slash == NULL)
		return -EINVAL;
	n = snprintf(hidden->sun_path, sizeof(hidden->sun_path), "%.*s/.%u",
	    (int)(slash - un->sun_path), un->sun_path, listener->id);
	return n < 0 || (size_t)n >= sizeof(hidden->sun_path) ?
	    -ENAMETOOLONG : 0;
}

static int
set_option(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ?
	    -errno : 0;
}

static int
scaled_s(unsigned s)
{
	int scaled = (int)(clock_scaled_ms(s * 1000) / 1000);

	return scaled > 0 ? scaled : 1;
}

int
socket_tune(int fd)
{
	int rc = set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);

	if (rc == 0)
		rc = set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	if (rc == 0)
		rc = set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, scaled_s(60));
	if (rc == 0)
		rc = set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, scaled_s(10));
	if (rc == 0)
		rc = set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
	if (rc == 0)
		rc = fd_set_untaken(fd, 0);
	return rc;
}

int
socket_share(int fd)
{
	return set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
}

/* A path is replaced only if it is a socket that nobody listens on. */
static int
check_path(const struct sockaddr_un *un, socklen_t len, int type)
{
	struct stat st;
	int fd, rc = 0;

	if (lstat(un->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)un, len) == 0 ||
	    errno == EAGAIN)
		rc = -EADDRINUSE;
	close(fd);
	return rc;
}

/*
 * Bind under a name that nobody knows, make it what it should be, then rename:
 * whoever sees the path sees a socket with the right owner and mode.
 */
static int
bind_path(int fd, const struct sockaddr_un *un, struct listener *listener)
{
	struct sockaddr_un hidden;
	struct stat st;
	mode_t mask;
	int rc = socket_hide(listener, un, &hidden);

	if (rc != 0)
		return rc;
	if (unlink(hidden.sun_path) < 0 && errno != ENOENT)
		return -errno;
	if (fchmod(fd, listener->mode & 0777) < 0)
		return -errno;
	mask = umask(0);
	if (bind(fd, (struct sockaddr *)&hidden, sizeof(hidden)) < 0)
		rc = -errno;
	umask(mask);
	if (rc != 0)
		return rc;
	/* Not root: accounts of the file are ignored, it is the caller's. */
	if ((geteuid() == 0 &&
	    lchown(hidden.sun_path, (uid_t)-1, listener->gid) < 0) ||
	    (listener->type == BIND_STREAM &&
	    listen(fd, (int)listener->backlog) < 0) ||
	    rename(hidden.sun_path, un->sun_path) < 0 ||
	    lstat(un->sun_path, &st) < 0) {
		rc = -errno;
		unlink(hidden.sun_path);
		return rc;
	}
	listener->path = file_id_of(&st);
	return 0;
}

/* Are there others of ours at the address of this one? */
static int
is_one_of_several(const struct keeper *k, const struct listener *listener)
{
	for (unsigned i = 0; i < KEEPER_LISTENERS_MAX; i++) {
		const struct listener *other = &k->listeners[i];

		if (other->fd >= 0 && other->id != listener->id &&
		    other->type == listener->type &&
		    other->flags & BIND_REUSEPORT &&
		    other->address_len == listener->address_len &&
		    memcmp(other->address, listener->address,
		    listener->address_len) == 0)
			return 1;
	}
	return 0;
}

/*
 * Of datagrams SO_REUSEADDR would let anybody share the address with us.  Where
 * one of ours is there, which is broken and open elsewhere, the new one is bound
 * beside it: what comes from then on is the new one's.
 */
static int
allow_reuse(int fd, const struct listener *listener)
{
	int rc = 0;

	if (listener->type == BIND_DGRAM && listener->fd < 0)
		return 0;
	if (listener->type == BIND_DGRAM)
		rc = set_option(listener->fd, SOL_SOCKET, SO_REUSEADDR, 1);
	return rc == 0 ? set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) : rc;
}

/* With SO_REUSEPORT whoever has our uid may join an address, and may have been
 * there before us: the first one binds without, so that it is refused then. */
static int
bind_inet(const struct keeper *k, int fd, union address *address,
    struct listener *listener)
{
	int rc = allow_reuse(fd, listener);
	int joins = is_one_of_several(k, listener);

	if (rc == 0 && listener->flags & BIND_REUSEPORT && joins)
		rc = socket_share(fd);
	if (rc == 0 && address->any.sa_family == AF_INET6)
		rc = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (rc == 0 && listener->type == BIND_STREAM)
		rc = socket_tune(fd);
	if (rc == 0 && bind(fd, &address->any, listener->address_len) < 0)
		rc = -errno;
	if (rc == 0 && listener->type == BIND_DGRAM)
		rc = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 0);
	if (rc == 0 && listener->flags & BIND_REUSEPORT && !joins)
		rc = socket_share(fd);
	if (rc == 0 && listener->type == BIND_STREAM &&
	    listen(fd, (int)listener->backlog) < 0)
		rc = -errno;
	return rc;
}

/* What the kernel would refuse in its own way, and what we never bind. */
static int
check_address(const struct listener *listener)
{
	union address address = socket_address(listener);
	size_t len = listener->address_len;

	if (listener->type != BIND_STREAM && listener->type != BIND_DGRAM)
		return -EINVAL;
	switch (address.any.sa_family) {
	case AF_INET:
		return len == sizeof(address.in) ? 0 : -EINVAL;
	case AF_INET6:
		return len == sizeof(address.in6) ? 0 : -EINVAL;
	case AF_UNIX:
		if (len <= offsetof(struct sockaddr_un, sun_path) + 1 ||
		    len > sizeof(address.un) ||
		    address.un.sun_path[0] != '/' ||
		    address.un.sun_path[sizeof(address.un.sun_path) - 1] != 0)
			return -EINVAL;
		return 0;
	default:
		return -EAFNOSUPPORT;
	}
}

int
socket_make(const struct keeper *k, struct listener *listener, int *made)
{
	union address address = socket_address(listener);
	int type = listener->type == BIND_DGRAM ? SOCK_DGRAM : SOCK_STREAM;
	int rc = check_address(listener), fd;

	if (rc == 0 && address.any.sa_family == AF_UNIX &&
	    !(listener->flags & BIND_CONTROL))
		rc = check_path(&address.un, listener->address_len, type);
	if (rc != 0)
		return rc;
	fd = socket(address.any.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);
	if (fd < 0)
		return -errno;
	rc = address.any.sa_family == AF_UNIX ?
	    bind_path(fd, &address.un, listener) :
	    bind_inet(k, fd, &address, listener);
	if (rc != 0)
		fd_close(&fd);
	else
		*made = fd;
	return rc;
}
