/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * disk.h: the files that the master must have on the disk before it goes on,
 * written by a thread of their own: a disk may stand still for as long as it
 * likes, the loop may not.  A job owns all that the thread looks at (duplicates
 * of sealed memfds, copies of names); the thread knows neither the master nor
 * the memo, and it does not log.  All functions are for the loop thread; they
 * do not wait.
 */
#ifndef CLUSTERD_MASTER_DISK_H
#define CLUSTERD_MASTER_DISK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/errmsg.h"

struct disk;
struct disk_job;
struct master;
struct sweep;

/*
 * The end of a job, on the loop.  err->code is 0: everything is on the disk.
 * ERR_TIMEOUT: the disk has not answered for 10 s; what it says later is
 * dropped.
 */
typedef void (*disk_done)(struct master *m, const struct errmsg *err);

struct disk *disk_new(struct master *m);

/* What is to be written, in this order; the first failure ends it. */
struct disk_job *disk_job_new(void);
/* For a job that was not started.  NULL is legal. */
void disk_job_free(struct disk_job *job);

/* A folder that gets this mode, and is made where it is missing. */
void disk_add_folder(struct disk_job *job, const char *path, mode_t mode);

struct disk_file {
	const char *path;
	mode_t mode;
	int fd;			/* its content: a sealed memfd, duplicated */
	uint64_t size;
	const char *sha256;	/* what it must be, hashed again; NULL: any */
	const char *name;	/* of the content, for people */
	bool optional;		/* a failure is logged, not the job's end */
};
/* A file that is there as a whole or not at all: written beside, synced,
 * renamed.  0 or ERR_SYSTEM, no descriptor left. */
int disk_add_file(struct disk_job *job, const struct disk_file *file,
    struct errmsg *err);

/*
 * Hand the job over, whatever the result.  0: done is called exactly once,
 * later, unless the job is cancelled.  ERR_SYSTEM: there is no thread.  One at
 * a time; one whose time is over is no longer counted.
 */
int disk_start(struct disk *disk, struct disk_job *job, disk_done done,
    struct errmsg *err);
/* The result is not wanted any more: no call, and no further file is begun. */
void disk_cancel(struct disk *disk);

/*
 * Clean up, before the next job is begun; takes sweep over.  Nobody waits for
 * it, a failure is logged; one that was not begun yet gives way to this one.
 */
void disk_sweep(struct disk *disk, struct sweep *sweep);

#endif
