/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* listeners.c: the listening sockets; see listeners.h. */
#include "daemon/keeper/listeners.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "daemon/keeper/notify.h"
#include "daemon/keeper/owner.h"

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
	uint8_t bytes[128];
};

void
listener_init(struct keeper *k)
{
	for (unsigned i = 0; i < KEEPER_LISTENERS_MAX; i++)
		k->listeners[i].fd = -1;
}

struct listener *
listener_find(struct keeper *k, uint32_t id)
{
	for (unsigned i = 0; i < KEEPER_LISTENERS_MAX; i++)
		if (k->listeners[i].fd >= 0 && k->listeners[i].id == id)
			return &k->listeners[i];
	return NULL;
}

static union address
address_of(const struct listener *listener)
{
	union address address;

	memcpy(address.bytes, listener->address, sizeof(address.bytes));
	return address;
}

uint32_t
listener_port(const struct listener *listener)
{
	union address address = address_of(listener);

	if (address.any.sa_family == AF_INET)
		return ntohs(address.in.sin_port);
	if (address.any.sa_family == AF_INET6)
		return ntohs(address.in6.sin6_port);
	return 0;
}

static void
describe(const struct listener *listener, char *text, size_t size)
{
	union address address = address_of(listener);
	char host[INET6_ADDRSTRLEN] = "?";

	switch (address.any.sa_family) {
	case AF_INET:
		inet_ntop(AF_INET, &address.in.sin_addr, host, sizeof(host));
		snprintf(text, size, "%s:%u", host, listener_port(listener));
		break;
	case AF_INET6:
		inet_ntop(AF_INET6, &address.in6.sin6_addr, host, sizeof(host));
		snprintf(text, size, "[%s]:%u", host, listener_port(listener));
		break;
	default:
		snprintf(text, size, "unix:%.107s", address.un.sun_path);
		break;
	}
}

/* What the kernel would refuse in its own way, and what we never bind. */
static int
check_address(const struct listener *listener)
{
	union address address = address_of(listener);
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

/* The name that a Unix socket is bound to before it is moved to its path; the
 * kernel calls it by that for ever. */
static int
hide(const struct listener *listener, const struct sockaddr_un *un,
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

/* -- sockets that a service manager gave us ------------------------------------ */

/* One that a keeper before us made and gave into the manager's store. */
static int
is_our_unix_socket(int fd, const struct listener *listener)
{
	union address wanted = address_of(listener), has = { .bytes = { 0 } };
	struct sockaddr_un hidden;
	socklen_t len = sizeof(has);

	return wanted.any.sa_family == AF_UNIX &&
	    getsockname(fd, &has.any, &len) == 0 &&
	    has.any.sa_family == AF_UNIX &&
	    hide(listener, &wanted.un, &hidden) == 0 &&
	    strncmp(has.un.sun_path, hidden.sun_path,
	    sizeof(has.un.sun_path)) == 0;
}

/* Its path, which is ours to unlink, must still be there. */
static int
find_path(struct listener *listener)
{
	union address address = address_of(listener);
	struct stat st;

	if (lstat(address.un.sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return -ENOENT;
	listener->dev = st.st_dev;
	listener->inode = st.st_ino;
	return 0;
}

static int
is_same_socket(int fd, const struct listener *listener)
{
	union address wanted = address_of(listener), has = { .bytes = { 0 } };
	socklen_t len = sizeof(has), type_len = sizeof(int);
	int type = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) < 0 ||
	    type != (listener->type == BIND_DGRAM ? SOCK_DGRAM :
	    SOCK_STREAM) || getsockname(fd, &has.any, &len) < 0 ||
	    has.any.sa_family != wanted.any.sa_family)
		return 0;
	switch (has.any.sa_family) {
	case AF_INET:
		return has.in.sin_port == wanted.in.sin_port &&
		    has.in.sin_addr.s_addr == wanted.in.sin_addr.s_addr;
	case AF_INET6:
		return has.in6.sin6_port == wanted.in6.sin6_port &&
		    memcmp(&has.in6.sin6_addr, &wanted.in6.sin6_addr,
		    sizeof(struct in6_addr)) == 0;
	default:
		return is_our_unix_socket(fd, listener) ||
		    strncmp(has.un.sun_path, wanted.un.sun_path,
		    sizeof(has.un.sun_path)) == 0;
	}
}

/* The inherited socket for this listener, by name or by address, or -1. */
static int
take_inherited(struct keeper *k, const struct listener *listener)
{
	for (unsigned i = 0; i < k->inherited_count; i++) {
		struct inherited *row = &k->inherited[i];
		int fd = row->fd;

		if (fd < 0)
			continue;
		if (listener->flags & BIND_INHERITED ?
		    strncmp((const char *)listener->address, row->name,
		    sizeof(row->name)) != 0 : !is_same_socket(fd, listener))
			continue;
		row->fd = -1;
		return fd;
	}
	return -1;
}

uint32_t
listener_count_more(const struct keeper *k, const struct listener *listener)
{
	uint32_t count = 0;

	for (unsigned i = 0; i < k->inherited_count; i++)
		count += k->inherited[i].fd >= 0 &&
		    is_same_socket(k->inherited[i].fd, listener);
	return count;
}

/* -- sockets of our own ---------------------------------------------------------- */

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

/* What every connection inherits from its listener: small pieces go at once,
 * and a peer that is gone without a word is noticed, whether it owes us an
 * acknowledgement (30 s) or nothing (60 s, then three probes, 10 s apart). */
static int
tune_stream(int fd)
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
		rc = set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
		    scaled_s(30) * 1000);
	return rc;
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
	int rc = hide(listener, un, &hidden);

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
	listener->dev = st.st_dev;
	listener->inode = st.st_ino;
	return 0;
}

