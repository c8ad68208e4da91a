/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * value.c: a member of an answer as people read it.  The name tells the unit:
 * `_ms' is a duration, `_kb' a size, `_percent' a share, a few names are times.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/escape.h"
#include "ctl/show.h"

static bool
ends_with(const char *name, const char *end)
{
	size_t len = strlen(name), end_len = strlen(end);

	return len >= end_len && strcmp(name + len - end_len, end) == 0;
}

static bool
is_time(const char *name)
{
	static const char *const times[] = { "time", "started", "ended",
	    "next", "next_step", "previous_time" };

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		if (strcmp(name, times[i]) == 0)
			return true;
	}
	return false;
}

static void
add_duration(struct buf *buf, int64_t ms)
{
	long long s = (long long)ms / 1000;

	if (ms < 1000)
		buf_printf(buf, "%lldms", (long long)ms);
	else if (s < 60)
		buf_printf(buf, "%lld.%llds", s, (long long)ms / 100 % 10);
	else if (s < 3600)
		buf_printf(buf, "%lldm%02llds", s / 60, s % 60);
	else if (s < 86400)
		buf_printf(buf, "%lldh%02lldm", s / 3600, s / 60 % 60);
	else
		buf_printf(buf, "%lldd%02lldh", s / 86400, s / 3600 % 24);
}

static void
add_size(struct buf *buf, int64_t kb)
{
	if (kb < 10000)
		buf_printf(buf, "%lldk", (long long)kb);
	else if (kb < 10000 * 1024)
		buf_printf(buf, "%lldM", (long long)kb / 1024);
	else
		buf_printf(buf, "%lldG", (long long)kb / 1024 / 1024);
}

static void
add_time(struct buf *buf, int64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	char text[32] = "?";
	struct tm tm;

	if (localtime_r(&seconds, &tm) != NULL)
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	buf_printf(buf, "%s.%03d", text, (int)(ms % 1000));
}

/* Without what would move the cursor; letters of any script stay. */
static void
add_foreign(struct buf *buf, const char *text, size_t len)
{
	while (len > 0) {
		size_t one = utf8_length(text, len);
		char hex[8];

		if (one == 0 || (one == 1 && ((unsigned char)*text < 0x20 ||
		    *text == 0x7f)) ||
		    (one == 2 && (unsigned char)text[0] == 0xc2 &&
		    (unsigned char)text[1] < 0xa0)) {
			snprintf(hex, sizeof(hex), "\\x%02X",
			    (unsigned char)*text);
			buf_add_text(buf, hex);
			one = one == 2 ? 2 : 1;
		} else {
			buf_add(buf, text, one);
		}
		text += one;
		len -= one;
	}
}

static void add_value(struct buf *buf, const char *name, const json_t *value);

static void
add_number(struct buf *buf, const char *name, int64_t number)
{
	if (strcmp(name, "since_ms") == 0)
		add_duration(buf, clock_wall_ms() > number ?
		    clock_wall_ms() - number : 0);
	else if (ends_with(name, "_ms"))
		add_duration(buf, number);
	else if (ends_with(name, "_kb"))
		add_size(buf, number);
	else if (ends_with(name, "_percent"))
		buf_printf(buf, "%lld%%", (long long)number);
	else if (is_time(name))
		add_time(buf, number);
	else
		buf_printf(buf, "%lld", (long long)number);
}

/* "GET /path", for what a worker is doing. */
static void
add_doing(struct buf *buf, const json_t *doing)
{
	add_value(buf, "method", json_object_get(doing, "method"));
	buf_add_text(buf, " ");
	add_value(buf, "path", json_object_get(doing, "path"));
	buf_add_text(buf, " ");
	add_value(buf, "since_ms", json_object_get(doing, "since_ms"));
}

static void
add_object(struct buf *buf, const char *name, const json_t *object)
{
	char *text;

	if (strcmp(name, "doing") == 0 || strcmp(name, "request") == 0) {
		add_doing(buf, object);
		return;
	}
	text = json_dumps(object, JSON_COMPACT);
	if (text != NULL)
		add_foreign(buf, text, strlen(text));
	free(text);
}

static void
add_value(struct buf *buf, const char *name, const json_t *value)
{
	const json_t *element;
	size_t i;

	switch (value != NULL ? json_typeof(value) : JSON_NULL) {
	case JSON_OBJECT:
		add_object(buf, name, value);
		break;
	case JSON_ARRAY:
		json_array_foreach((json_t *)value, i, element) {
			if (i > 0)
				buf_add_text(buf, ",");
			add_value(buf, name, element);
		}
		if (json_array_size(value) == 0)
			buf_add_text(buf, "-");
		break;
	case JSON_STRING:
		if (strcmp(name, "sha256") == 0)
			add_foreign(buf, json_string_value(value),
			    strnlen(json_string_value(value), 12));
		else
			add_foreign(buf, json_string_value(value),
			    json_string_length(value));
		break;
	case JSON_INTEGER:
		add_number(buf, name, json_integer_value(value));
		break;
	case JSON_REAL:
		buf_printf(buf, "%g", json_real_value(value));
		break;
	case JSON_TRUE:
		buf_add_text(buf, "yes");
		break;
	case JSON_FALSE:
		buf_add_text(buf, "no");
		break;
	case JSON_NULL:
		buf_add_text(buf, "-");
		break;
	}
}

char *
show_value(const char *name, const json_t *value)
{
	struct buf buf;
	char *text;

	buf_init(&buf, 0);
	add_value(&buf, name, value);
	text = ctl_take(buf.failed ? 2 : buf_len(&buf) + 1);
	if (buf.failed)
		text[0] = '?';
	else if (buf_len(&buf) > 0)
		memcpy(text, buf_at(&buf), buf_len(&buf));
	buf_done(&buf);
	return text;
}

void
show_text(const char *text)
{
	struct buf buf;

	buf_init(&buf, 0);
	while (*text != '\0') {
		size_t len = strcspn(text, "\n\t");

		add_foreign(&buf, text, len);
		if (text[len] != '\0')
			buf_add(&buf, text + len++, 1);
		text += len;
	}
	if (buf_len(&buf) > 0) {
		fwrite(buf_at(&buf), 1, buf_len(&buf), stdout);
		if (buf_at(&buf)[buf_len(&buf) - 1] != '\n')
			putchar('\n');
	}
	buf_done(&buf);
}
