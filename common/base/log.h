/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * log.h: one line of log.  Levels, in the operator's words: error, an operator
 * must act · warning, something was lost and recovered · notice, lifecycle ·
 * info, what operators did · debug, for us.
 * Only entry files of a role, control/ and master/ log; all else returns an
 * errmsg.  A line is at most 8 KiB and one write; bytes below 0x20, from 0x7f
 * and '\\' are escaped as \xNN, so nobody can forge a second line.
 */
#ifndef CLUSTERD_BASE_LOG_H
#define CLUSTERD_BASE_LOG_H

#include <stdarg.h>
#include <stddef.h>

enum log_level { LL_ERROR, LL_WARNING, LL_NOTICE, LL_INFO, LL_DEBUG };
enum { LL__COUNT = 5, LOG_LINE_MAX = 8192 };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* Takes one finished line (with its newline); must not block for long and must
 * not log.  The default writes to fd 2, if that takes it at once. */
typedef void (*log_sink)(enum log_level level, const char *line, size_t len);

void log_set_level(enum log_level level);
enum log_level log_get_level(void);
void log_set_format(enum log_format format);
void log_set_sink(log_sink sink);		/* NULL: fd 2 again */
void log_set_name(const char *name);		/* of the role; borrowed for ever */

/* Level by its word of log_level ("notice"), or -1. */
int log_level_by_name(const char *name);
const char *log_level_name(enum log_level level);

void log_line(enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* A line of someone else (a worker), stamped with who: "web/0[1234]". */
void log_foreign(enum log_level level, const char *who, const char *text,
    size_t len);

#define log_error(...)	log_line(LL_ERROR, __VA_ARGS__)
#define log_warn(...)	log_line(LL_WARNING, __VA_ARGS__)
#define log_notice(...)	log_line(LL_NOTICE, __VA_ARGS__)
#define log_info(...)	log_line(LL_INFO, __VA_ARGS__)
#define log_debug(...)	log_line(LL_DEBUG, __VA_ARGS__)

#endif
