/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* access_line.c: a line of the access log; see access_line.h. */
#include "daemon/worker/access_line.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/digits.h"
#include "common/base/escape.h"

#define ONES 0x0101010101010101ULL
#define HIGH 0x8080808080808080ULL

static const struct access_text nothing;

/* The line as it grows. */
struct line {
	char *at, *end;			/* end: with room for the newline */
	size_t most;			/* of one foreign text */
	bool json;
};

/* ---- pieces ------------------------------------------------------------------- */

static size_t
room(const struct line *line, size_t most)
{
	size_t left = (size_t)(line->end - line->at);

	return left < most ? left : most;
}

static void
put(struct line *line, const char *text, size_t len)
{
	len = room(line, len);
	memcpy(line->at, text, len);
	line->at += len;
}

static void
put_byte(struct line *line, char byte)
{
	if (line->at < line->end)
		*line->at++ = byte;
}

static void
put_number(struct line *line, uint64_t number)
{
	struct digits digits;
	size_t from = digits_put(&digits, number);

	put(line, digits.text + from, DIGITS_MAX - from);
}

/* 12345 is "12.345". */
static void
put_thousandths(struct line *line, uint64_t number)
{
	char digits[4] = { '.', (char)('0' + number / 100 % 10),
	    (char)('0' + number / 10 % 10), (char)('0' + number % 10) };

	put_number(line, number / 1000);
	put(line, digits, sizeof(digits));
}

/* Of eight bytes at once: is one of them zero? */
static bool
has_zero(uint64_t bytes)
{
	return ((bytes - ONES) & ~bytes & HIGH) != 0;
}

/* Is one of them below 0x20, from 0x7f on, '"' or '\\'? */
static bool
has_escape(uint64_t bytes)
{
	return ((bytes | (bytes - ONES * 0x20) | (bytes + ONES)) & HIGH) != 0 ||
	    has_zero(bytes ^ ONES * '"') || has_zero(bytes ^ ONES * '\\');
}

/* Most texts have nothing to escape; up to where that holds. */
static size_t
plain_length(const char *text, size_t len)
{
	uint64_t bytes;
	size_t i = 0;

	for (; i + 8 <= len; i += 8) {
		memcpy(&bytes, text + i, 8);
		if (has_escape(bytes))
			break;
	}
	if (i > 0 && i + 8 > len) {	/* the rest, and some again */
		memcpy(&bytes, text + len - 8, 8);
		if (!has_escape(bytes))
			return len;
	}
	for (; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
			break;
	}
	return i;
}

/* As escape_text(), and '"'. */
static size_t
escape_quoted(char *out, size_t size, const char *text, size_t len)
{
	size_t used = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] != '"') {
			size_t n = escape_text(out + used, size - used,
			    text + i, 1);

			if (n == 0)
				break;
			used += n;
			continue;
		}
		if (size - used < 4)
			break;
		memcpy(out + used, "\\x22", 4);
		used += 4;
	}
	return used;
}

/* The inside of a value. */
static void
put_escaped(struct line *line, struct access_text text, size_t most)
{
	size_t left = room(line, most), plain;

	plain = plain_length(text.at, text.len);
	if (plain > left)
		plain = left;
	memcpy(line->at, text.at, plain);
	line->at += plain;
	if (plain == text.len || plain == left)
		return;
	line->at += (line->json ? escape_json : escape_quoted)(line->at,
	    left - plain, text.at + plain, text.len - plain);
}

/* A whole value. */
static void
put_text(struct line *line, struct access_text text)
{
	if (text.at == NULL || (text.len == 0 && !line->json)) {
		put(line, line->json ? "null" : "-", line->json ? 4 : 1);
		return;
	}
	if (line->json)
		put_byte(line, '"');
	put_escaped(line, text, line->most);
	if (line->json)
		put_byte(line, '"');
}

/* One of ours, which has nothing to escape. */
static void
put_word(struct line *line, struct access_text text)
{
	if (text.at == NULL) {
		put_text(line, text);
		return;
	}
	if (line->json)
		put_byte(line, '"');
	put(line, text.at, text.len);
	if (line->json)
		put_byte(line, '"');
}

/* ---- fields ------------------------------------------------------------------- */

static void
put_request(struct line *line, const struct access_entry *entry)
{
	if (entry->first_line.at != NULL || entry->uri.at == NULL) {
		put_text(line, entry->first_line);
		return;
	}
	if (line->json)
		put_byte(line, '"');
	put(line, entry->method.at, entry->method.len);
	put_byte(line, ' ');
	put_escaped(line, entry->uri, line->most);
	put_byte(line, ' ');
	put(line, entry->protocol.at, entry->protocol.len);
	if (line->json)
		put_byte(line, '"');
}

static void
put_request_number(struct line *line, const struct access_entry *entry)
{
	if (line->json)
		put_byte(line, '"');
	put_number(line, entry->worker_id);
	put_byte(line, '-');
	put_number(line, entry->request);
	if (line->json)
		put_byte(line, '"');
}

static void
put_time_local(struct line *line, const struct access_entry *entry)
{
	put_word(line, entry->time->local);
}

static void
put_time_iso(struct line *line, const struct access_entry *entry)
{
	put_word(line, entry->time->iso);
}

static void
put_time_ms(struct line *line, const struct access_entry *entry)
{
	put_number(line, entry->wall_ms);
}

static void
put_msec(struct line *line, const struct access_entry *entry)
{
	put_thousandths(line, entry->wall_ms);
}

