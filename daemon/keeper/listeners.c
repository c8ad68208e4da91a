/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* listeners.c: the listening sockets; see listeners.h. */
#include "daemon/keeper/listeners.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/keeper/inherited.h"
#include "daemon/keeper/notify.h"
#include "daemon/keeper/owner.h"
#include "daemon/keeper/sockets.h"

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

uint32_t
listener_port(const struct listener *listener)
{
	union address address = socket_address(listener);

	if (address.any.sa_family == AF_INET)
		return ntohs(address.in.sin_port);
	if (address.any.sa_family == AF_INET6)
		return ntohs(address.in6.sin6_port);
	return 0;
}

static void
describe(const struct listener *listener, char *text, size_t size)
{
	union address address = socket_address(listener);
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
	union address address = socket_address(listener);
	int fd = open(address.un.sun_path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (file_is_at(fd, &listener->path))
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
	if (listener->path.ino == 0 || (listener->mode == request->mode &&
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
	made->fd = inherited_take(k, made);
	if (made->fd < 0)
		return made->flags & BIND_INHERITED ? -ENOENT :
		    socket_make(k, made, &made->fd);
	socket_tune(made->fd);		/* no matter if it is not of TCP */
	if (made->flags & BIND_REUSEPORT)
		rc = socket_share(made->fd);
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
	rc = socket_make(k, listener, &fd);
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
	union address address = socket_address(listener);
	struct stat st;

	if (address.any.sa_family == AF_UNIX && listener->path.ino != 0 &&
	    lstat(address.un.sun_path, &st) == 0 &&
	    file_is(&st, &listener->path))
		unlink(address.un.sun_path);
	fd_close(&listener->fd);
}
