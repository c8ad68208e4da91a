/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * permission.c: roles from the credentials that the kernel took at connect().
 * Fails closed: what cannot be read is not granted.
 */
#include "daemon/control/permission.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

int
permission_is_preferred(const struct control_access *access, uid_t uid)
{
	return uid == 0 || uid == access->user;
}

enum access
permission_of(const struct control_access *access, uid_t uid, gid_t gid,
    const gid_t *groups, size_t group_count)
{
	if (permission_is_preferred(access, uid))
		return ACCESS_ADMIN;
	/* Before the groups: a plugin must not operate its own host. */
	for (size_t i = 0; i < access->worker_uid_count; i++) {
		if (access->worker_uids[i] == uid)
			return ACCESS_NONE;
	}
	if (access->group != (gid_t)-1) {
		if (gid == access->group)
			return ACCESS_OPERATE;
		for (size_t i = 0; i < group_count; i++) {
			if (groups[i] == access->group)
				return ACCESS_OPERATE;
		}
	}
	return access->read_all ? ACCESS_READ : ACCESS_NONE;
}

/* Of another account's process one may not see which program it is, only what
 * it calls itself: that in brackets. */
static void
permission_read_exe(struct peer *peer)
{
	char path[32], name[64];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)peer->pid);
	len = readlink(path, peer->exe, sizeof(peer->exe) - 1);
	peer->exe[len > 0 ? len : 0] = '\0';
	if (len > 0)
		return;
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)peer->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return;
	len = read(fd, name, sizeof(name));
	close(fd);
	if (len > 1)
		snprintf(peer->exe, sizeof(peer->exe), "[%.*s]", (int)len - 1,
		    name);
}

int
permission_read_peer(int fd, const struct control_access *access,
    struct peer *peer, struct errmsg *err)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	gid_t groups[PERMISSION_GROUPS];
	size_t count = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0 ||
	    len != sizeof(cred))
		return errmsg_errno(err, "cannot tell who connected");
	/* Too many groups, or a kernel that does not tell them: those of the
	 * group file are then not counted, which grants less. */
	len = sizeof(groups);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == 0)
		count = len / sizeof(groups[0]);
	peer->uid = cred.uid;
	peer->gid = cred.gid;
	peer->pid = cred.pid;
	peer->access = permission_of(access, cred.uid, cred.gid, groups, count);
	permission_read_exe(peer);
	return 0;
}

char *
permission_name(uid_t uid, char *out, size_t size)
{
	FILE *file = fopen("/etc/passwd", "re");
	const struct passwd *entry;

	snprintf(out, size, "uid %u", (unsigned)uid);
	if (file == NULL)
		return out;
	while ((entry = fgetpwent(file)) != NULL) {
		if (entry->pw_uid == uid) {
			snprintf(out, size, "%s", entry->pw_name);
			break;
		}
	}
	fclose(file);
	return out;
}
