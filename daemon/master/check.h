/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * check.h: one run of the checker, from outside.  It has read the file and run
 * foreign constructors, so nothing of what it says is believed unchecked.
 */
#ifndef CLUSTERD_MASTER_CHECK_H
#define CLUSTERD_MASTER_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/digest.h"
#include "common/base/errmsg.h"
#include "daemon/master/link.h"

struct conf;
struct disk_job;
struct event;
struct master;

enum { CHECK_PLUGINS = 256 };

struct check_plugin {
	char name[33], hex[SHA256_HEX];
	uint64_t size;
	int fd;				/* sealed memfd */
};

struct check {
	struct master *master;
	uint64_t id;
	int pid_fd, verdict_fd, output_fd;
	struct event *readable, *output, *limit;
	uint64_t limit_ns;		/* by tick_awake_ns() */
	bool heard;			/* it said something */
	unsigned messages;		/* so many */
	bool closed, exited, timed_out, complete;
	int status;
	char opening[33];		/* plugin whose code runs now */
	char opening_at[300];		/* "FILE:LINE: " of its module */
	struct buf errors, warnings;	/* lines "FILE:LINE: text" */
	size_t error_count;
	struct check_plugin plugins[CHECK_PLUGINS];
	size_t plugin_count;
	struct conf *conf;		/* decoded; generation 0 */
	char *text;			/* canonical, secrets masked */
	size_t text_len;
	char sha256[SHA256_HEX];	/* of the text */
	char tail[512];			/* last words it printed */
	size_t tail_len;
	/* Called once; the check is freed afterwards. */
	void (*done)(struct master *m, struct check *check);
};

/* The verdict is good: conf and text are set. */
bool check_is_good(const struct check *check);

/* Follow the checker that the keeper started (from the inventory). */
void check_adopt(struct master *m, uint64_t id,
    const struct link_packet *packet,
    void (*done)(struct master *m, struct check *check));
/* The inventory is complete: a verdict that was in before it may count now. */
void check_go_on(struct master *m);
/* Start one under that account. */
void check_start(struct master *m, uint32_t account,
    void (*done)(struct master *m, struct check *check));
/* Its process has ended. */
void check_exited(struct master *m, int status);

/*
 * Work for the disk: the plugins go to state_dir/store, hashed again.
 * 0, or an ERR_ code with words.
 */
int check_store_plugins(const struct check *check, const char *state_dir,
    struct disk_job *job, struct errmsg *err);

#endif
