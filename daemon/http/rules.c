/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * rules.c: what the lines of a head mean (RFC 9112 3.2, 3.3, 6, 9).  Called by
 * head.c for each field and at the end.  Where a message could be read in two
 * ways it is refused; nothing is repaired.
 */

#include "daemon/http/rules.h"

#include "daemon/http/scan.h"

/* flags that are private until the end */
enum {
	RULES_CLOSE = 8,		/* Connection: close */
	RULES_ASKS_UPGRADE = 16,	/* Connection: upgrade */
	RULES_UPGRADE_TO = 32,		/* an Upgrade field */
	RULES_PRIVATE = RULES_CLOSE | RULES_ASKS_UPGRADE | RULES_UPGRADE_TO,
};

/* Text against a literal in lower case. */
#define EQUALS(text, len, literal) ((len) == sizeof(literal) - 1 && \
	scan_equal_lower(text, literal, sizeof(literal) - 1))

static void
rules_note_breach(struct head *head, uint16_t status, const char *reason)
{
	if (head->status != 0 && (head->status == 400 || status != 400))
		return;
	head->status = status;
	head->reason = reason;
}

/* ":" and digits, or nothing, up to end. */
static bool
rules_is_port(const char *p, const char *end)
{
	unsigned int port = 0;

	if (p == end)
		return true;
	if (*p++ != ':')
		return false;
	for (; p < end; p++) {
		if (*p < '0' || *p > '9')
			return false;
		port = port * 10 + (unsigned int)(*p - '0');
		if (port > UINT16_MAX)
			return false;
	}
	return true;
}

/* %, two digits, and no NUL that would be hidden by them. */
static bool
rules_is_escape(const char *p, const char *end)
{
	return end - p >= 3 && p[0] == '%' && scan_is(p[1], SCAN_HEX) &&
	    scan_is(p[2], SCAN_HEX) && !(p[1] == '0' && p[2] == '0');
}

bool
rules_is_host(const char *p, const char *end)
{
	const char *start = p;

	if (p < end && *p == '[') {
		do
			p++;
		while (p < end && (scan_is(*p, SCAN_HEX) || *p == ':' ||
		    *p == '.'));
		if (p == end || *p != ']' || p == start + 1)
			return false;
		return rules_is_port(p + 1, end);
	}
	while ((p = scan_skip_bytes(p, end, SCAN_HOST)) < end &&
	    rules_is_escape(p, end))
		p += 3;
	return p > start && rules_is_port(p, end);
}

static void
rules_take_host(struct head *head, const char *value, struct slice slice)
{
	if (head->host.at != 0)
		rules_note_breach(head, 400, "more than one Host");
	else if (!rules_is_host(value, value + slice.len))
		rules_note_breach(head, 400, "bad Host");
	head->host = slice;
}

/* A HTAB behind a length is a blank to us and part of the value to others, who
 * would then see another length, or none: llhttp does. */
static void
rules_forbid_tabs(struct head *head, const char *value)
{
	while (*value != '\r' && *value != '\t')
		value++;
	if (*value == '\t')
		rules_note_breach(head, 400, "HTAB in a field that frames");
}

static void
rules_take_content_length(struct head *head, const char *value, size_t len)
{
	uint64_t length = 0;

	rules_forbid_tabs(head, value);
	if (head->content_length != HEAD_NO_BODY)
		rules_note_breach(head, 400,
		    "Content-Length beside another length");
	else if (len == 0)
		rules_note_breach(head, 400, "empty Content-Length");
	for (size_t i = 0; i < len; i++) {
		unsigned int digit = (unsigned char)value[i] - '0';

		if (digit > 9 || length > (HEAD_CHUNKED - 1 - digit) / 10) {
			rules_note_breach(head, 400, "bad Content-Length");
			break;
		}
		length = length * 10 + digit;
	}
	head->content_length = length;
}

/* The next element of a list between commas, without the blanks around it;
 * false at the end.  An empty one has len 0. */
static bool
rules_next_element(const char **p, const char *end, const char **element,
    size_t *len)
{
	const char *start = *p, *stop;

	if (start > end)
		return false;
	stop = start;
	while (stop < end && *stop != ',')
		stop++;
	*p = stop + 1;
	while (start < stop && scan_is_blank(*start))
		start++;
	while (stop > start && scan_is_blank(stop[-1]))
		stop--;
	*element = start;
	*len = (size_t)(stop - start);
	return true;
}

/* Tokens, of which the last is the only "chunked": a coding that we do not
 * have, on a body whose end would be known. */
static bool
rules_are_codings(const char *p, const char *end)
{
	bool chunked = false;
	const char *element;
	size_t len;

	while (rules_next_element(&p, end, &element, &len)) {
		if (chunked || len == 0 ||
		    scan_skip_bytes(element, element + len, SCAN_TOKEN) !=
		    element + len)
			return false;
		chunked = EQUALS(element, len, "chunked");
	}
	return chunked;
}

static void
rules_take_transfer_encoding(struct head *head, const char *value, size_t len)
{
	rules_forbid_tabs(head, value);
	if (head->minor == 0)
		rules_note_breach(head, 400, "Transfer-Encoding in HTTP/1.0");
	else if (head->content_length != HEAD_NO_BODY)
		rules_note_breach(head, 400,
		    "Transfer-Encoding beside another length");
	else if (len == 0)
		rules_note_breach(head, 400, "empty Transfer-Encoding");
	else if (!EQUALS(value, len, "chunked")) {
		if (rules_are_codings(value, value + len))
			rules_note_breach(head, 501, "unknown transfer coding");
		else
			rules_note_breach(head, 400, "bad Transfer-Encoding");
	}
	head->content_length = HEAD_CHUNKED;
}

