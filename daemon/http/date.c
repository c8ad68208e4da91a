/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* date.c: Date and Server of an answer, made once a second; see date.h. */
#include "daemon/http/date.h"

#include <stdio.h>

static const char days[][4] = {
	"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat",
};
static const char months[][4] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct",
	"Nov", "Dec",
};

const char *
date_lines(struct date *date, size_t *len)
{
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	if (now.tv_sec != date->second || date->len == 0) {
		int made;

		gmtime_r(&now.tv_sec, &tm);
		/* not strftime: a plugin may have set a locale */
		made = snprintf(date->lines, sizeof(date->lines),
		    "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n"
		    "Server: clusterd\r\n", days[tm.tm_wday], tm.tm_mday,
		    months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour,
		    tm.tm_min, tm.tm_sec);
		date->second = now.tv_sec;
		date->len = (size_t)made;
	}
	*len = date->len;
	return date->lines;
}
