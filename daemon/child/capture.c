/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* capture.c: output that is kept for a result; see capture.h. */
#include "daemon/child/capture.h"

#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/spill.h"

#define SPILL_MAX (1ULL << 30)		/* bytes of a file */

void
capture_init(struct capture *capture, size_t max,
    enum cluster_overflow overflow)
{
	*capture = (struct capture){ .max = max, .overflow = overflow,
	    .spill_fd = -1 };
	buf_init(&capture->kept, 0);
}

void
capture_done(struct capture *capture)
{
	buf_done(&capture->kept);
	fd_close(&capture->spill_fd);
}

/* ---- the last bytes ------------------------------------------------------------------- */

/* Up to twice as many are held, so that they move once in a while only. */
static bool
add_tail(struct capture *capture, const char *data, size_t len)
{
	struct buf *kept = &capture->kept;
	size_t max = capture->max, have = buf_len(kept);

	if (len > max) {
		capture->lost += len - max;
		data += len - max;
		len = max;
	}
	if (have + len > 2 * max) {
		capture->lost += have + len - max;
		buf_consume(kept, have + len - max);
	}
	return buf_add(kept, data, len) == 0;
}

static void
trim_tail(struct capture *capture)
{
	size_t have = buf_len(&capture->kept);

	if (have <= capture->max)
		return;
	capture->lost += have - capture->max;
	buf_consume(&capture->kept, have - capture->max);
}

/* ---- a file ----------------------------------------------------------------------------- */

static bool
spill(struct capture *capture, const void *data, size_t len)
{
	if (len > SPILL_MAX - capture->spilled ||
	    fd_write_all(capture->spill_fd, data, len) != 0)
		return false;
	capture->spilled += len;
	return true;
}

/* What is in memory goes first. */
static bool
begin_spill(struct capture *capture)
{
	int fd = spill_open();

	if (fd < 0)
		return false;
	capture->spill_fd = fd;
	if (!spill(capture, buf_at(&capture->kept), buf_len(&capture->kept)))
		return false;
	buf_done(&capture->kept);
	return true;
}

/* ---- all of it --------------------------------------------------------------------------- */

static bool
add_head(struct capture *capture, const void *data, size_t len)
{
	size_t room = capture->max - buf_len(&capture->kept);
	size_t taken = len < room ? len : room;

	if (buf_add(&capture->kept, data, taken) != 0)
		taken = 0;
	capture->lost += len - taken;
	return taken == len;
}

static bool
add_or_spill(struct capture *capture, const void *data, size_t len)
{
	if (capture->spill_fd < 0 &&
	    len <= capture->max - buf_len(&capture->kept))
		return buf_add(&capture->kept, data, len) == 0;
	if ((capture->spill_fd >= 0 || begin_spill(capture)) &&
	    spill(capture, data, len))
		return true;
	capture->lost += len;
	return false;
}

bool
capture_add(struct capture *capture, const void *data, size_t len)
{
	switch (capture->overflow) {
	case CLUSTER_OVERFLOW_KILL:
		return add_head(capture, data, len);
	case CLUSTER_OVERFLOW_TRUNCATE:
		(void)add_head(capture, data, len);
		return true;
	case CLUSTER_OVERFLOW_TAIL:
		return add_tail(capture, data, len);
	case CLUSTER_OVERFLOW_SPILL:
		return add_or_spill(capture, data, len);
	}
	return false;
}

void
capture_show(struct capture *capture, const void **data, size_t *len,
    size_t *lost, int *spill_fd)
{
	if (capture->overflow == CLUSTER_OVERFLOW_TAIL)
		trim_tail(capture);
	*len = buf_len(&capture->kept);
	*data = *len > 0 ? buf_at(&capture->kept) : "";
	*lost = capture->lost;
	*spill_fd = capture->spill_fd;
	if (capture->spill_fd >= 0)
		(void)lseek(capture->spill_fd, 0, SEEK_SET);
	capture->spill_fd = -1;
}
