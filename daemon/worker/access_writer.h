/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * access_writer.h: the helper thread of a worker, which writes the access log.
 * The loop puts lines into a ring and never waits; the thread takes them out 64
 * KiB at a time, or each second, and appends them with one write.  What cannot
 * be written is dropped and counted: on the page, by the thread (`helper').
 *
 * A descriptor is checked before each write: one that a plugin has closed, and
 * whose number somebody else may have by now, is not written to any more; of a
 * file that lost its last name the lines wait for the next one.
 */
#ifndef DAEMON_WORKER_ACCESS_WRITER_H
#define DAEMON_WORKER_ACCESS_WRITER_H

#include <pthread.h>

#include "common/base/file.h"
#include "daemon/proto/page.h"
#include "daemon/worker/access_ring.h"

/* What keeps the thread from writing. */
enum access_trouble {
	ACCESS_FINE,
	ACCESS_NOT_OPEN,	/* there is no descriptor yet */
	ACCESS_REMOVED,		/* nobody would read that file */
	ACCESS_LOST_FD,		/* a plugin closed it */
	ACCESS_FAILING,		/* the last write failed: error */
};

struct access_writer {
	struct access_ring ring;
	struct page *page;
	pthread_t thread;
	uint64_t kicked_at;	/* the loop's: put, when the thread was woken */

	/* loop to thread */
	uint32_t kick;		/* futex: one more, and the thread looks */
	int next_fd;		/* to be taken over; -1: none */
	bool stopping;
	/* thread to loop */
	uint32_t ended;		/* futex */
	int trouble;		/* enum access_trouble */
	int error;		/* errno of the last write that failed */

	/* the thread's own */
	int fd;			/* -1: none */
	struct file_id file;	/* of fd, when it was taken over */
	size_t batch;		/* most bytes of a write */
	bool torn;		/* half a line is the last in the file */
};

/* Start the thread; writer and page are used till the process ends.  0,
 * ERR_MEMORY or ERR_SYSTEM: nothing runs then. */
int access_writer_start(struct access_writer *writer, struct page *page);

/* Loop.  A line for the log; false: dropped, since the ring is full. */
bool access_writer_put(struct access_writer *writer, const char *line,
    size_t len);

/* Loop.  From now on to fd, which is the thread's to close; what waits goes
 * there too.  -1: no more, once all that waits is written. */
void access_writer_give(struct access_writer *writer, int fd);

/* Loop.  Why lines do not come through now. */
enum access_trouble access_writer_trouble(const struct access_writer *writer,
    int *error);

/* Loop, once, at the end of the process: write what waits, for timeout_ms at
 * most.  Nothing may be put afterwards. */
void access_writer_stop(struct access_writer *writer, unsigned timeout_ms);

#endif