static void
put_remote_port(struct line *line, const struct access_entry *entry)
{
	if (entry->remote_port != 0)
		put_number(line, entry->remote_port);
	else
		put_text(line, nothing);
}

static void
put_status(struct line *line, const struct access_entry *entry)
{
	put_number(line, entry->status);
}

static void
put_bytes(struct line *line, const struct access_entry *entry)
{
	put_number(line, entry->bytes);
}

static void
put_request_time(struct line *line, const struct access_entry *entry)
{
	put_thousandths(line, entry->took_ns / NS_PER_MS);
}

static void
put_request_us(struct line *line, const struct access_entry *entry)
{
	put_number(line, entry->took_ns / 1000);
}

static void
put_cut(struct line *line, const struct access_entry *entry)
{
	put(line, entry->cut ? "true" : "false", entry->cut ? 4 : 5);
}

static void
put_pid(struct line *line, const struct access_entry *entry)
{
	put_number(line, (uint64_t)entry->pid);
}

#define AT(member) offsetof(struct access_entry, member)

/* A field is a text of the entry, one of ours or a foreign one, or it is made. */
static const struct {
	size_t ours, foreign;
	void (*put)(struct line *line, const struct access_entry *entry);
} fields[ACCESS_HEADER] = {
	[ACCESS_TIME_LOCAL] = { .put = put_time_local },
	[ACCESS_TIME_ISO] = { .put = put_time_iso },
	[ACCESS_TIME_MS] = { .put = put_time_ms },
	[ACCESS_MSEC] = { .put = put_msec },
	[ACCESS_REMOTE_ADDR] = { .ours = AT(remote_addr) },
	[ACCESS_REMOTE_PORT] = { .put = put_remote_port },
	[ACCESS_REMOTE_USER] = { 0 },		/* nobody knows it */
	[ACCESS_REQUEST] = { .put = put_request },
	[ACCESS_METHOD] = { .ours = AT(method) },
	[ACCESS_URI] = { .foreign = AT(uri) },
	[ACCESS_PATH] = { .foreign = AT(path) },
	[ACCESS_QUERY] = { .foreign = AT(query) },
	[ACCESS_PROTOCOL] = { .ours = AT(protocol) },
	[ACCESS_HOST] = { .foreign = AT(host) },
	[ACCESS_STATUS] = { .put = put_status },
	[ACCESS_BYTES] = { .put = put_bytes },
	[ACCESS_REQUEST_TIME] = { .put = put_request_time },
	[ACCESS_REQUEST_US] = { .put = put_request_us },
	[ACCESS_REQUEST_ID] = { .ours = AT(request_id) },
	[ACCESS_TRACE_ID] = { .ours = AT(trace_id) },
	[ACCESS_REQUEST_NUMBER] = { .put = put_request_number },
	[ACCESS_CUT] = { .put = put_cut },
	[ACCESS_WORKER] = { .ours = AT(worker) },
	[ACCESS_PID] = { .put = put_pid },
	[ACCESS_POOL] = { .ours = AT(pool) },
	[ACCESS_PLUGIN] = { .ours = AT(plugin) },
	[ACCESS_ROUTE] = { .foreign = AT(route) },
};

static struct access_text
text_at(const struct access_entry *entry, size_t offset)
{
	struct access_text text;

	memcpy(&text, (const char *)entry + offset, sizeof(text));
	return text;
}

static void
put_field(struct line *line, const struct access_entry *entry,
    enum access_field field)
{
	if (fields[field].put != NULL)
		fields[field].put(line, entry);
	else if (fields[field].ours != 0)
		put_word(line, text_at(entry, fields[field].ours));
	else if (fields[field].foreign != 0)
		put_text(line, text_at(entry, fields[field].foreign));
	else
		put_text(line, nothing);
}

size_t
access_line_make(const struct access_format *format,
    const struct access_entry *entry, char *out, size_t max)
{
	struct line line = { out, out + max - 1,
	    format->json ? max / 8 : max / 4, format->json };

	for (unsigned i = 0; i < format->count; i++) {
		const struct access_part *part = &format->parts[i];

		if (part->field == ACCESS_LITERAL)
			put(&line, part->text, part->len);
		else if (part->field == ACCESS_HEADER)
			put_text(&line, entry->header(entry->ctx,
			    part->header));
		else
			put_field(&line, entry, part->field);
	}
	*line.at++ = '\n';
	return (size_t)(line.at - out);
}

/* ---- time ----------------------------------------------------------------------- */

static const char months[][4] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct",
	"Nov", "Dec",
};

void
access_time_set(struct access_time *time, time_t second)
{
	struct tm tm;
	long minutes;
	char sign;
	int local, iso;

	if (time->second == second)
		return;
	localtime_r(&second, &tm);
	minutes = tm.tm_gmtoff / 60;
	sign = minutes < 0 ? '-' : '+';
	if (minutes < 0)
		minutes = -minutes;
	/* not strftime: a plugin may have set a locale */
	local = snprintf(time->bytes, 32, "%02d/%s/%04d:%02d:%02d:%02d "
	    "%c%02ld%02ld", tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900,
	    tm.tm_hour, tm.tm_min, tm.tm_sec, sign, minutes / 60, minutes % 60);
	iso = snprintf(time->bytes + 32, 32, "%04d-%02d-%02dT%02d:%02d:%02d"
	    "%c%02ld:%02ld", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
	    tm.tm_hour, tm.tm_min, tm.tm_sec, sign, minutes / 60, minutes % 60);
	time->local = (struct access_text){ time->bytes, (size_t)local };
	time->iso = (struct access_text){ time->bytes + 32, (size_t)iso };
	time->second = second;
}
