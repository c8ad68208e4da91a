/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * fuzz_head.c: any bytes as a request head and as trailers.  The verdict must
 * not depend on the cut, and what is accepted must keep its promises.  The
 * first byte of an input chooses the limits and the cut, the rest is the head.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/http/head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELDS = 32 };

/* check-source: a function */ typedef enum head_result
parse_function(struct head *, const char *, size_t);

static void
expect(bool truth)
{
	if (!truth)
		abort();
}

/* Inside the head, and in front of what follows it there. */
static void
check_slice(const struct head *head, struct slice slice)
{
	expect(slice.at <= head->offset && slice.len <= head->offset -
	    slice.at);
}

static void
check_fields(const struct head *head, const char *buf)
{
	uint32_t at = 0;

	expect(head->field_count <= head->limits.fields);
	for (uint32_t i = 0; i < head->field_count; i++) {
		const struct head_field *field = &head->fields[i];

		check_slice(head, field->name);
		check_slice(head, field->value);
		expect(field->name.len > 0 && field->name.at >= at);
		expect(buf[field->name.at + field->name.len] == ':');
		expect(field->value.at > field->name.at + field->name.len);
		at = field->value.at + field->value.len;
		expect(memchr(buf + field->value.at, '\n', field->value.len) ==
		    NULL);
	}
}

static void
check_accepted(const struct head *head, const char *buf)
{
	struct slice path = head_path(head);

	expect(head->offset <= head->limits.head_size);
	expect(memcmp(buf + head->offset - 2, "\r\n", 2) == 0);
	check_fields(head, buf);
	check_slice(head, head->method);
	check_slice(head, head->target);
	check_slice(head, head->host);
	check_slice(head, path);
	expect(head->target.len > 0 &&
	    head->target.len <= head->limits.uri_size);
	expect(head->method_id != METHOD_NONE);
	expect(head->minor == 0 || head->host.len > 0);
	expect(path.at + path.len == head->target.at + head->target.len);
	expect((head->content_length == HEAD_CHUNKED) ==
	    (head_find(head, buf, "transfer-encoding") != NULL));
	expect((head->content_length < HEAD_CHUNKED) ==
	    (head_find(head, buf, "content-length") != NULL));
}

/* One verdict, reached by reading step bytes at a time. */
static enum head_result
parse_in_steps(parse_function *parse, struct head *head, const char *buf,
    size_t len, size_t step)
{
	enum head_result result = HEAD_MORE;

	for (size_t end = 0; end < len && result == HEAD_MORE; ) {
		end = len - end > step ? end + step : len;
		result = parse(head, buf, end);
	}
	return result;
}

static void
run(parse_function *parse, const struct head_limits *limits, const char *buf,
    size_t len, size_t step)
{
	struct head_field whole_fields[FIELDS], cut_fields[FIELDS];
	struct head whole, cut;
	enum head_result result;

	head_init(&whole, limits, whole_fields);
	head_init(&cut, limits, cut_fields);
	result = parse_in_steps(parse, &whole, buf, len, len);
	expect(parse_in_steps(parse, &cut, buf, len, step) == result);
	expect(whole.offset == cut.offset && whole.offset <= len);
	expect(whole.status == cut.status && whole.reason == cut.reason);
	expect((result == HEAD_REFUSED) <= (whole.reason != NULL));
	if (result != HEAD_DONE)
		return;
	expect(whole.status == 0 && whole.field_count == cut.field_count);
	expect(memcmp(whole_fields, cut_fields,
	    whole.field_count * sizeof(whole_fields[0])) == 0);
	if (parse == head_parse)
		check_accepted(&whole, buf);
	else
		check_fields(&whole, buf);
	expect(memcmp(&whole.method, &cut.method, sizeof(whole.method)) == 0);
	expect(memcmp(&whole.target, &cut.target, sizeof(whole.target)) == 0);
	expect(memcmp(&whole.host, &cut.host, sizeof(whole.host)) == 0);
	expect(whole.content_length == cut.content_length);
	expect(whole.flags == cut.flags && whole.form == cut.form);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct head_limits limits = { 4096, 1024, FIELDS };
	const char *buf = (const char *)data + 1;
	size_t step;

	if (size < 2)
		return 0;
	step = data[0] % 32 + 1;
	if (data[0] & 0x80)
		limits = (struct head_limits){ 96, 24, 3 };
	run(head_parse, &limits, buf, size - 1, step);
	run(head_parse_trailers, &limits, buf, size - 1, step);
	return 0;
}
