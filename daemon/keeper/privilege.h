/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* privilege.h: what the keeper does to itself at start. */
#ifndef CLUSTERD_KEEPER_PRIVILEGE_H
#define CLUSTERD_KEEPER_PRIVILEGE_H

#include "common/base/errmsg.h"

/*
 * As many descriptors as we may have; orphans come to us; not to be traced or
 * dumped (test builds stay so).  As root: of all capabilities only those that
 * the keeper needs, the kernel's out-of-memory killer looks elsewhere, and the
 * CPU comes to us before it comes to workers (priority.h).  0, or an error: a
 * daemon that cannot drop what it must does not start.
 */
int privilege_reduce(int privileged, struct errmsg *err);

#endif