/* Are there others of ours at the address of this one? */
static int
is_one_of_several(const struct keeper *k, const struct listener *listener)
{
	for (unsigned i = 0; i < KEEPER_LISTENERS_MAX; i++) {
		const struct listener *other = &k->listeners[i];

		if (other->fd >= 0 && other->id != listener->id &&
		    other->flags & BIND_REUSEPORT &&
		    other->address_len == listener->address_len &&
		    memcmp(other->address, listener->address,
		    listener->address_len) == 0)
			return 1;
	}
	return 0;
}

/* With SO_REUSEPORT whoever has our uid may join an address, and may have been
 * there before us: the first one binds without, so that it is refused then. */
static int
bind_inet(const struct keeper *k, int fd, union address *address,
    struct listener *listener)
{
	int rc = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	int joins = is_one_of_several(k, listener);

	if (rc == 0 && listener->flags & BIND_REUSEPORT && joins)
		rc = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (rc == 0 && address->any.sa_family == AF_INET6)
		rc = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (rc == 0 && listener->type == BIND_STREAM)
		rc = tune_stream(fd);
	if (rc == 0 && bind(fd, &address->any, listener->address_len) < 0)
		rc = -errno;
	if (rc == 0 && listener->flags & BIND_REUSEPORT && !joins)
		rc = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (rc == 0 && listener->type == BIND_STREAM &&
	    listen(fd, (int)listener->backlog) < 0)
		rc = -errno;
	return rc;
}

