/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* capture.h: output that is kept for a result, within a limit. */
#ifndef DAEMON_CHILD_CAPTURE_H
#define DAEMON_CHILD_CAPTURE_H

#include <clusterd/process.h>

#include "common/base/buf.h"

struct capture {
	struct buf kept;
	size_t max;
	enum cluster_overflow overflow;
	size_t lost;
	int spill_fd;			/* -1: all of it is in memory */
	uint64_t spilled;
};

void capture_init(struct capture *capture, size_t max,
    enum cluster_overflow overflow);
void capture_done(struct capture *capture);

/* Take more of it.  False: it is too much, or cannot be kept. */
bool capture_add(struct capture *capture, const void *data, size_t len);

/* What a result shows; borrowed, spill_fd is the caller's from here on. */
void capture_show(struct capture *capture, const void **data, size_t *len,
    size_t *lost, int *spill_fd);

#endif
