/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_bytes.c: escapes, digests, buffers and descriptors of common/base. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/check.h"
#include "common/base/digest.h"
#include "common/base/errmsg.h"
#include "common/base/escape.h"
#include "common/base/fd.h"

static void
foreign_text_cannot_forge_a_line(void **state)
{
	char out[64];

	(void)state;
	escape_string(out, sizeof(out), "a\nb\\c\x7f\xc3\xa9", 8);
	assert_string_equal(out, "a\\x0ab\\x5cc\\x7f\\xc3\\xa9");
	escape_string(out, 7, "ab\ncd", 5);
	assert_string_equal(out, "ab\\x0a");
	escape_string(out, 6, "ab\ncd", 5);
	assert_string_equal(out, "ab");
}

static void
json_keeps_utf8_and_nothing_else(void **state)
{
	static const struct { const char *in, *out; } cases[] = {
		{ "plain", "plain" }, { "a\"b\\", "a\\\"b\\\\" },
		{ "\n\t\x01", "\\n\\t\\u0001" }, { "\xc3\xa9", "\xc3\xa9" },
		{ "\xe2\x82\xac", "\xe2\x82\xac" },
		{ "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
		{ "\xff", "\\u00ff" }, { "\xc3", "\\u00c3" },
		{ "\xc0\x80", "\\u00c0\\u0080" },		/* overlong */
		{ "\xed\xa0\x80", "\\u00ed\\u00a0\\u0080" },	/* surrogate */
		{ "\xf4\x90\x80\x80", "\\u00f4\\u0090\\u0080\\u0080" },
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t n = escape_json(out, sizeof(out) - 1, cases[i].in,
		    strlen(cases[i].in));

		out[n] = '\0';
		assert_string_equal(out, cases[i].out);
	}
}

static void
digests_are_those_of_the_standards(void **state)
{
	static const struct { const char *text, *hex; } cases[] = {
		{ "", "e3b0c44298fc1c149afbf4c8996fb924"
		    "27ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223"
		    "b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		    "248d6a61d20638b8e5c026930c3e6039"
		    "a33ce45964ff2167f6ecedd419db06c1" },
	};
	uint8_t digest[SHA256_SIZE];
	char hex[SHA256_HEX], block[200];

	(void)state;
	assert_true(crc32c(0, "123456789", 9) == 0xe3069283);
	assert_true(crc32c(crc32c(0, "1234", 4), "56789", 5) == 0xe3069283);
	assert_true(crc32c_by_tables(0, "123456789", 9) == 0xe3069283);
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (char)(i * i + 7 * i);
	for (size_t from = 0; from < 8; from++)
		for (size_t len = 0; from + len <= sizeof(block); len++)
			assert_true(crc32c(~(uint32_t)len, block + from, len) ==
			    crc32c_by_tables(~(uint32_t)len, block + from, len));
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct sha256 sha;

		sha256_init(&sha);
		sha256_add(&sha, cases[i].text, strlen(cases[i].text));
		sha256_end(&sha, digest);
		sha256_hex(digest, hex);
		assert_string_equal(hex, cases[i].hex);
	}
	memset(block, 'x', sizeof(block));
	for (size_t cut = 0; cut <= sizeof(block); cut++) {
		uint8_t whole[SHA256_SIZE];
		struct sha256 sha;

		sha256_init(&sha);
		sha256_add(&sha, block, sizeof(block));
		sha256_end(&sha, whole);
		sha256_init(&sha);
		sha256_add(&sha, block, cut);
		sha256_add(&sha, block + cut, sizeof(block) - cut);
		sha256_end(&sha, digest);
		assert_memory_equal(whole, digest, SHA256_SIZE);
	}
}

static void
a_buffer_has_a_limit(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 10);
	assert_int_equal(buf_add(&buf, "12345678", 8), 0);
	assert_int_equal(buf_add(&buf, "abc", 3), ERR_FULL);
	assert_true(buf.failed);
	assert_int_equal(buf_len(&buf), 8);
	buf_consume(&buf, 5);
	assert_int_equal(buf_add(&buf, "abc", 3), 0);
	assert_memory_equal(buf_at(&buf), "678abc", 6);
	buf_done(&buf);
	buf_init(&buf, 0);
	buf_printf(&buf, "%s=%d", "n", 7);
	buf_add_json(&buf, "\"", 1);
	buf_add_number(&buf, UINT64_MAX);
	assert_memory_equal(buf_at(&buf), "n=7\"\\\"\"18446744073709551615",
	    27);
	buf_done(&buf);
}

static void
descriptors_travel_with_a_packet(void **state)
{
	int pair[2], pipes[2], got[FD_PASS_MAX];
	size_t count = 0;
	char text[8];

	(void)state;
	assert_int_equal(fd_seqpacket_pair(pair), 0);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(fd_send(pair[0], "hello", 5, pipes, 2), 0);
	/* looked at, it stays: with copies of its descriptors */
	assert_int_equal(fd_peek(pair[1], text, sizeof(text), got, &count), 5);
	assert_int_equal(count, 2);
	fd_close_all(got, count);
	assert_int_equal(fd_recv(pair[1], text, sizeof(text), got, &count), 5);
	assert_int_equal(count, 2);
	assert_int_equal(write(got[1], "x", 1), 1);
	assert_int_equal(read(pipes[0], text, 1), 1);
	fd_close_all(got, 2);
	assert_int_equal(fd_recv(pair[1], text, sizeof(text), got, &count),
	    -EAGAIN);
	assert_int_equal(fd_send(pair[0], "too long a text", 15, pipes, 1), 0);
	assert_int_equal(fd_recv(pair[1], text, sizeof(text), got, &count),
	    -EMSGSIZE);
	fd_close(&pair[0]);
	assert_int_equal(fd_recv(pair[1], text, sizeof(text), got, &count), 0);
	fd_close(&pair[1]);
	fd_close_all(pipes, 2);
}

static void
an_error_has_a_code_and_words(void **state)
{
	struct errmsg err;

	(void)state;
	errno = ENOENT;
	assert_int_equal(errmsg_errno(&err, "cannot open %s", "x"),
	    ERR_SYSTEM);
	assert_string_equal(err.text, "cannot open x: No such file or "
	    "directory");
	errmsg_prefix(&err, "store: ");
	assert_string_equal(err.text, "store: cannot open x: No such file or "
	    "directory");
	assert_string_equal(err_name(ERR_FULL), "busy");
	assert_string_equal(err_name(ERR_NOT_FOUND), "not_found");
	assert_string_equal(err_name(12345), "internal");
	assert_int_equal(errmsg_set(NULL, ERR_FULL, "nobody reads it"),
	    ERR_FULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(foreign_text_cannot_forge_a_line),
		cmocka_unit_test(json_keeps_utf8_and_nothing_else),
		cmocka_unit_test(digests_are_those_of_the_standards),
		cmocka_unit_test(a_buffer_has_a_limit),
		cmocka_unit_test(descriptors_travel_with_a_packet),
		cmocka_unit_test(an_error_has_a_code_and_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
