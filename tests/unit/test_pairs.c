/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * test_pairs.c: percent-encoding, queries and cookies.  Each refusal stands
 * beside its accepted neighbour.  Each input ends where an unmapped page begins,
 * and is read from a part of a longer text too.
 */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "daemon/http/pairs.h"
#include "daemon/http/percent.h"
#include "tests/unit/page_end.h"

struct text {
	const char *at;
	size_t len;
};
#define S(literal) { literal, sizeof(literal) - 1 }

/* ---- percent-encoding ------------------------------------------------------------ */

static const struct decode_row {
	const char *spec;
	struct text in;
	struct text expect;		/* at NULL: -EILSEQ */
	unsigned flags;
} decode_rows[] = {
	{ "nothing", S(""), S(""), 0 },
	{ "plain", S("abc"), S("abc"), 0 },
	{ "a space", S("a%20b"), S("a b"), 0 },
	{ "hex in both cases", S("%2f%2F%4a%4A"), S("//JJ"), 0 },
	{ "an escaped escape is not decoded twice", S("%2541"), S("%41"), 0 },
	{ "a plus stays", S("a+b"), S("a+b"), 0 },
	{ "a plus of a form", S("a+b%2B"), S("a b+"), PERCENT_PLUS },
	{ "every control byte but 0", S("%01%0d%0a%1f%7f"),
	    S("\x01\r\n\x1f\x7f"), 0 },
	{ "a percent at the end", S("a%"), { NULL, 0 }, 0 },
	{ "one digit", S("a%2"), { NULL, 0 }, 0 },
	{ "no digit", S("a%zz"), { NULL, 0 }, 0 },
	{ "one of two", S("%2g"), { NULL, 0 }, 0 },
	{ "the other of two", S("%g2"), { NULL, 0 }, 0 },
	{ "a percent for a digit", S("%%41"), { NULL, 0 }, 0 },
	{ "digits of another alphabet", S("%\xef\xbc\x91"), { NULL, 0 }, 0 },
	{ "a sign", S("%+1"), { NULL, 0 }, 0 },
	{ "0x", S("%0x"), { NULL, 0 }, 0 },
	{ "%u", S("%u0041"), { NULL, 0 }, 0 },
	{ "byte 0", S("a%00b"), { NULL, 0 }, 0 },
	{ "byte 0, allowed", S("a%00b"), S("a\0b"), PERCENT_NUL },
	{ "byte 0 as it is", S("a\0b"), { NULL, 0 }, 0 },
	{ "a slash", S("a%2Fb"), S("a/b"), 0 },
	{ "a slash, forbidden", S("a%2Fb"), { NULL, 0 }, PERCENT_NO_SLASH },
	{ "the same in lower case", S("a%2fb"), { NULL, 0 },
	    PERCENT_NO_SLASH },
	{ "a slash as it is", S("a/b"), S("a/b"), PERCENT_NO_SLASH },
	{ "two bytes", S("%C3%A4"), S("\xc3\xa4"), 0 },
	{ "two bytes as they are", S("\xc3\xa4"), S("\xc3\xa4"), 0 },
	{ "half and half", S("\xc3%A4"), S("\xc3\xa4"), 0 },
	{ "three bytes", S("%e2%82%ac"), S("\xe2\x82\xac"), 0 },
	{ "four bytes", S("%f0%9f%98%80"), S("\xf0\x9f\x98\x80"), 0 },
	{ "the last code point", S("%f4%8f%bf%bf"), S("\xf4\x8f\xbf\xbf"), 0 },
	{ "one behind it", S("%f4%90%80%80"), { NULL, 0 }, 0 },
	{ "a surrogate", S("%ed%a0%80"), { NULL, 0 }, 0 },
	{ "the last before surrogates", S("%ed%9f%bf"), S("\xed\x9f\xbf"), 0 },
	{ "overlong NUL", S("%c0%80"), { NULL, 0 }, 0 },
	{ "overlong slash", S("%c0%af"), { NULL, 0 }, 0 },
	{ "overlong in three", S("%e0%80%af"), { NULL, 0 }, 0 },
	{ "overlong in four", S("%f0%80%80%af"), { NULL, 0 }, 0 },
	{ "a stray byte", S("%80"), { NULL, 0 }, 0 },
	{ "cut", S("%c3"), { NULL, 0 }, 0 },
	{ "cut by another", S("%c3a"), { NULL, 0 }, 0 },
	{ "latin 1", S("%e4"), { NULL, 0 }, 0 },
	{ "latin 1, allowed", S("%e4"), S("\xe4"), PERCENT_BYTES },
	{ "fe and ff", S("%fe%ff"), { NULL, 0 }, 0 },
	{ "any bytes are no broken escapes", S("%fe%f"), { NULL, 0 },
	    PERCENT_BYTES },
};

