/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * log_frame.h: the log pipe of a worker, version 1: lines of the worker and of
 * its plugins on their way to the master.  Each frame is one write of at most
 * PIPE_BUF bytes, so frames are never mixed; what does not fit the pipe is
 * dropped and counted by the writer.  The reader trusts nothing: what is no
 * header is skipped byte by byte until one is.
 */
#ifndef CLUSTERD_PROTO_LOG_FRAME_H
#define CLUSTERD_PROTO_LOG_FRAME_H

#include <stddef.h>
#include <stdint.h>

enum { LOG_FRAME_MAGIC = 0x4c67, LOG_FRAME_TEXT_MAX = 4088 };

struct log_frame {
	uint16_t magic;
	uint16_t len;		/* of the text behind it; at most TEXT_MAX */
	uint8_t level;		/* enum log_level */
	uint8_t zero[3];
	char text[];		/* not terminated, no newline, not escaped */
};
_Static_assert(sizeof(struct log_frame) == 8, "header of 8 bytes");

/* What the reader holds between two pieces; all zero at the start. */
struct log_frame_reader {
	union {
		struct log_frame frame;
		char bytes[sizeof(struct log_frame) + LOG_FRAME_TEXT_MAX];
	} held;
	size_t len;
	int whole;		/* held was given out; it goes at the next call */
};

/*
 * Read on from data + *used, which is moved.  The next whole frame, the
 * reader's until the next call, or NULL when data is used up.  Pure.
 */
const struct log_frame *log_frame_next(struct log_frame_reader *reader,
    const char *data, size_t len, size_t *used);

#endif