static int
make_socket(const struct keeper *k, struct listener *listener, int *made)
{
	union address address = address_of(listener);
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

/* Port 0 is resolved once and is the address from then on. */
static void
read_back(struct listener *listener, int fd)
{
	union address address = { .bytes = { 0 } };
	socklen_t len = sizeof(address);

	if (getsockname(fd, &address.any, &len) < 0 ||
	    (address.any.sa_family == AF_UNIX &&
	    !(listener->flags & BIND_INHERITED)))
		return;
	memcpy(listener->address, address.bytes, sizeof(listener->address));
	listener->address_len = len <= sizeof(address) ? len : sizeof(address);
}

static int
explain(const struct listener *listener, int rc, struct errmsg *err)
{
	char text[160], owner[160] = "";

	if (listener->flags & BIND_INHERITED) {
		errmsg_set(err, ERR_NOT_FOUND, "cannot use fd:%.63s: the "
		    "service manager gave no such socket",
		    (const char *)listener->address);
		return rc;
	}
	describe(listener, text, sizeof(text));
	if (rc == -EADDRINUSE && listener->type == BIND_STREAM &&
	    listener_port(listener) != 0)
		owner_of_port(listener_port(listener), owner, sizeof(owner));
	errmsg_set(err, ERR_SYSTEM, "cannot bind %s: %s%s%s", text,
	    strerror(-rc), *owner != '\0' ? ", by " : "", owner);
	return rc;
}

/* The path of a listener, and not what somebody may have put there instead:
 * its folder need not be ours. */
static int
open_path(const struct listener *listener)
{
	union address address = address_of(listener);
	int fd = open(address.un.sun_path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && st.st_dev == listener->dev &&
	    st.st_ino == listener->inode)
		return fd;
	close(fd);
	return -ENOENT;
}

static int
set_rights(struct listener *listener, uint32_t mode, uint32_t gid)
{
	int fd = open_path(listener), rc = 0;
	char path[32];

	if (fd < 0)
		return fd;
	/* Of an O_PATH descriptor the mode is changed by this name alone. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if ((geteuid() == 0 && fchownat(fd, "", (uid_t)-1, gid,
	    AT_EMPTY_PATH) < 0) || chmod(path, mode & 0777) < 0)
		rc = -errno;
	close(fd);
	if (rc != 0)
		return rc;
	listener->mode = mode;
	listener->gid = gid;
	return 0;
}

/* One that is there gets what is new of it. */
static int
change(struct listener *listener, const struct keeper_msg_bind *request)
{
	if (listener->type == BIND_STREAM &&
	    listener->backlog != request->backlog) {
		if (listen(listener->fd, (int)request->backlog) < 0)
			return -errno;
		listener->backlog = request->backlog;
	}
	if (listener->inode == 0 || (listener->mode == request->mode &&
	    listener->gid == request->gid))
		return 0;
	return set_rights(listener, request->mode, request->gid);
}

/* One more socket of an address is as the first one is, which has a port where 0
 * was asked for. */
static int
join_address(struct keeper *k, struct listener *made)
{
	const struct listener *first;
	uint32_t id = made->id;

	if (KEEPER_LISTENER_SOCKET(id) == 0)
		return 0;
	first = listener_find(k, KEEPER_LISTENER_ADDRESS(id));
	if (first == NULL || !(first->flags & BIND_REUSEPORT))
		return -EINVAL;
	*made = *first;
	made->fd = -1;
	made->id = id;
	return 0;
}

/* From the service manager where it has one, else one of our own. */
static int
get_socket(struct keeper *k, struct listener *made)
{
	int rc = join_address(k, made);

	if (rc != 0)
		return rc;
	made->fd = take_inherited(k, made);
	if (made->fd >= 0 && is_our_unix_socket(made->fd, made) &&
	    find_path(made) != 0)
		fd_close(&made->fd);	/* nobody can reach it */
	if (made->fd < 0)
		return made->flags & BIND_INHERITED ? -ENOENT :
		    make_socket(k, made, &made->fd);
	tune_stream(made->fd);		/* no matter if it is not of TCP */
	if (made->flags & BIND_REUSEPORT)
		rc = set_option(made->fd, SOL_SOCKET, SO_REUSEPORT, 1);
	return rc == 0 ? fd_set_nonblock(made->fd) : rc;
}

static struct listener *
find_free(struct keeper *k)
{
	for (unsigned i = 0; i < KEEPER_LISTENERS_MAX; i++)
		if (k->listeners[i].fd < 0)
			return &k->listeners[i];
	return NULL;
}

int
listener_bind(struct keeper *k, const struct keeper_msg_bind *request,
    struct listener **listener, struct errmsg *err)
{
	struct listener made = { .fd = -1, .id = request->listener,
	    .flags = request->flags, .type = request->type,
	    .mode = request->mode, .gid = request->gid,
	    .backlog = request->backlog, .address_len = request->address_len };
	struct listener *row = listener_find(k, request->listener);
	int rc = 0;

	if (row != NULL) {
		*listener = row;
		rc = change(row, request);
		return rc == 0 ? 0 : explain(row, rc, err);
	}
	if ((row = find_free(k)) == NULL) {
		errmsg_set(err, ERR_FULL, "more than %d listeners",
		    KEEPER_LISTENERS_MAX);
		return -ENOSPC;
	}
	memcpy(made.address, request->address, sizeof(made.address));
	made.address[sizeof(made.address) - 1] = 0;
	if ((rc = get_socket(k, &made)) != 0) {
		fd_close(&made.fd);
		return explain(&made, rc, err);
	}
	read_back(&made, made.fd);
	*row = made;
	*listener = row;
	notify_store_listener(k, row);
	return 0;
}

int
listener_remake(struct keeper *k, struct listener *listener,
    struct errmsg *err)
{
	int fd = -1, rc;

	/* Our own is in the way of the new one, and is broken: first it goes. */
	if (listener->flags & BIND_INHERITED) {
		errmsg_set(err, ERR_FAILED, "a socket of the service manager "
		    "cannot be made again");
		return -EOPNOTSUPP;
	}
	shutdown(listener->fd, SHUT_RDWR);
	rc = make_socket(k, listener, &fd);
	if (rc != 0)
		return explain(listener, rc, err);
	notify_forget_listener(k, listener);
	close(listener->fd);
	listener->fd = fd;
	notify_store_listener(k, listener);
	return 0;
}

void
listener_close(struct listener *listener)
{
	union address address = address_of(listener);
	struct stat st;

	if (address.any.sa_family == AF_UNIX && listener->inode != 0 &&
	    lstat(address.un.sun_path, &st) == 0 &&
	    st.st_dev == listener->dev && st.st_ino == listener->inode)
		unlink(address.un.sun_path);
	fd_close(&listener->fd);
}
