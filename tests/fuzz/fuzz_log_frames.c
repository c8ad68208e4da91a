/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * fuzz_log_frames.c: any bytes out of a worker's log pipe, in pieces whose
 * length the first byte says.  The frames are the same however they are cut,
 * and after any rubbish a whole frame is found again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/proto/log_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect(int truth)
{
	if (!truth)
		abort();
}

/* Frames seen, and a sum over what is in them. */
struct seen { size_t count; uint64_t sum; };

static void
read_piece(struct log_frame_reader *reader, const char *data, size_t len,
    struct seen *seen)
{
	const struct log_frame *frame;
	size_t used = 0;

	while ((frame = log_frame_next(reader, data, len, &used)) != NULL) {
		expect(frame->len <= LOG_FRAME_TEXT_MAX && used <= len);
		seen->count++;
		seen->sum = seen->sum * 31 + frame->level;
		for (size_t i = 0; i < frame->len; i++)
			seen->sum = seen->sum * 31 + (uint8_t)frame->text[i];
	}
	expect(used == len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct log_frame end = { .magic = LOG_FRAME_MAGIC };
	static struct log_frame_reader whole, cut;
	struct seen first = { 0 }, second = { 0 }, rest = { 0 };
	size_t piece;

	if (size < 1)
		return 0;
	piece = (size_t)data[0] + 1;
	memset(&whole, 0, sizeof(whole));
	memset(&cut, 0, sizeof(cut));
	read_piece(&whole, (const char *)data + 1, size - 1, &first);
	for (size_t at = 1; at < size; at += piece)
		read_piece(&cut, (const char *)data + at,
		    size - at < piece ? size - at : piece, &second);
	expect(first.count == second.count && first.sum == second.sum);
	/* a begun frame swallows at most one frame's length */
	for (size_t i = 0; i <= LOG_FRAME_TEXT_MAX / sizeof(end) + 1; i++)
		read_piece(&cut, (const char *)&end, sizeof(end), &rest);
	expect(rest.count > 0);
	return 0;
}
