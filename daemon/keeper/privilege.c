/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* privilege.c: what the keeper does to itself at start; see privilege.h. */
#include "daemon/keeper/privilege.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/check.h"
#include "daemon/keeper/priority.h"

enum { CAPS_MAX = 64 };		/* bits of a set */

static const int kept_capabilities[] = { CAP_SETUID, CAP_SETGID, CAP_SETPCAP,
	CAP_KILL, CAP_CHOWN, CAP_FOWNER, CAP_DAC_OVERRIDE,
	CAP_NET_BIND_SERVICE, CAP_SYS_RESOURCE, CAP_SYS_NICE };

/* What a call says is not believed: it is read back. */
static int
check_capabilities(uint64_t keep, struct errmsg *err)
{
	struct __user_cap_header_struct header = {
	    .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	uint64_t has;

	if (syscall(SYS_capget, &header, data) < 0)
		return errmsg_errno(err, "capget");
	has = data[0].permitted | data[0].effective | data[0].inheritable |
	    (uint64_t)(data[1].permitted | data[1].effective |
	    data[1].inheritable) << 32;
	if ((has & ~keep) != 0)
		return errmsg_set(err, ERR_SYSTEM, "cannot drop capabilities: "
		    "they are still there");
	return 0;
}

/* A container may have given us fewer; what it gave beyond the list goes. */
static int
drop_capabilities(struct errmsg *err)
{
	struct __user_cap_header_struct header = {
	    .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	uint64_t keep = 0;

	for (size_t i = 0; i < COUNT(kept_capabilities); i++)
		keep |= 1ULL << kept_capabilities[i];
	for (int cap = 0; cap < CAPS_MAX &&
	    prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (!(keep >> cap & 1) &&
		    prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return errmsg_errno(err, "cannot drop capability %d",
			    cap);
	if (syscall(SYS_capget, &header, data) < 0)
		return errmsg_errno(err, "capget");
	for (int i = 0; i < 2; i++) {
		uint32_t mask = (uint32_t)(keep >> 32 * i);

		data[i].permitted &= mask;
		data[i].effective &= mask;
		data[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &header, data) < 0)
		return errmsg_errno(err, "cannot drop capabilities");
	return check_capabilities(keep, err);
}

/* Failing is not fatal: a container may not let us. */
static void
spare_from_oom(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	ssize_t ignored;

	if (fd < 0)
		return;
	ignored = write(fd, "-500", 4);
	(void)ignored;
	close(fd);
}

int
privilege_reduce(int privileged, struct errmsg *err)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return errmsg_errno(err, "cannot become the subreaper");
#ifndef CLUSTERD_FAILPOINTS
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return errmsg_errno(err, "cannot clear the dumpable flag");
#endif
	if (!privileged)
		return 0;
	spare_from_oom();
	priority_raise();
	return drop_capabilities(err);
}
