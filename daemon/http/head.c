/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * head.c: reads the lines of a request head or of trailers, byte for byte.
 * What the lines mean is in rules.c.  Must never read at or past buf + len,
 * and never go back over what it has read: clients choose the cuts.
 */

#include "daemon/http/head.h"

#include <string.h>

#include "daemon/http/rules.h"
#include "daemon/http/scan.h"

/* head.step: what the next byte belongs to. */
enum line_step {
	LINE_START,			/* one empty line is skipped */
	LINE_START_LF,
	LINE_METHOD,
	LINE_TARGET,
	LINE_VERSION,			/* up to its CR */
	LINE_LF,
};

enum field_step {
	FIELD_START = LINE_LF + 1,	/* a name, or the CR of the empty line */
	FIELD_NAME,
	FIELD_BLANK,			/* between colon and value */
	FIELD_VALUE,
	FIELD_LF,
	FIELD_END_LF,
};

enum {
	STEP_DONE = FIELD_END_LF + 1,
	STEP_REFUSED,
};

void
head_init(struct head *head, const struct head_limits *limits,
    struct head_field *fields)
{
	memset(head, 0, sizeof(*head));
	head->fields = fields;
	head->content_length = HEAD_NO_BODY;
	head->limits = *limits;
}

__attribute__((cold, noinline)) static enum head_result
head_refuse(struct head *head, size_t offset, uint16_t status,
    const char *reason)
{
	head->step = STEP_REFUSED;
	head->offset = (uint32_t)offset;
	head->status = status;
	head->reason = reason;
	return HEAD_REFUSED;
}

/* All that may be read has been.  A buffer of just head_size bytes is enough:
 * the head is too long as soon as it is full. */
__attribute__((noinline)) static enum head_result
head_wait(struct head *head, size_t offset, unsigned int step)
{
	if (offset == head->limits.head_size)
		return head_refuse(head, offset - 1, 431, "head too long");
	head->step = (uint8_t)step;
	head->offset = (uint32_t)offset;
	return HEAD_MORE;
}

/* How much of len bytes may be looked at. */
static size_t
head_readable(const struct head *head, size_t len)
{
	return len < head->limits.head_size ? len : head->limits.head_size;
}

/* Byte i of the version and the CR after it: 0, or the status. */
static uint16_t
head_read_version(struct head *head, size_t i, char c)
{
	if (i == 7 && c == '0')
		return 0;
	if (c == "HTTP/1.1\r"[i]) {
		head->minor |= i == 7;
		return 0;
	}
	return (i == 5 || i == 7) && c >= '0' && c <= '9' ? 505 : 400;
}

/* The request line.  HEAD_DONE: it is complete, the fields follow. */
static enum head_result
head_read_line(struct head *head, const char *buf, const char *end)
{
	const char *p = buf + head->offset, *start, *stop;
	uint16_t status;

	switch ((enum line_step)head->step) {
	case LINE_START:
		if (p == end)
			return head_wait(head, p - buf, LINE_START);
		if (*p != '\r')
			goto method;
		p++;
		/* FALLTHROUGH */
	case LINE_START_LF:
		if (p == end)
			return head_wait(head, p - buf, LINE_START_LF);
		if (*p != '\n')
			return head_refuse(head, p - buf, 400,
			    "bad start of request line");
		head->method.at = (uint32_t)(++p - buf);
		/* FALLTHROUGH */
	case LINE_METHOD:
	method:
		start = buf + head->method.at;
		p = scan_skip_bytes(p, end, SCAN_TOKEN);
		if (p == end)
			return head_wait(head, p - buf, LINE_METHOD);
		if (*p != ' ' || p == start)
			return head_refuse(head, p - buf, 400, p == start ?
			    "bad start of request line" : "bad byte in method");
		head->method.len = (uint32_t)(p - start);
		head->method_id = method_find(start, head->method.len);
		head->target.at = (uint32_t)(++p - buf);
		/* FALLTHROUGH */
	case LINE_TARGET:
		start = buf + head->target.at;
		stop = start + head->limits.uri_size + 1;
		p = scan_skip(p, stop < end ? stop : end, SCAN_TARGET);
		if (p == stop)
			return head_refuse(head, p - 1 - buf, 414,
			    "target too long");
		if (p == end)
			return head_wait(head, p - buf, LINE_TARGET);
		if (*p != ' ' || p == start)
			return head_refuse(head, p - buf, 400,
			    p == start ? "no target" :
			    *p == '\r' || *p == '\n' ? "no version" :
			    "bad byte in target");
		head->target.len = (uint32_t)(p++ - start);
		/* FALLTHROUGH */
	case LINE_VERSION:
		start = buf + head->target.at + head->target.len + 1;
		/* nearly always the whole of it, and nearly always this */
		if (p == start && end - p > 8 &&
		    memcmp(p, "HTTP/1.1", 8) == 0) {
			head->minor = 1;
			p += 8;
		}
		do {
			if (p == end)
				return head_wait(head, p - buf, LINE_VERSION);
			status = head_read_version(head, p - start, *p);
			if (status != 0)
				return head_refuse(head, p - buf, status,
				    status == 505 ? "version not served" :
				    "bad version");
		} while (*p++ != '\r');
		/* FALLTHROUGH */
	case LINE_LF:
		if (p == end)
			return head_wait(head, p - buf, LINE_LF);
		if (*p != '\n')
			return head_refuse(head, p - buf, 400, "CR without LF");
		/* Not before: garbage is 400, the HTTP/2 preface 505. */
		if (head->method_id == METHOD_NONE)
			return head_refuse(head, p - buf, 501,
			    "unknown method");
	}
	head->offset = (uint32_t)(p + 1 - buf);
	head->step = FIELD_START;
	return HEAD_DONE;
}

