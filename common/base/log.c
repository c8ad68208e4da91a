/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* log.c: one line of log; see log.h.  No heap: the keeper logs too. */
#include "common/base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/base/escape.h"

static const char *const names[LL__COUNT] = {
	[LL_ERROR] = "error", [LL_WARNING] = "warning",
	[LL_NOTICE] = "notice", [LL_INFO] = "info", [LL_DEBUG] = "debug",
};

/* Nobody who stops reading our stderr stops us. */
static void
sink_stderr(enum log_level level, const char *line, size_t len)
{
	struct pollfd fd = { .fd = 2, .events = POLLOUT };
	ssize_t ignored;

	(void)level;
	if (poll(&fd, 1, 0) != 1 || !(fd.revents & POLLOUT))
		return;
	ignored = send(2, line, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (ignored < 0 && errno == ENOTSOCK)
		ignored = write(2, line, len);
}

static struct {
	enum log_level level;
	enum log_format format;
	log_sink sink;
	const char *name;
} state = { LL_NOTICE, LOG_FORMAT_TEXT, sink_stderr, "clusterd" };

void
log_set_level(enum log_level level)
{
	state.level = level;
}

enum log_level
log_get_level(void)
{
	return state.level;
}

void
log_set_format(enum log_format format)
{
	state.format = format;
}

void
log_set_sink(log_sink sink)
{
	state.sink = sink != NULL ? sink : sink_stderr;
}

void
log_set_name(const char *name)
{
	state.name = name;
}

int
log_level_by_name(const char *name)
{
	for (int i = 0; i < LL__COUNT; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return -1;
}

const char *
log_level_name(enum log_level level)
{
	return names[level];
}

/* "2026-11-24T11:18:36.123Z", the only place where wall time is read here. */
static void
format_time(char *out, size_t size)
{
	struct timespec now;
	struct tm tm;
	size_t used;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	used = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + used, size - used, ".%03dZ",
	    (int)(now.tv_nsec / 1000000));
}

static void
emit(enum log_level level, const char *who, const char *text, size_t len)
{
	char line[LOG_LINE_MAX], stamp[48];
	size_t used;
	int n;

	format_time(stamp, sizeof(stamp));
	if (state.format == LOG_FORMAT_JSON)
		n = snprintf(line, sizeof(line),
		    "{\"time\":\"%s\",\"level\":\"%s\",\"from\":\"%s\",\"text\":\"",
		    stamp, names[level], who);
	else
		n = snprintf(line, sizeof(line), "%s %s %s: ", stamp,
		    names[level], who);
	used = (size_t)n;
	if (state.format == LOG_FORMAT_JSON) {
		used += escape_json(line + used, sizeof(line) - used - 4, text,
		    len);
		line[used++] = '"';
		line[used++] = '}';
	} else {
		used += escape_text(line + used, sizeof(line) - used - 2, text,
		    len);
	}
	line[used++] = '\n';
	state.sink(level, line, used);
}

void
log_line(enum log_level level, const char *fmt, ...)
{
	char text[LOG_LINE_MAX];
	int saved = errno, n;
	va_list args;

	if (level > state.level)
		return;
	errno = saved;			/* for %m */
	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (n < 0)
		n = 0;
	if ((size_t)n >= sizeof(text))
		n = (int)sizeof(text) - 1;
	emit(level, state.name, text, (size_t)n);
	errno = saved;
}

void
log_foreign(enum log_level level, const char *who, const char *text,
    size_t len)
{
	if (level <= state.level)
		emit(level, who, text, len);
}
