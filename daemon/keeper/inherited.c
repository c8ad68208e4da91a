/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* inherited.c: the descriptors that we are started with; see inherited.h. */
#include "daemon/keeper/inherited.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/keeper/notify.h"
#include "daemon/keeper/sockets.h"

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

/* -- sockets for a listener ---------------------------------------------------- */

/* One that a keeper before us made and gave into the manager's store. */
static int
is_our_unix_socket(int fd, const struct listener *listener)
{
	union address wanted = socket_address(listener), has = { .bytes = { 0 } };
	struct sockaddr_un hidden;
	socklen_t len = sizeof(has);

	return wanted.any.sa_family == AF_UNIX &&
	    getsockname(fd, &has.any, &len) == 0 &&
	    has.any.sa_family == AF_UNIX &&
	    socket_hide(listener, &wanted.un, &hidden) == 0 &&
	    strncmp(has.un.sun_path, hidden.sun_path,
	    sizeof(has.un.sun_path)) == 0;
}

/* Its path, which is ours to unlink, must still be there. */
static int
find_path(struct listener *listener)
{
	union address address = socket_address(listener);
	struct stat st;

	if (lstat(address.un.sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return -ENOENT;
	listener->path = file_id_of(&st);
	return 0;
}

static int
is_same_socket(int fd, const struct listener *listener)
{
	union address wanted = socket_address(listener), has = { .bytes = { 0 } };
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

int
inherited_take(struct keeper *k, struct listener *listener)
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
		if (!is_our_unix_socket(fd, listener) ||
		    find_path(listener) == 0)
			return fd;
		close(fd);		/* nobody can reach it */
		return -1;
	}
	return -1;
}

uint32_t
inherited_count(const struct keeper *k, const struct listener *listener)
{
	uint32_t count = 0;

	for (unsigned i = 0; i < k->inherited_count; i++)
		count += k->inherited[i].fd >= 0 &&
		    is_same_socket(k->inherited[i].fd, listener);
	return count;
}
