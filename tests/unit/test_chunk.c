/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * test_chunk.c: what a chunked body may be.  Each refusal stands beside its
 * accepted neighbour.  Each case is read whole, cut at every byte, and byte by
 * byte from the end of a page before an unmapped one; body, verdict and its
 * place must be the same.
 */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "daemon/http/chunk.h"
#include "tests/unit/page_end.h"

struct text {
	const char *at;
	size_t len;
};
#define S(literal) { literal, sizeof(literal) - 1 }

struct row {
	const char *spec;
	struct text in;			/* the last byte brings the verdict */
	struct text rest;		/* what follows: not looked at */
	const char *expect;		/* "last" or the status, and the body */
	uint64_t max_body;		/* 0: 64 */
};

#define X10 "0123456789"
#define X50 X10 X10 X10 X10 X10
#define Z10 "0000000000"
#define Z50 Z10 Z10 Z10 Z10 Z10
#define END S("\r\nGET / HTTP/1.1\r\n")

static const struct row size_rows[] = {
	{ "no body", S("0\r\n"), END, "last " },
	{ "one chunk", S("5\r\nhello\r\n0\r\n"), END, "last hello" },
	{ "three", S("1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n0\r\n"), END,
	    "last abcdef" },
	{ "hex in lower case", S("a\r\n" X10 "\r\n0\r\n"), END, "last " X10 },
	{ "hex in upper case", S("A\r\n" X10 "\r\n0\r\n"), END, "last " X10 },
	{ "leading zeros", S("00005\r\nhello\r\n000\r\n"), END, "last hello" },
	{ "a body of line ends", S("6\r\n\r\n0\r\n\r\r\n0\r\n"), END,
	    "last \r\n0\r\n\r" },
	{ "no hexadecimal", S("g"), S("\r\nhello\r\n0\r\n"), "400 " },
	{ "nor behind a digit", S("5g"), S("\r\nhello\r\n0\r\n"), "400 " },
	{ "empty", S("\r"), S("\n0\r\n"), "400 " },
	{ "a sign", S("+"), S("5\r\nhello\r\n0\r\n"), "400 " },
	{ "a minus", S("-"), S("1\r\nhello\r\n0\r\n"), "400 " },
	{ "0x", S("0x"), S("5\r\nhello\r\n0\r\n"), "400 " },
	{ "an underscore", S("1_"), S("0\r\nhello\r\n0\r\n"), "400 " },
	{ "a blank before", S(" "), S("5\r\nhello\r\n0\r\n"), "400 " },
	{ "a blank inside", S("5 "), S("5\r\nhello\r\n0\r\n"), "400 " },
	{ "a blank behind", S("5 "), S("\r\nhello\r\n0\r\n"), "400 " },
	{ "HTAB behind", S("5\t"), S("\r\nhello\r\n0\r\n"), "400 " },
	{ "NUL", S("5\0"), S("\r\nhello\r\n0\r\n"), "400 " },
	{ "LF without CR", S("5\n"), S("hello\r\n0\r\n"), "400 " },
	{ "CR without LF", S("5\rh"), S("ello\r\n0\r\n"), "400 " },
	{ "the longest of 64 bits", S("ffffffffffffffff\r\nabc"), S(""),
	    "more abc", UINT64_MAX },
	{ "over 64 bits", S("10000000000000000"), S("\r\nabc"), "400 ",
	    UINT64_MAX },
	{ "over 64 bits is no size that is too long", S("10000000000000000"),
	    S("\r\nabc"), "400 " },
	{ "more than 64 bits of zeros",
	    S("000000000000000000005\r\nhello\r\n0\r\n"), END, "last hello" },
	{ "LF without CR at the end", S("0\n"), S("\n"), "400 " },
};

static const struct row data_rows[] = {
	{ "data without CRLF", S("5\r\nhello0"), S("\r\n\r\n"), "400 hello" },
	{ "with LF only", S("5\r\nhello\n"), S("0\r\n\r\n"), "400 hello" },
	{ "with CR only", S("5\r\nhello\r0"), S("\r\n\r\n"), "400 hello" },
	{ "more than it says", S("5\r\nhello!"), S("\r\n0\r\n"), "400 hello" },
	{ "an empty line between chunks", S("1\r\na\r\n\r"), S("\n0\r\n"),
	    "400 a" },
};