static void
check_decoded(const struct decode_row *row, const char *in)
{
	char out[64];
	ssize_t len = percent_decode(out, row->in.len + 1, in, row->in.len,
	    row->flags);

	if (row->expect.at == NULL) {
		if (len != -EILSEQ)
			fail_msg("%s: %zd", row->spec, len);
		return;
	}
	if (len != (ssize_t)row->expect.len ||
	    memcmp(out, row->expect.at, row->expect.len + 1) != 0)
		fail_msg("%s: %zd", row->spec, len);
}

static void
what_is_decoded(void **state)
{
	char *page = page_end_open();
	char same[64];

	(void)state;
	for (size_t i = 0; i < COUNT(decode_rows); i++) {
		const struct decode_row *row = &decode_rows[i];

		check_decoded(row, page_end_copy(page, row->in.at,
		    row->in.len));
		memset(same, '4', sizeof(same));
		memcpy(same, row->in.at, row->in.len);
		check_decoded(row, same);
	}
	page_end_close(page);
}

static void
decoding_in_place_is_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(decode_rows); i++) {
		const struct decode_row *row = &decode_rows[i];
		char text[64];
		ssize_t len;

		memcpy(text, row->in.at, row->in.len);
		len = percent_decode(text, row->in.len + 1, text, row->in.len,
		    row->flags);
		assert_int_equal(len, row->expect.at == NULL ? -EILSEQ :
		    (ssize_t)row->expect.len);
		if (len >= 0)
			assert_memory_equal(text, row->expect.at,
			    row->expect.len + 1);
	}
}

/* Of each size: either all of it fits, or nothing is claimed to. */
static void
a_small_room_is_not_left(void **state)
{
	char out[8];

	(void)state;
	assert_int_equal(percent_decode(out, 0, "", 0, 0), -ENOSPC);
	for (size_t size = 1; size < 8; size++) {
		memset(out, 'x', sizeof(out));
		assert_int_equal(percent_decode(out, size, "ab%20d", 6, 0),
		    size < 5 ? -ENOSPC : 4);
		for (size_t i = size; i < sizeof(out); i++)
			assert_int_equal(out[i], 'x');
	}
}

/* ---- lists ------------------------------------------------------------------------- */

struct list_row {
	const char *spec;
	struct text in;
	const char *expect;		/* "name:value," of each, or NULL */
	int error;
};