static uint32_t
head_trim(const char *start, const char *end)
{
	while (end > start && scan_is_blank(end[-1]))
		end--;
	return (uint32_t)(end - start);
}

/* Fields up to and with the empty line; HEAD_DONE: that was it. */
static enum head_result
head_read_fields(struct head *head, const char *buf, const char *end,
    bool trailers)
{
	enum field_step step = head->step;
	struct head_field *field = head->fields + head->field_count;
	const char *p = buf + head->offset;

	for (;;) switch (step) {
	case FIELD_START:
		if (p == end)
			return head_wait(head, p - buf, FIELD_START);
		if (*p == '\r') {
			p++;
			step = FIELD_END_LF;
			break;
		}
		if (!scan_is(*p, SCAN_TOKEN))
			return head_refuse(head, p - buf, 400,
			    "line does not begin with a field name");
		if (head->field_count == head->limits.fields)
			return head_refuse(head, p - buf, 431,
			    "too many fields");
		field->name.at = (uint32_t)(p - buf);
		/* FALLTHROUGH */
	case FIELD_NAME:
		p = scan_skip_bytes(p, end, SCAN_TOKEN);
		if (p == end)
			return head_wait(head, p - buf, FIELD_NAME);
		if (*p != ':')
			return head_refuse(head, p - buf, 400,
			    "bad byte in field name");
		field->name.len = (uint32_t)(p++ - buf) - field->name.at;
		/* FALLTHROUGH */
	case FIELD_BLANK:
		while (p < end && scan_is_blank(*p))
			p++;
		if (p == end)
			return head_wait(head, p - buf, FIELD_BLANK);
		field->value.at = (uint32_t)(p - buf);
		/* FALLTHROUGH */
	case FIELD_VALUE:
		p = scan_skip(p, end, SCAN_VALUE);
		if (p == end)
			return head_wait(head, p - buf, FIELD_VALUE);
		if (*p != '\r')
			return head_refuse(head, p - buf, 400,
			    "bad byte in field value");
		field->value.len = head_trim(buf + field->value.at, p++);
		/* FALLTHROUGH */
	case FIELD_LF:
		if (p == end)
			return head_wait(head, p - buf, FIELD_LF);
		if (*p != '\n')
			return head_refuse(head, p - buf, 400, "CR without LF");
		if (rules_concern(buf, field)) {
			if (!trailers)
				rules_take_field(head, buf, field);
			else if (rules_forbid_trailer(buf, field))
				return head_refuse(head, p - buf, 400,
				    "forbidden trailer");
		}
		p++;
		field++;
		head->field_count++;
		step = FIELD_START;
		break;
	case FIELD_END_LF:
		if (p == end)
			return head_wait(head, p - buf, FIELD_END_LF);
		if (*p != '\n')
			return head_refuse(head, p - buf, 400, "CR without LF");
		head->offset = (uint32_t)(p + 1 - buf);
		return HEAD_DONE;
	}
}

enum head_result
head_parse(struct head *head, const char *buf, size_t len)
{
	const char *end = buf + head_readable(head, len);
	enum head_result result = HEAD_DONE;

	if (head->step >= STEP_DONE)
		return head->step == STEP_DONE ? HEAD_DONE : HEAD_REFUSED;
	if (head->step < FIELD_START)
		result = head_read_line(head, buf, end);
	if (result == HEAD_DONE)
		result = head_read_fields(head, buf, end, false);
	if (result != HEAD_DONE)
		return result;
	if (!rules_check_end(head, buf))
		return head_refuse(head, head->offset - 1, head->status,
		    head->reason);
	head->step = STEP_DONE;
	return HEAD_DONE;
}

enum head_result
head_parse_trailers(struct head *head, const char *buf, size_t len)
{
	const char *end = buf + head_readable(head, len);
	enum head_result result;

	if (head->step >= STEP_DONE)
		return head->step == STEP_DONE ? HEAD_DONE : HEAD_REFUSED;
	if (head->step == LINE_START)
		head->step = FIELD_START;
	result = head_read_fields(head, buf, end, true);
	if (result == HEAD_DONE)
		head->step = STEP_DONE;
	return result;
}

enum head_result
head_limit_body(struct head *head, uint64_t max_body)
{
	if (head->content_length < HEAD_CHUNKED &&
	    head->content_length > max_body)
		return head_refuse(head, head->offset, 413, "body too long");
	return HEAD_DONE;
}

const struct head_field *
head_find(const struct head *head, const char *buf, const char *name)
{
	size_t len = strlen(name);

	for (uint32_t i = 0; i < head->field_count; i++) {
		const struct head_field *field = &head->fields[i];

		if (field->name.len == len &&
		    scan_equal(buf + field->name.at, name, len))
			return field;
	}
	return NULL;
}

struct slice
head_path(const struct head *head)
{
	struct slice path = head->target;

	if (head->form == HEAD_ABSOLUTE) {
		path.at = head->host.at + head->host.len;
		path.len -= path.at - head->target.at;
	}
	return path;
}
