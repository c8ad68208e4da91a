/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * test_multipart.c: what a body of multipart/form-data may be.  Each refusal
 * stands beside its accepted neighbour.  Each body ends where an unmapped page
 * begins, and cut anywhere it is refused.
 */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "daemon/http/multipart.h"
#include "tests/unit/page_end.h"

struct text {
	const char *at;
	size_t len;
};
#define S(literal) { literal, sizeof(literal) - 1 }

/* The boundary of all bodies is B. */
#define FIRST "--B\r\n"
#define NEXT "\r\n--B\r\n"
#define LAST "\r\n--B--"
#define CD "Content-Disposition: form-data; "
#define A CD "name=\"a\"\r\n"
#define ONE(head, data) S(FIRST head "\r\n" data LAST)
#define X10 "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define X1000 X100 X100 X100 X100 X100 X100 X100 X100 X100 X100

static const struct row {
	const char *spec;
	struct text in;
	const char *expect;		/* "name|filename|type|data;" of each, a
					 * '-' for what is not there */
	int error;
} rows[] = {
	{ "one field", ONE(A, "b"), "a|-|-|b;", 0 },
	{ "two", S(FIRST A "\r\nb" NEXT CD "name=\"c\"\r\n\r\nd" LAST),
	    "a|-|-|b;c|-|-|d;", 0 },
	{ "none", S("--B--"), "", 0 },
	{ "a line end at the end", S(FIRST A "\r\nb" LAST "\r\n"),
	    "a|-|-|b;", 0 },
	{ "a line end at the begin", S("\r\n" FIRST A "\r\nb" LAST),
	    "a|-|-|b;", 0 },
	{ "a file", ONE(CD "name=\"a\"; filename=\"f.txt\"\r\n"
	    "Content-Type: text/plain\r\n", "b"), "a|f.txt|text/plain|b;", 0 },
	{ "the type first", ONE("Content-Type: text/plain\r\n" A, "b"),
	    "a|-|text/plain|b;", 0 },
	{ "an empty name of a file", ONE(CD "name=\"a\"; filename=\"\"\r\n",
	    ""), "a||-|;", 0 },
	{ "no data", ONE(A, ""), "a|-|-|;", 0 },
	{ "not even the line end of none", S(FIRST A LAST), "a|-|-|;", 0 },
	{ "data of line ends", ONE(A, "\r\n\r\n"), "a|-|-|\r\n\r\n;", 0 },
	{ "data with the boundary inside a line", ONE(A, "b--B\r\n"),
	    "a|-|-|b--B\r\n;", 0 },
	{ "data with LF before it", ONE(A, "b\n--B\r\nc"),
	    "a|-|-|b\n--B\r\nc;", 0 },
	{ "data with half of it", ONE(A, "\r\n--\r\n-B"),
	    "a|-|-|\r\n--\r\n-B;", 0 },
	{ "a boundary in other letters", ONE(A, "\r\n--b--"),
	    "a|-|-|\r\n--b--;", 0 },
	{ "blanks behind a boundary", S("--B \t\r\n" A "\r\nb\r\n--B-- \r\n"),
	    "a|-|-|b;", 0 },
	{ "names in any case", ONE("CONTENT-disposition:FORM-DATA;NAME=a\r\n",
	    "b"), "a|-|-|b;", 0 },
	{ "other headers", ONE("X-What: ever\r\n" A "Content-Length: 7\r\n",
	    "b"), "a|-|-|b;", 0 },
	{ "a token for a name", ONE(CD "name=a\r\n", "b"), "a|-|-|b;", 0 },
	{ "an empty name", ONE(CD "name=\"\"\r\n", "b"), "|-|-|b;", 0 },
	{ "quotes in a name", ONE(CD "name=\"a\\\"b\"\r\n", "c"),
	    "a\"b|-|-|c;", 0 },
	{ "a backslash twice", ONE(CD "name=\"a\\\\\"\r\n", "c"),
	    "a\\|-|-|c;", 0 },
	{ "a path of another world", ONE(CD
	    "name=\"a\"; filename=\"C:\\dir\\f.txt\"\r\n", "c"),
	    "a|C:\\dir\\f.txt|-|c;", 0 },
	{ "percents stay", ONE(CD "name=\"%22a%0d\"\r\n", "b"),
	    "%22a%0d|-|-|b;", 0 },
	{ "separators in quotes", ONE(CD "name=\"a;b=c\"\r\n", "d"),
	    "a;b=c|-|-|d;", 0 },
	{ "another parameter", ONE(CD "x=y;name=\"a\" ; z=\"\\\"\";\r\n", "b"),
	    "a|-|-|b;", 0 },
	{ "UTF-8", ONE(CD "name=\"\xc3\xa4\"\r\n", "b"), "\xc3\xa4|-|-|b;", 0 },
	{ "an encoding that is none",
	    ONE(A "Content-Transfer-Encoding: Binary\r\n", "b"),
	    "a|-|-|b;", 0 },

	{ "nothing at all", S(""), NULL, -EBADMSG },
	{ "no boundary", S("a=b"), NULL, -EBADMSG },
	{ "another one", S("--C\r\n" A "\r\nb\r\n--C--"), NULL, -EBADMSG },
	{ "something before the first", S("x" FIRST A "\r\nb" LAST), NULL,
	    -EBADMSG },
	{ "a line before it", S("x\r\n" FIRST A "\r\nb" LAST), NULL,
	    -EBADMSG },
	{ "something behind the last", S(FIRST A "\r\nb" LAST "\r\nx"), NULL,
	    -EBADMSG },
	{ "two line ends behind it", S(FIRST A "\r\nb" LAST "\r\n\r\n"), NULL,
	    -EBADMSG },
	{ "no end", S(FIRST A "\r\nb"), NULL, -EBADMSG },
	{ "an end of one hyphen", S(FIRST A "\r\nb\r\n--B-"), NULL, -EBADMSG },
	{ "no end after a second", S(FIRST A "\r\nb" NEXT), NULL, -EBADMSG },
	{ "a line that begins with the boundary",
	    ONE(A, "b\r\n--Bx\r\n"), NULL, -EBADMSG },
	{ "LF behind a boundary", S("--B\n" A "\r\nb" LAST), NULL, -EBADMSG },
	{ "CR alone behind it", S("--B\r" A "\r\nb" LAST), NULL, -EBADMSG },
	{ "LF behind a header", ONE(CD "name=\"a\"\n", "b"), NULL, -EBADMSG },
	{ "LF as empty line", S(FIRST A "\nb" LAST), NULL, -EBADMSG },
	{ "no header", ONE("", "b"), NULL, -EBADMSG },
	{ "no disposition", ONE("Content-Type: text/plain\r\n", "b"), NULL,
	    -EBADMSG },
	{ "two of them", ONE(A A, "b"), NULL, -EBADMSG },
	{ "two types", ONE(A "Content-Type: a/b\r\nContent-Type: a/b\r\n",
	    "b"), NULL, -EBADMSG },
	{ "an empty type", ONE(A "Content-Type:\r\n", "b"), NULL, -EBADMSG },
	{ "another disposition",
	    ONE("Content-Disposition: attachment; name=\"a\"\r\n", "b"), NULL,
	    -EBADMSG },
	{ "no name", ONE("Content-Disposition: form-data\r\n", "b"), NULL,
	    -EBADMSG },
	{ "a file without a name", ONE(CD "filename=\"f\"\r\n", "b"), NULL,
	    -EBADMSG },
	{ "two names", ONE(CD "name=\"a\"; name=\"b\"\r\n", "c"), NULL,
	    -EBADMSG },
	{ "two of a file", ONE(CD "name=a; filename=b; filename=c\r\n", "d"),
	    NULL, -EBADMSG },
	{ "filename*", ONE(CD "name=a; filename*=utf-8''b\r\n", "c"), NULL,
	    -EBADMSG },
	{ "a quote without its end", ONE(CD "name=\"a\r\n", "b"), NULL,
	    -EBADMSG },
	{ "behind a backslash", ONE(CD "name=\"a\\\"\r\n", "b"), NULL,
	    -EBADMSG },
	{ "more behind a quote", ONE(CD "name=\"a\"b\r\n", "c"), NULL,
	    -EBADMSG },
	{ "a blank before the equals", ONE(CD "name =\"a\"\r\n", "b"), NULL,
	    -EBADMSG },
	{ "no value", ONE(CD "name=\r\n", "b"), NULL, -EBADMSG },
	{ "no equals", ONE(CD "name\r\n", "b"), NULL, -EBADMSG },
	{ "no semicolon", ONE("Content-Disposition: form-data name=a\r\n",
	    "b"), NULL, -EBADMSG },
	{ "a folded line", ONE("Content-Disposition: form-data;\r\n"
	    " name=\"a\"\r\n", "b"), NULL, -EBADMSG },
	{ "a blank before the colon",
	    ONE("Content-Disposition : form-data; name=\"a\"\r\n", "b"), NULL,
	    -EBADMSG },
	{ "a header without a name", ONE(": x\r\n" A, "b"), NULL, -EBADMSG },
	{ "a line without a colon", ONE("x\r\n" A, "b"), NULL, -EBADMSG },
	{ "NUL in a header", ONE(CD "name=\"a\0\"\r\n", "b"), NULL, -EBADMSG },
	{ "base64", ONE(A "Content-Transfer-Encoding: base64\r\n", "b"), NULL,
	    -EBADMSG },
	{ "a head of 4096 bytes", ONE(A "X: " X1000 X1000 X1000 X1000 X10 X10
	    X10 X10 "xxxxxxx\r\n", "b"), "a|-|-|b;", 0 },
	{ "a head of 4097", ONE(A "X: " X1000 X1000 X1000 X1000 X10 X10
	    X10 X10 "xxxxxxxx\r\n", "b"), NULL, -E2BIG },
	{ "many lines", ONE(A "X: " X1000 "\r\nX: " X1000 "\r\nX: " X1000
	    "\r\nX: " X1000 "\r\nX: " X1000 "\r\n", "b"), NULL, -E2BIG },
};