static const struct list_row query_rows[] = {
	{ "nothing", S(""), "", 0 },
	{ "one", S("a=b"), "a:b,", 0 },
	{ "two", S("a=b&c=d"), "a:b,c:d,", 0 },
	{ "the same twice, in order", S("a=1&a=2"), "a:1,a:2,", 0 },
	{ "no value", S("a="), "a:,", 0 },
	{ "a name alone", S("a"), "a:,", 0 },
	{ "names alone", S("a&b&c=1"), "a:,b:,c:1,", 0 },
	{ "no name", S("=b"), ":b,", 0 },
	{ "neither", S("="), ":,", 0 },
	{ "nothing between", S("&&a=b&&&c=d&"), "a:b,c:d,", 0 },
	{ "only separators", S("&&&"), "", 0 },
	{ "a second equals is the value's", S("a=b=c"), "a:b=c,", 0 },
	{ "a semicolon does not divide", S("a=1;b=2"), "a:1;b=2,", 0 },
	{ "a question mark", S("?a=?"), "?a:?,", 0 },
	{ "plus", S("a+b=c+d"), "a b:c d,", 0 },
	{ "an escaped plus", S("a%2Bb=c%2Bd"), "a+b:c+d,", 0 },
	{ "escaped separators", S("a%3Db%26=c%26d%3D"), "a=b&:c&d=,", 0 },
	{ "UTF-8", S("%C3%BC=%E2%82%AC"), "\xc3\xbc:\xe2\x82\xac,", 0 },
	{ "UTF-8 across a separator", S("a=%C3&b=%A4"), NULL, -EILSEQ },
	{ "a broken escape in a value", S("ok=1&a=%zz"), NULL, -EILSEQ },
	{ "in a name", S("%=1"), NULL, -EILSEQ },
	{ "cut by a separator", S("a=%2&b=0"), NULL, -EILSEQ },
	{ "byte 0 in a value", S("a=%00"), NULL, -EILSEQ },
	{ "in a name", S("a%00b=1"), NULL, -EILSEQ },
	{ "latin 1", S("a=%e4"), NULL, -EILSEQ },
	{ "as many as there is room for", S("a&b&c&d&e&f&g&h"),
	    "a:,b:,c:,d:,e:,f:,g:,h:,", 0 },
	{ "one more", S("a&b&c&d&e&f&g&h&i"), NULL, -E2BIG },
	{ "what is nothing does not count", S("a&b&c&d&e&f&g&h&&&"),
	    "a:,b:,c:,d:,e:,f:,g:,h:,", 0 },
};

static const struct list_row cookie_rows[] = {
	{ "nothing", S(""), "", 0 },
	{ "one", S("a=b"), "a:b,", 0 },
	{ "two", S("a=b; c=d"), "a:b,c:d,", 0 },
	{ "without the blank", S("a=b;c=d"), "a:b,c:d,", 0 },
	{ "with more", S(" \ta = b ;\t c=d "), "a:b,c:d,", 0 },
	{ "the same twice", S("a=1; a=2"), "a:1,a:2,", 0 },
	{ "no value", S("a="), "a:,", 0 },
	{ "a second equals", S("a=b=c=="), "a:b=c==,", 0 },
	{ "nothing is decoded", S("a=%20+%zz"), "a:%20+%zz,", 0 },
	{ "quotes", S("a=\"b c\""), "a:b c,", 0 },
	{ "empty quotes", S("a=\"\""), "a:,", 0 },
	{ "one quote is a byte", S("a=\""), "a:\",", 0 },
	{ "at the begin alone", S("a=\"b"), "a:\"b,", 0 },
	{ "at the end alone", S("a=b\""), "a:b\",", 0 },
	{ "quotes do not hold a separator", S("a=\"b;c\"; d=e"),
	    "a:\"b,d:e,", 0 },
	{ "JSON", S("a={\"b\":[1,2]}"), "a:{\"b\":[1,2]},", 0 },
	{ "a comma and a backslash", S("a=b,c\\d"), "a:b,c\\d,", 0 },
	{ "UTF-8", S("a=\xc3\xa4"), "a:\xc3\xa4,", 0 },
	{ "not UTF-8 is passed over", S("a=\xe4; b=c"), "b:c,", 0 },
	{ "no equals", S("a; b=c; d"), "b:c,", 0 },
	{ "no name", S("=a; b=c"), "b:c,", 0 },
	{ "a blank in the name", S("a b=c; d=e"), "d:e,", 0 },
	{ "a quote in the name", S("\"a\"=b; d=e"), "d:e,", 0 },
	{ "the name is not decoded", S("%61=b"), "%61:b,", 0 },
	{ "prefixes are names", S("__Host-a=b; __Secure-c=d"),
	    "__Host-a:b,__Secure-c:d,", 0 },
	{ "$Version is no more than a name", S("$Version=1; a=b"),
	    "$Version:1,a:b,", 0 },
	{ "a control byte", S("a=\x01; b=c"), "b:c,", 0 },
	{ "byte 0", S("a=\0; b=c"), "b:c,", 0 },
	{ "DEL", S("a=\x7f; b=c"), "b:c,", 0 },
	{ "only separators", S(";; ;"), "", 0 },
	{ "as many as there is room for",
	    S("a=;b=;c=;d=;e=;f=;g=;h="), "a:,b:,c:,d:,e:,f:,g:,h:,", 0 },
	{ "one more", S("a=;b=;c=;d=;e=;f=;g=;h=;i="), NULL, -E2BIG },
	{ "what is none does not count",
	    S("a=;b=;c=;d=;x;e=;f=;g=;h="), "a:,b:,c:,d:,e:,f:,g:,h:,", 0 },
};