static void
rules_take_connection(struct head *head, const char *value, size_t len)
{
	const char *p = value, *end = value + len, *element;

	rules_forbid_tabs(head, value);
	while (rules_next_element(&p, end, &element, &len)) {
		if (EQUALS(element, len, "close"))
			head->flags |= RULES_CLOSE;
		else if (EQUALS(element, len, "keep-alive"))
			head->flags |= HEAD_KEEP_ALIVE;
		else if (EQUALS(element, len, "upgrade"))
			head->flags |= RULES_ASKS_UPGRADE;
	}
}

static void
rules_take_expect(struct head *head, const char *value, size_t len)
{
	if (!EQUALS(value, len, "100-continue"))
		rules_note_breach(head, 417, "unknown expectation");
	head->flags |= HEAD_EXPECT_CONTINUE;
}

void
rules_take_field(struct head *head, const char *buf,
    const struct head_field *field)
{
	const char *name = buf + field->name.at, *value = buf + field->value.at;
	size_t len = field->value.len;

	switch (field->name.len) {
	case sizeof("host") - 1:
		if (EQUALS(name, field->name.len, "host"))
			rules_take_host(head, value, field->value);
		break;
	case sizeof("expect") - 1:
		if (EQUALS(name, field->name.len, "expect"))
			rules_take_expect(head, value, len);
		break;
	case sizeof("upgrade") - 1:
		if (len > 0 && EQUALS(name, field->name.len, "upgrade"))
			head->flags |= RULES_UPGRADE_TO;
		break;
	case sizeof("connection") - 1:
		if (EQUALS(name, field->name.len, "connection"))
			rules_take_connection(head, value, len);
		break;
	case sizeof("content-length") - 1:
		if (EQUALS(name, field->name.len, "content-length"))
			rules_take_content_length(head, value, len);
		break;
	case sizeof("transfer-encoding") - 1:
		if (EQUALS(name, field->name.len, "transfer-encoding"))
			rules_take_transfer_encoding(head, value, len);
		break;
	}
}

bool
rules_forbid_trailer(const char *buf, const struct head_field *field)
{
	const char *name = buf + field->name.at;
	size_t len = field->name.len;

	return EQUALS(name, len, "host") ||
	    EQUALS(name, len, "content-length") ||
	    EQUALS(name, len, "transfer-encoding");
}

/* http://host:port, then the path; its authority is the host from now on. */
static bool
rules_take_authority(struct head *head, const char *target, const char *end)
{
	const char *p = target;

	if (end - p > 7 && scan_equal_lower(p, "http://", 7))
		p += 7;
	else if (end - p > 8 && scan_equal_lower(p, "https://", 8)) {
		p += 8;
		head->flags |= HEAD_HTTPS;
	} else
		return false;
	head->form = HEAD_ABSOLUTE;
	head->host.at = head->target.at + (uint32_t)(p - target);
	for (target = p; p < end && *p != '/' && *p != '?'; p++)
		;
	head->host.len = (uint32_t)(p - target);
	return rules_is_host(target, p);
}

static void
rules_check_target(struct head *head, const char *buf)
{
	const char *target = buf + head->target.at;
	const char *end = target + head->target.len;
	const char *head_end = buf + head->offset, *p = target;

	if (*target == '*' && head->target.len == 1) {
		head->form = HEAD_ASTERISK;
		if (head->method_id != METHOD_OPTIONS)
			rules_note_breach(head, 400, "* is for OPTIONS");
	} else if (*target != '/' && !rules_take_authority(head, target, end))
		rules_note_breach(head, 400, "bad form of target");
	/* A space is behind it: no need to stop before. */
	while ((p = scan_skip(p, head_end, SCAN_PLAIN)) < end &&
	    rules_is_escape(p, end))
		p += 3;
	if (p < end)
		rules_note_breach(head, 400, *p == '#' ?
		    "fragment in target" : "bad escape in target");
}

/* Methods whose meaning is their body.  Where HTTP/1.0 knows no other way to say
 * where it ends (RFC 1945 8.3), there may be one all the same. */
static bool
rules_want_length(const struct head *head)
{
	return head->content_length == HEAD_NO_BODY &&
	    (head->method_id == METHOD_POST || head->method_id == METHOD_PUT ||
	    head->method_id == METHOD_PATCH);
}

bool
rules_check_end(struct head *head, const char *buf)
{
	const uint8_t upgrade = RULES_ASKS_UPGRADE | RULES_UPGRADE_TO;
	uint8_t flags = 0;

	if (head->minor == 1 && head->host.at == 0)
		rules_note_breach(head, 400, "no Host");
	rules_check_target(head, buf);
	if (head->minor == 0 && rules_want_length(head))
		rules_note_breach(head, 411, "no length in HTTP/1.0");

	flags |= head->flags;
	if (head->minor == 1)
		flags |= HEAD_KEEP_ALIVE;
	if (flags & RULES_CLOSE)
		flags &= (uint8_t)~HEAD_KEEP_ALIVE;
	/* Neither is known to HTTP/1.0; who sends no body awaits no 100. */
	if (head->minor == 0 || head->content_length == 0 ||
	    head->content_length == HEAD_NO_BODY)
		flags &= (uint8_t)~HEAD_EXPECT_CONTINUE;
	if (head->minor == 1 && (flags & upgrade) == upgrade)
		flags |= HEAD_UPGRADE;
	head->flags = flags & (uint8_t)~RULES_PRIVATE;
	return head->status == 0;
}
