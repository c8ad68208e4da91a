/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * permission.h: who is at the other end of a control connection, and what he
 * may do.
 */
#ifndef CLUSTERD_CONTROL_PERMISSION_H
#define CLUSTERD_CONTROL_PERMISSION_H

#include <sys/types.h>

#include "common/base/errmsg.h"
#include "common/table/table.h"
#include "daemon/control/control.h"

enum { PERMISSION_GROUPS = 256 };	/* of a peer; more are not looked at */

struct peer {
	uid_t uid;
	gid_t gid;
	pid_t pid;
	enum access access;	/* ACCESS_NONE: refused */
	char exe[256];		/* of the process, or [its name]; "": unknown */
};

/* What an account may do.  Pure. */
enum access permission_of(const struct control_access *access, uid_t uid,
    gid_t gid, const gid_t *groups, size_t group_count);

/* True for the accounts that two places are kept for. */
int permission_is_preferred(const struct control_access *access, uid_t uid);

/* Ask the kernel who connected.  0, or an ERR_ code: then nobody is let in. */
int permission_read_peer(int fd, const struct control_access *access,
    struct peer *peer, struct errmsg *err);

/* Name of an account from the local file (no directory service is asked, that
 * could block), else "uid 1000".  Returns out, terminated. */
char *permission_name(uid_t uid, char *out, size_t size);

#endif