/* check-source: a function */ typedef int
take_function(struct pair *, size_t, char *, const char *, size_t);

static void
check_list(take_function *take, const struct list_row *row, const char *in,
    char *out)
{
	struct pair pairs[8];
	char text[512];
	size_t used = 0;
	int count = take(pairs, COUNT(pairs), out, in, row->in.len);

	if (row->expect == NULL) {
		if (count != row->error)
			fail_msg("%s: %d", row->spec, count);
		return;
	}
	if (count < 0)
		fail_msg("%s: %d", row->spec, count);
	text[0] = '\0';
	for (int i = 0; i < count; i++) {
		assert_int_equal(pairs[i].len, strlen(pairs[i].value));
		used += (size_t)snprintf(text + used, sizeof(text) - used,
		    "%s:%s,", pairs[i].name, pairs[i].value);
	}
	if (strcmp(text, row->expect) != 0)
		fail_msg("%s: %s", row->spec, text);
}

/* Input and output both end at an unmapped page. */
static void
check_rows(take_function *take, const struct list_row *rows, size_t count)
{
	char *page = page_end_open(), *other = page_end_open();

	for (size_t i = 0; i < count; i++)
		check_list(take, &rows[i], page_end_copy(page, rows[i].in.at,
		    rows[i].in.len), other + PAGE_END_SIZE -
		    (rows[i].in.len + 2));
	page_end_close(page);
	page_end_close(other);
}

static void
queries(void **state)
{
	(void)state;
	check_rows(pairs_decode, query_rows, COUNT(query_rows));
}

static void
cookies(void **state)
{
	(void)state;
	check_rows(pairs_take_cookies, cookie_rows, COUNT(cookie_rows));
}

/* pairs_count() is never too small, wherever a list is cut. */
static void
a_count_is_a_bound(void **state)
{
	struct pair pairs[32];
	char out[128];

	(void)state;
	for (size_t i = 0; i < COUNT(query_rows); i++) {
		const struct text *in = &query_rows[i].in;

		for (size_t len = 0; len <= in->len; len++)
			assert_true(pairs_decode(pairs, pairs_count(in->at,
			    len, '&'), out, in->at, len) != -E2BIG);
	}
	for (size_t i = 0; i < COUNT(cookie_rows); i++) {
		const struct text *in = &cookie_rows[i].in;

		for (size_t len = 0; len <= in->len; len++)
			assert_true(pairs_take_cookies(pairs, pairs_count(
			    in->at, len, ';'), out, in->at, len) >= 0);
	}
}

static void
the_first_of_a_name(void **state)
{
	struct pair pairs[4];
	char out[32];
	int count = pairs_decode(pairs, 4, out, "a=1&b=2&a=3&A=4", 15);

	(void)state;
	assert_int_equal(count, 4);
	assert_string_equal(pairs_find(pairs, 4, "a")->value, "1");
	assert_string_equal(pairs_find(pairs, 4, "A")->value, "4");
	assert_null(pairs_find(pairs, 4, "c"));
	assert_null(pairs_find(pairs, 0, "a"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_decoded),
		cmocka_unit_test(decoding_in_place_is_the_same),
		cmocka_unit_test(a_small_room_is_not_left),
		cmocka_unit_test(queries),
		cmocka_unit_test(cookies),
		cmocka_unit_test(a_count_is_a_bound),
		cmocka_unit_test(the_first_of_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