static void
add(char *out, size_t size, struct multipart_text text, char behind)
{
	size_t used = strlen(out);

	if (text.at == NULL)
		text = (struct multipart_text){ "-", 1 };
	if (used + text.len + 2 > size)
		abort();
	used += multipart_copy(out + used, text);
	out[used] = behind;
	out[used + 1] = '\0';
}

/* All parts as text; 0, or why not. */
static int
read_all(const char *body, size_t len, char *out, size_t size)
{
	static const char type[] = "multipart/form-data; boundary=B";
	struct multipart multipart;
	struct multipart_part part;
	int rc = multipart_init(&multipart, type, sizeof(type) - 1, body, len);

	out[0] = '\0';
	if (rc != 0)
		return rc;
	while ((rc = multipart_next(&multipart, &part)) > 0) {
		const char *data = part.data.at;

		assert_true(data >= body && data + part.data.len <= body +
		    len);
		add(out, size, part.name, '|');
		add(out, size, part.filename, '|');
		add(out, size, part.type, '|');
		snprintf(out + strlen(out), size - strlen(out), "%.*s;",
		    (int)part.data.len, data);
	}
	return rc;
}

static void
bodies(void **state)
{
	char *page = page_end_open();
	char text[512];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct row *row = &rows[i];
		int rc = read_all(page_end_copy(page, row->in.at, row->in.len),
		    row->in.len, text, sizeof(text));

		if (rc != row->error)
			fail_msg("%s: %d", row->spec, rc);
		if (rc == 0 && strcmp(text, row->expect) != 0)
			fail_msg("%s: %s", row->spec, text);
	}
	page_end_close(page);
}