static const struct row extension_rows[] = {
	{ "a name", S("1;a\r\nx\r\n0\r\n"), END, "last x" },
	{ "a value", S("1;a=b\r\nx\r\n0\r\n"), END, "last x" },
	{ "several", S("1;a=b;c;d=\"e\"\r\nx\r\n0;f\r\n"), END, "last x" },
	{ "in quotes", S("1;a=\"b ;\t\\\"\xff\\\\\"\r\nx\r\n0\r\n"), END,
	    "last x" },
	{ "empty quotes", S("1;a=\"\"\r\nx\r\n0\r\n"), END, "last x" },
	{ "LF", S("1;a\n"), S("x\r\n0\r\n"), "400 " },
	{ "LF in a value", S("1;a=b\n"), S("x\r\n0\r\n"), "400 " },
	{ "LF in quotes", S("1;a=\"\n"), S("\"\r\nx\r\n0\r\n"), "400 " },
	{ "LF behind a backslash", S("1;a=\"\\\n"), S("\"\r\nx\r\n"), "400 " },
	{ "CR in quotes", S("1;a=\"\r"), S("\n\"\r\nx\r\n0\r\n"), "400 " },
	{ "CR without LF", S("1;a\rx"), S("\r\n0\r\n"), "400 " },
	{ "NUL in quotes", S("1;a=\"\0"), S("\"\r\nx\r\n0\r\n"), "400 " },
	{ "no name", S("1;\r"), S("\nx\r\n0\r\n"), "400 " },
	{ "a value without a name", S("1;="), S("b\r\nx\r\n0\r\n"), "400 " },
	{ "two semicolons", S("1;;"), S("a\r\nx\r\n0\r\n"), "400 " },
	{ "no value", S("1;a=\r"), S("\nx\r\n0\r\n"), "400 " },
	{ "two values", S("1;a=b="), S("c\r\nx\r\n0\r\n"), "400 " },
	{ "a blank before the semicolon", S("1 "), S(";a\r\nx\r\n"), "400 " },
	{ "a blank behind it", S("1; "), S("a\r\nx\r\n0\r\n"), "400 " },
	{ "a blank behind a name", S("1;a "), S("\r\nx\r\n0\r\n"), "400 " },
	{ "a quote in a name", S("1;a\""), S("\"\r\nx\r\n0\r\n"), "400 " },
	{ "a quote in a value", S("1;a=b\""), S("\"\r\nx\r\n"), "400 " },
	{ "more behind quotes", S("1;a=\"b\"c"), S("\r\nx\r\n"), "400 " },
	{ "a byte over 0x7f", S("1;\x80"), S("\r\nx\r\n0\r\n"), "400 " },
};

static const struct row limit_rows[] = {
	{ "256 bytes of framing", S(Z50 Z50 Z50 Z50 Z50 "0001\r\nx"), S(""),
	    "more x" },
	{ "257", S(Z50 Z50 Z50 Z50 Z50 "00001\r\n"), S("x\r\n0\r\n"), "400 " },
	{ "an extension of as many", S("1;a=" X50 X50 X50 X50 X50 "\r\nx"),
	    S(""), "more x" },
	{ "one more", S("1;ab=" X50 X50 X50 X50 X50 "\r\n"), S("x\r\n0\r\n"),
	    "400 " },
	{ "zeros without end", S(Z50 Z50 Z50 Z50 Z50 "0000000"), S(Z50), "400 " },
	{ "counted from the last byte of data on",
	    S("1;a=" X50 X50 X50 X50 "\r\nx\r\n1;a=" X50 X50 X50 X50 "\r\ny"),
	    S(""), "more xy" },
	{ "with its CRLF", S("1\r\nx\r\n1;a=" X50 X50 X50 X50 X10 X10 X10 X10
	    "12345678\r\ny"), S(""), "more xy" },
	{ "one more there", S("1\r\nx\r\n1;a=" X50 X50 X50 X50 X10 X10 X10
	    X10 "123456789\r\n"), S("y"), "400 x" },
	{ "the last chunk too", S(Z50 Z50 Z50 Z50 Z50 "0000\r\n"), END,
	    "last " },
	{ "one more in it", S(Z50 Z50 Z50 Z50 Z50 "00000\r\n"), END, "400 " },

	{ "a body as long as the limit", S("a\r\n" X10 "\r\n0\r\n"), END,
	    "last " X10, 10 },
	{ "a byte longer", S("b\r"), S("\n" X10 "x\r\n0\r\n"), "413 ", 10 },
	{ "before an extension", S("b;"), S("a\r\n" X10 "x\r\n"), "413 ", 10 },
	{ "in two chunks",
	    S("5\r\n01234\r\n5\r\n56789\r\n0\r\n"), END, "last " X10, 10 },
	{ "and a byte longer", S("5\r\n01234\r\n6\r"), S("\n567890\r\n0\r\n"),
	    "413 01234", 10 },
	{ "a sum over 64 bits", S("1\r\nx\r\nffffffffffffffff\r"), S("\ny"),
	    "413 x", UINT64_MAX },
};

/* What a row is run with, and what it gave. */
struct run {
	const struct row *row;
	char *page;
	char all[1024];
	size_t len, used;
	struct chunk chunk;
	enum chunk_result result;
	char body[256];
	size_t body_len;
};

