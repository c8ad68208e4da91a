/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * lines.c: log lines of the worker and its plugins, as frames on the log pipe.
 * A full pipe drops the line and counts it: a slow reader never holds a client.
 * Plugins say theirs from any thread; the board is written by one.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/plugin/api.h"
#include "daemon/proto/log_frame.h"
#include "daemon/worker/worker.h"

static struct worker *writer;
static uint64_t dropped;		/* by other threads, since the last beat */

static void
write_frame(int level, const char *text, size_t len)
{
	union {
		struct log_frame frame;
		char bytes[sizeof(struct log_frame) + LOG_FRAME_TEXT_MAX];
	} out;
	ssize_t n;

	if (len > LOG_FRAME_TEXT_MAX)
		len = LOG_FRAME_TEXT_MAX;
	memset(&out.frame, 0, sizeof(out.frame));
	out.frame.magic = LOG_FRAME_MAGIC;
	out.frame.level = (uint8_t)level;
	out.frame.len = (uint16_t)len;
	memcpy(out.bytes + sizeof(out.frame), text, len);
	do {
		n = write(WORKER_FD_LOG, out.bytes, sizeof(out.frame) + len);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return;
	if (api_in_loop)
		board_add(&writer->board, METRIC_LINES_DROPPED, 1);
	else
		__atomic_add_fetch(&dropped, 1, __ATOMIC_RELAXED);
}

void
lines_init(struct worker *worker)
{
	writer = worker;
}

void
lines_tick(void)
{
	uint64_t count = __atomic_exchange_n(&dropped, 0, __ATOMIC_RELAXED);

	if (count > 0)
		board_add(&writer->board, METRIC_LINES_DROPPED, count);
}

void
lines_say(enum log_level level, const char *fmt, ...)
{
	char text[LOG_FRAME_TEXT_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	lines_add((int)level, "", text);
}

void
lines_add(int level, const char *plugin, const char *text)
{
	char line[LOG_FRAME_TEXT_MAX];
	int len;

	if (level > (int)log_get_level())
		return;
	len = plugin[0] == '\0' ?
	    snprintf(line, sizeof(line), "%s", text) :
	    snprintf(line, sizeof(line), "%s: %s", plugin, text);
	if (len > 0)
		write_frame(level, line, (size_t)len < sizeof(line) ?
		    (size_t)len : sizeof(line) - 1);
}