/* A body that was cut is never taken for the whole: only the line end behind it
 * may be missing. */
static void
a_body_that_is_cut(void **state)
{
	char *page = page_end_open();
	char text[512];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct text *in = &rows[i].in;
		size_t whole = in->len;

		if (rows[i].error != 0)
			continue;
		while (in->at[whole - 1] != '-')
			whole--;
		for (size_t len = 0; len < whole; len++)
			assert_int_equal(read_all(page_end_copy(page, in->at,
			    len), len, text, sizeof(text)), -EBADMSG);
	}
	page_end_close(page);
}

static const struct {
	const char *value;
	const char *boundary;		/* NULL: refused */
} types[] = {
	{ "multipart/form-data; boundary=B", "B" },
	{ "Multipart/Form-Data;BOUNDARY=B", "B" },
	{ "multipart/form-data; charset=utf-8; boundary=\"a b\"", "a b" },
	{ "multipart/form-data; boundary=\"'()+_,-./:=?\"; x=y",
	    "'()+_,-./:=?" },
	{ "multipart/form-data; boundary=----WebKitFormBoundaryx0",
	    "----WebKitFormBoundaryx0" },
	{ "multipart/form-data; boundary=" X10 X10 X10 X10 X10 X10 X10,
	    X10 X10 X10 X10 X10 X10 X10 },
	{ "multipart/form-data; boundary=" X10 X10 X10 X10 X10 X10 X10 "x",
	    NULL },
	{ "multipart/form-data", NULL },
	{ "multipart/form-data;", NULL },
	{ "multipart/form-data; boundary", NULL },
	{ "multipart/form-data; boundary=", NULL },
	{ "multipart/form-data; boundary=\"\"", NULL },
	{ "multipart/form-data; boundary=\"B", NULL },
	{ "multipart/form-data; boundary=\"B \"", NULL },
	{ "multipart/form-data; boundary=a=b", NULL },
	{ "multipart/form-data; boundary=a b", NULL },
	{ "multipart/form-data; boundary=\"a\\\"b\"", NULL },
	{ "multipart/form-data; boundary=\"a@b\"", NULL },
	{ "multipart/form-data; boundary=\"\xc3\xa4\"", NULL },
	{ "multipart/form-data; boundary=a; boundary=a", NULL },
	{ "multipart/form-data boundary=a", NULL },
};

static void
boundaries(void **state)
{
	char *page = page_end_open();
	struct multipart multipart;

	(void)state;
	for (size_t i = 0; i < COUNT(types); i++) {
		size_t len = strlen(types[i].value);
		const char *value = page_end_copy(page, types[i].value, len);
		int rc = multipart_init(&multipart, value, len, "", 0);

		if (rc != (types[i].boundary == NULL ? -EBADMSG : 0))
			fail_msg("%s: %d", types[i].value, rc);
		if (rc != 0)
			continue;
		assert_int_equal(multipart.mark_len,
		    4 + strlen(types[i].boundary));
		assert_memory_equal(multipart.mark + 4, types[i].boundary,
		    multipart.mark_len - 4);
		assert_true(multipart_is_type(value, len,
		    "multipart/form-data"));
		assert_false(multipart_is_type(value, len, "multipart/form"));
		assert_false(multipart_is_type(value, len,
		    "multipart/form-data2"));
	}
	page_end_close(page);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies),
		cmocka_unit_test(a_body_that_is_cut),
		cmocka_unit_test(boundaries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