static void
run_begin(struct run *run)
{
	chunk_init(&run->chunk,
	    run->row->max_body != 0 ? run->row->max_body : 64);
	run->used = run->body_len = 0;
	run->result = CHUNK_MORE;
}

/* Read on in the first len bytes; each call sees only what is not done with. */
static void
run_parse(struct run *run, size_t len)
{
	while (run->result < CHUNK_LAST) {
		struct slice data = { 0, 0 };
		size_t used = 0, left = len - run->used;
		const char *buf = page_end_copy(run->page,
		    run->all + run->used, left);

		run->result = chunk_parse(&run->chunk, buf, left, &used, &data);
		if (used > left)
			fail_msg("%s: used too much", run->row->spec);
		if (run->result == CHUNK_DATA) {
			if (data.len == 0 || data.at + data.len != used)
				fail_msg("%s: bad data", run->row->spec);
			memcpy(run->body + run->body_len, buf + data.at,
			    data.len);
			run->body_len += data.len;
		}
		run->used += used;
		if (run->result == CHUNK_MORE)
			break;
	}
	if (run->result == CHUNK_MORE && run->used != len)
		fail_msg("%s: more of what is there", run->row->spec);
}

static void
run_expect(const struct run *run, const char *how, size_t cut)
{
	size_t used = run->row->in.len - (run->result == CHUNK_REFUSED);
	char got[512];

	if (run->result == CHUNK_REFUSED)
		snprintf(got, sizeof(got), "%u %.*s", run->chunk.status,
		    (int)run->body_len, run->body);
	else
		snprintf(got, sizeof(got), "%s %.*s",
		    run->result == CHUNK_LAST ? "last" : "more",
		    (int)run->body_len, run->body);
	if (strcmp(got, run->row->expect) != 0)
		fail_msg("%s, %s %zu: %s (%s)", run->row->spec, how, cut, got,
		    run->chunk.reason != NULL ? run->chunk.reason : "-");
	if (run->result == CHUNK_MORE)
		used = run->len;
	if (run->used != used)
		fail_msg("%s, %s %zu: used %zu for %zu", run->row->spec, how,
		    cut, run->used, used);
	if ((run->result == CHUNK_REFUSED) != (run->chunk.reason != NULL))
		fail_msg("%s: no reason", run->row->spec);
	if (run->chunk.body != run->body_len)
		fail_msg("%s: miscounted", run->row->spec);
}

static void
run_row(struct run *run)
{
	const struct row *row = run->row;

	run->len = row->in.len + row->rest.len;
	memcpy(run->all, row->in.at, row->in.len);
	memcpy(run->all + row->in.len, row->rest.at, row->rest.len);

	for (size_t cut = 0; cut <= run->len; cut++) {
		run_begin(run);
		run_parse(run, cut);
		run_parse(run, run->len);
		run_expect(run, "cut at", cut);
	}
	run_begin(run);
	for (size_t len = 0; len <= run->len; len++) {
		if (len == row->in.len && run->result >= CHUNK_LAST)
			fail_msg("%s: too early", row->spec);
		run_parse(run, len);
	}
	run_expect(run, "byte by byte", run->len);
}

static void
run_rows(const struct row *rows, size_t count)
{
	struct run run = { .page = page_end_open() };

	for (size_t i = 0; i < count; i++) {
		run.row = &rows[i];
		run_row(&run);
	}
	page_end_close(run.page);
}
#define RUN(rows) run_rows(rows, sizeof(rows) / sizeof((rows)[0]))

static void
sizes(void **state)
{
	(void)state;
	RUN(size_rows);
}

static void
data_ends_with_crlf(void **state)
{
	(void)state;
	RUN(data_rows);
}

static void
extensions(void **state)
{
	(void)state;
	RUN(extension_rows);
}

static void
limits(void **state)
{
	(void)state;
	RUN(limit_rows);
}

static void
verdicts_stay(void **state)
{
	struct slice data = { 7, 7 };
	struct chunk chunk;
	size_t used;

	(void)state;
	chunk_init(&chunk, 64);
	assert_int_equal(chunk_parse(&chunk, "0\r\n", 3, &used, &data),
	    CHUNK_LAST);
	assert_int_equal(chunk_parse(&chunk, "5\r\n", 3, &used, &data),
	    CHUNK_LAST);
	assert_int_equal(used, 0);
	chunk_init(&chunk, 64);
	assert_int_equal(chunk_parse(&chunk, "x", 1, &used, &data),
	    CHUNK_REFUSED);
	assert_int_equal(chunk_parse(&chunk, "5\r\n", 3, &used, &data),
	    CHUNK_REFUSED);
	assert_int_equal(used, 0);
	assert_int_equal(data.at, 7);
	assert_int_equal(data.len, 7);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(data_ends_with_crlf),
		cmocka_unit_test(extensions),
		cmocka_unit_test(limits),
		cmocka_unit_test(verdicts_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
