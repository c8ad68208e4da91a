/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * checker.h: what the first checker tells the keeper, version 1.
 *
 * With `--first` the checker parses the file, prints every error on fd 2 and
 * exits 78, or writes one struct checker_header to CHECKER_FD_KEEPER and waits
 * there for one byte, "go on", before it opens a plugin.  EOF instead: leave.
 * The keeper believes of it what passes its own checks.
 */
#ifndef CLUSTERD_PROTO_CHECKER_H
#define CLUSTERD_PROTO_CHECKER_H

#include <stddef.h>
#include <stdint.h>

enum {
	CHECKER_MAGIC = 0x68434c01, CHECKER_VERSION = 1,
	CHECKER_ACCOUNTS = 64, CHECKER_GROUPS = 32, CHECKER_PATH = 256,
	CHECKER_GO_ON = 'g',
};

/* One account a role may run as; its index is the number that SPAWN names. */
struct checker_account {
	uint32_t uid, gid;
	uint32_t ngroups;
	uint32_t groups[CHECKER_GROUPS];
	char name[32];
};

struct checker_header {
	uint32_t magic, version;
	uint32_t size;			/* of this struct */
	uint32_t count;			/* accounts in use */
	uint32_t user, worker_user;	/* indices in accounts */
	uint64_t orphan_grace_ms;
	char run_dir[CHECKER_PATH];	/* absolute */
	char state_dir[CHECKER_PATH];
	struct checker_account accounts[CHECKER_ACCOUNTS];
};

_Static_assert(sizeof(struct checker_account) == 172, "no padding");
_Static_assert(sizeof(struct checker_header) == 544 + 64 * 172, "no padding");

#endif
