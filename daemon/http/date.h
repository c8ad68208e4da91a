/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* date.h: the lines of an answer's head that change once a second at most. */
#ifndef DAEMON_HTTP_DATE_H
#define DAEMON_HTTP_DATE_H

#include <stddef.h>
#include <time.h>

struct date {
	time_t second;
	size_t len;
	char lines[80];		/* "Date: ...\r\nServer: clusterd\r\n" */
};

/* The lines for now; *len bytes, borrowed until the next call. */
const char *date_lines(struct date *date, size_t *len);

#endif
