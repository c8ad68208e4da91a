/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* httpdate.c: dates of HTTP; see httpdate.h. */
#include "httpdate.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri",
    "Sat" };
static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

struct when {
	int year, month, day, hour, minute, second;
};

void
httpdate_format(int64_t seconds, char out[HTTPDATE_MAX])
{
	time_t time = (time_t)seconds;
	struct tm tm;

	gmtime_r(&time, &tm);
	snprintf(out, HTTPDATE_MAX, "%s, %02u %s %04u %02u:%02u:%02u GMT",
	    days[tm.tm_wday % 7], (unsigned)tm.tm_mday % 100,
	    months[tm.tm_mon % 12], (unsigned)(tm.tm_year + 1900) % 10000,
	    (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
	    (unsigned)tm.tm_sec % 100);
}

/* ---- reading: each moves *at behind what it has read ---------------------------- */

static bool
take(const char **at, const char *text)
{
	size_t len = strlen(text);

	if (strncmp(*at, text, len) != 0)
		return false;
	*at += len;
	return true;
}

/* A number of that many digits; the first may be a blank. */
static bool
take_number(const char **at, unsigned digits, bool blank, int *number)
{
	const char *p = *at;

	*number = 0;
	if (blank && *p == ' ') {
		p++;
		digits--;
	}
	for (; digits > 0; digits--, p++) {
		if (*p < '0' || *p > '9')
			return false;
		*number = *number * 10 + (*p - '0');
	}
	*at = p;
	return true;
}

static bool
take_month(const char **at, int *month)
{
	for (*month = 0; *month < 12; ++*month)
		if (take(at, months[*month]))
			return true;
	return false;
}

static bool
take_time(const char **at, struct when *when)
{
	return take_number(at, 2, false, &when->hour) && take(at, ":") &&
	    take_number(at, 2, false, &when->minute) && take(at, ":") &&
	    take_number(at, 2, false, &when->second);
}

/* "06 Nov 1994 08:49:37 GMT" */
static bool
take_fixdate(const char **at, struct when *when)
{
	return take_number(at, 2, false, &when->day) && take(at, " ") &&
	    take_month(at, &when->month) && take(at, " ") &&
	    take_number(at, 4, false, &when->year) && take(at, " ") &&
	    take_time(at, when) && take(at, " GMT");
}

/* "06-Nov-94 08:49:37 GMT" */
static bool
take_rfc850(const char **at, struct when *when)
{
	if (!(take_number(at, 2, false, &when->day) && take(at, "-") &&
	    take_month(at, &when->month) && take(at, "-") &&
	    take_number(at, 2, false, &when->year) && take(at, " ") &&
	    take_time(at, when) && take(at, " GMT")))
		return false;
	when->year += when->year < 70 ? 2000 : 1900;
	return true;
}

/* "Nov  6 08:49:37 1994" */
static bool
take_asctime(const char **at, struct when *when)
{
	return take_month(at, &when->month) && take(at, " ") &&
	    take_number(at, 2, true, &when->day) && take(at, " ") &&
	    take_time(at, when) && take(at, " ") &&
	    take_number(at, 4, false, &when->year);
}

/* Behind the name of the day. */
static bool
take_date(const char *at, struct when *when)
{
	size_t name = strspn(at, "abcdefghijklmnopqrstuvwxyz");
	bool read;

	if (at[name] == ' ' && name == 0) {
		at++;
		read = take_asctime(&at, when);
	} else if (strncmp(at, ", ", 2) == 0) {
		at += 2;
		read = take_fixdate(&at, when);
	} else if (strncmp(at + name, ", ", 2) == 0) {
		at += name + 2;
		read = take_rfc850(&at, when);
	} else {
		return false;
	}
	return read && *at == '\0';
}

static bool
is_leap(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static bool
is_possible(const struct when *when)
{
	static const int lengths[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31,
	    30, 31 };
	int length = lengths[when->month] +
	    (when->month == 1 && is_leap(when->year));

	return when->year >= 1970 && when->day >= 1 && when->day <= length &&
	    when->hour <= 23 && when->minute <= 59 && when->second <= 60;
}

int64_t
httpdate_parse(const char *text)
{
	static const int before[12] = { 0, 31, 59, 90, 120, 151, 181, 212, 243,
	    273, 304, 334 };
	struct when when;
	int64_t day;
	int years;

	for (unsigned i = 0; ; i++) {
		if (i == 7)
			return -1;
		if (take(&text, days[i]))
			break;
	}
	if (!take_date(text, &when) || !is_possible(&when))
		return -1;
	years = when.year - 1;		/* whole ones, from the year 1 on */
	day = (int64_t)years * 365 + years / 4 - years / 100 + years / 400 -
	    719162 + before[when.month] + when.day - 1 +
	    (when.month > 1 && is_leap(when.year));
	return ((day * 24 + when.hour) * 60 + when.minute) * 60 + when.second;
}
