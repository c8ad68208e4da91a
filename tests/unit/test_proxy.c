/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * test_proxy.c: headers of the PROXY protocol.  Each refusal stands beside its
 * accepted neighbour.  Each case is read whole, cut at every byte, and from the
 * end of a page before an unmapped one: the verdict must be the same.
 */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/check.h"
#include "daemon/http/proxy.h"
#include "tests/unit/page_end.h"

struct text {
	const char *at;
	size_t len;
};
#define S(literal) { literal, sizeof(literal) - 1 }

struct row {
	const char *spec;
	struct text in;
	struct text rest;		/* what follows: not looked at */
	const char *expect;		/* "address port", "unix", "local",
					 * "unknown", "refused", "more" */
};

#define GET S("GET / HTTP/1.1\r\n")
#define A1 "1111:2222:3333:4444:5555:6666:7777:8888"
#define X10 "xxxxxxxxxx"

static const struct row v1_rows[] = {
	{ "IPv4", S("PROXY TCP4 192.0.2.1 198.51.100.2 4711 80\r\n"), GET,
	    "192.0.2.1 4711" },
	{ "nothing behind it", S("PROXY TCP4 192.0.2.1 198.51.100.2 1 2\r\n"),
	    S(""), "192.0.2.1 1" },
	{ "IPv6", S("PROXY TCP6 2001:db8::1 ::1 65535 0\r\n"), GET,
	    "2001:db8::1 65535" },
	{ "IPv6, as long as can be",
	    S("PROXY TCP6 " A1 " " A1 " 65535 65535\r\n"), GET, A1 " 65535" },
	{ "unknown", S("PROXY UNKNOWN\r\n"), GET, "unknown" },
	{ "unknown, with more", S("PROXY UNKNOWN what ever it is\r\n"), GET,
	    "unknown" },
	{ "unknown, 107 bytes", S("PROXY UNKNOWN " X10 X10 X10 X10 X10 X10 X10
	    X10 X10 "x\r\n"), GET, "unknown" },
	{ "108 bytes", S("PROXY UNKNOWN " X10 X10 X10 X10 X10 X10 X10
	    X10 X10 "xx\r\n"), GET, "refused" },
	{ "never an end", S("PROXY UNKNOWN " X10 X10 X10 X10 X10 X10 X10
	    X10 X10 "xxx"), S(""), "refused" },
	{ "no end yet", S("PROXY TCP4 192.0.2.1 198.51.100.2 1 2\r"), S(""),
	    "more" },
	{ "LF alone", S("PROXY TCP4 192.0.2.1 198.51.100.2 1 2\n"), GET,
	    "refused" },
	{ "LF alone, unknown", S("PROXY UNKNOWN\n"), GET, "refused" },
	{ "CR inside", S("PROXY UNKNOWN a\rb\r\n"), GET, "refused" },
	{ "NUL inside", S("PROXY UNKNOWN a\0b\r\n"), GET, "refused" },
	{ "another case", S("proxy TCP4 192.0.2.1 198.51.100.2 1 2\r\n"), GET,
	    "refused" },
	{ "another family", S("PROXY TCP5 192.0.2.1 198.51.100.2 1 2\r\n"),
	    GET, "refused" },
	{ "UDP", S("PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n"), GET,
	    "refused" },
	{ "unknown, and longer", S("PROXY UNKNOWNS\r\n"), GET, "refused" },
	{ "no family", S("PROXY \r\n"), GET, "refused" },
	{ "nothing", S("PROXY\r\n"), GET, "refused" },
	{ "two blanks", S("PROXY  TCP4 192.0.2.1 198.51.100.2 1 2\r\n"), GET,
	    "refused" },
	{ "two inside", S("PROXY TCP4 192.0.2.1  198.51.100.2 1 2\r\n"), GET,
	    "refused" },
	{ "one at the end", S("PROXY TCP4 192.0.2.1 198.51.100.2 1 2 \r\n"),
	    GET, "refused" },
	{ "a tab", S("PROXY TCP4\t192.0.2.1 198.51.100.2 1 2\r\n"), GET,
	    "refused" },
	{ "a word more", S("PROXY TCP4 192.0.2.1 198.51.100.2 1 2 3\r\n"),
	    GET, "refused" },
	{ "a word less", S("PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n"), GET,
	    "refused" },
	{ "IPv6 as IPv4", S("PROXY TCP4 ::1 ::1 1 2\r\n"), GET, "refused" },
	{ "IPv4 as IPv6", S("PROXY TCP6 192.0.2.1 198.51.100.2 1 2\r\n"), GET,
	    "refused" },
	{ "three numbers", S("PROXY TCP4 192.0.2 198.51.100.2 1 2\r\n"), GET,
	    "refused" },
	{ "256", S("PROXY TCP4 192.0.2.256 198.51.100.2 1 2\r\n"), GET,
	    "refused" },
	{ "a leading zero", S("PROXY TCP4 192.0.2.01 198.51.100.2 1 2\r\n"),
	    GET, "refused" },
	{ "a name", S("PROXY TCP4 localhost 198.51.100.2 1 2\r\n"), GET,
	    "refused" },
	{ "port 65536", S("PROXY TCP4 192.0.2.1 198.51.100.2 65536 2\r\n"),
	    GET, "refused" },
	{ "our port 65536", S("PROXY TCP4 192.0.2.1 198.51.100.2 1 65536\r\n"),
	    GET, "refused" },
	{ "port 01", S("PROXY TCP4 192.0.2.1 198.51.100.2 01 2\r\n"), GET,
	    "refused" },
	{ "port -1", S("PROXY TCP4 192.0.2.1 198.51.100.2 -1 2\r\n"), GET,
	    "refused" },
	{ "port +1", S("PROXY TCP4 192.0.2.1 198.51.100.2 +1 2\r\n"), GET,
	    "refused" },
	{ "a request", S("GET / HTTP/1.1\r\n"), S("\r\n"), "refused" },
	{ "POST begins as PROXY", S("PO"), S("ST / HTTP/1.1\r\n"), "refused" },
	{ "TLS", S("\x16\x03\x01"), S(""), "refused" },
};

#define SIG "\r\n\r\n\0\r\nQUIT\n"
#define V4 "\xc0\x00\x02\x01\xc6\x33\x64\x02\x12\x67\x00\x50"
#define V6 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01" \
	"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x12\x67\x00\x50"
#define NUL36 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" \
	"\0\0\0\0"
#define UNIX NUL36 NUL36 NUL36 NUL36 NUL36 NUL36

static const struct row v2_rows[] = {
	{ "IPv4", S(SIG "\x21\x11\0\x0c" V4), GET, "192.0.2.1 4711" },
	{ "nothing behind it", S(SIG "\x21\x11\0\x0c" V4), S(""),
	    "192.0.2.1 4711" },
	{ "IPv6", S(SIG "\x21\x21\0\x24" V6), GET, "2001:db8::1 4711" },
	{ "a Unix socket", S(SIG "\x21\x31\0\xd8" UNIX), GET, "unix" },
	{ "unspecified", S(SIG "\x21\x00\0\0"), GET, "unknown" },
	{ "unspecified, with more", S(SIG "\x21\x00\0\x02xx"), GET,
	    "unknown" },
	{ "LOCAL", S(SIG "\x20\x00\0\0"), GET, "local" },
	{ "LOCAL, with addresses", S(SIG "\x20\x11\0\x0c" V4), GET, "local" },
	{ "LOCAL, of any family", S(SIG "\x20\xff\0\x01x"), GET, "local" },
	{ "a TLV", S(SIG "\x21\x11\0\x10" V4 "\x04\0\x01x"), GET,
	    "192.0.2.1 4711" },
	{ "two, one empty", S(SIG "\x21\x11\0\x13" V4 "\x04\0\x01x\xe0\0\0"),
	    GET, "192.0.2.1 4711" },
	{ "a TLV behind IPv6", S(SIG "\x21\x21\0\x27" V6 "\x04\0\0"), GET,
	    "2001:db8::1 4711" },
	{ "a TLV too long", S(SIG "\x21\x11\0\x10" V4 "\x04\0\x02x"), GET,
	    "refused" },
	{ "a TLV cut", S(SIG "\x21\x11\0\x0e" V4 "\x04\0"), GET, "refused" },
	{ "too short for IPv4", S(SIG "\x21\x11\0\x0bxxxxxxxxxxx"), GET,
	    "refused" },
	{ "too short for IPv6", S(SIG "\x21\x21\0\x0c" V4), GET, "refused" },
	{ "too short for a path", S(SIG "\x21\x31\0\x0c" V4), GET, "refused" },
	{ "UDP", S(SIG "\x21\x12\0\x0c" V4), GET, "refused" },
	{ "UDP of IPv6", S(SIG "\x21\x22\0\x24" V6), GET, "refused" },
	{ "a Unix datagram", S(SIG "\x21\x32\0\xd8" UNIX), GET, "refused" },
	{ "another family", S(SIG "\x21\x41\0\x0c" V4), GET, "refused" },
	{ "another transport", S(SIG "\x21\x13\0\x0c" V4), GET, "refused" },
	{ "family without transport", S(SIG "\x21\x10\0\x0c" V4), GET,
	    "refused" },
	{ "version 1", S(SIG "\x11\x11\0\x0c" V4), GET, "refused" },
	{ "version 3", S(SIG "\x31\x11\0\x0c" V4), GET, "refused" },
	{ "command 2", S(SIG "\x22\x11\0\x0c" V4), GET, "refused" },
	{ "not all addresses yet", S(SIG "\x21\x11\0\x0c\xc0\x00\x02"), S(""),
	    "more" },
	{ "not all fixed bytes yet", S(SIG "\x21\x11\0"), S(""), "more" },
	{ "a wrong signature", S("\r\n\r\n\0\r\nQUIX\n\x21\x11\0\x0c" V4), GET,
	    "refused" },
	{ "an empty line", S("\r\nGET / HTTP/1.1\r\n"), S(""), "refused" },
};

/* ---- one case -------------------------------------------------------------------- */

static enum proxy_result
expected(const struct row *row)
{
	if (strcmp(row->expect, "refused") == 0)
		return PROXY_REFUSED;
	return strcmp(row->expect, "more") == 0 ? PROXY_MORE : PROXY_DONE;
}

static void
check_client(const struct row *row, const struct proxy *proxy)
{
	char text[80], address[INET6_ADDRSTRLEN];

	if (proxy->family == AF_UNSPEC)
		snprintf(text, sizeof(text), proxy->local ? "local" :
		    "unknown");
	else if (proxy->family == AF_UNIX)
		snprintf(text, sizeof(text), "unix");
	else
		snprintf(text, sizeof(text), "%s %u", inet_ntop(proxy->family,
		    proxy->address, address, sizeof(address)), proxy->port);
	if (strcmp(text, row->expect) != 0 || proxy->len != row->in.len)
		fail_msg("%s: %s, %zu bytes", row->spec, text, proxy->len);
}

/* Once refused it stays so; done is done at its last byte, no sooner. */
static void
check_row(const struct row *row, char *page)
{
	size_t whole = row->in.len + row->rest.len;
	enum proxy_result last = PROXY_MORE, want = expected(row);
	char *text = malloc(whole + 1);
	struct proxy proxy;

	memcpy(text, row->in.at, row->in.len);
	memcpy(text + row->in.len, row->rest.at, row->rest.len);
	for (size_t len = 0; len <= whole; len++) {
		enum proxy_result now;

		memset(&proxy, 0xee, sizeof(proxy));
		now = proxy_parse(page_end_copy(page, text, len), len, &proxy);
		if (now == PROXY_DONE)
			check_client(row, &proxy);
		else
			assert_int_equal(proxy.len, (size_t)0xeeeeeeeeeeeeeeee);
		if (now < last)
			fail_msg("%s: taken back at %zu", row->spec, len);
		if (want == PROXY_DONE && now != (len < row->in.len ?
		    PROXY_MORE : PROXY_DONE))
			fail_msg("%s: %d at %zu", row->spec, now, len);
		last = now;
	}
	if (last != want)
		fail_msg("%s: %d", row->spec, last);
	free(text);
}

static void
lines(void **state)
{
	char *page = page_end_open();

	(void)state;
	for (size_t i = 0; i < COUNT(v1_rows); i++)
		check_row(&v1_rows[i], page);
	page_end_close(page);
}

static void
binary_headers(void **state)
{
	char *page = page_end_open();

	(void)state;
	for (size_t i = 0; i < COUNT(v2_rows); i++)
		check_row(&v2_rows[i], page);
	page_end_close(page);
}

/* A header as long as there is: one TLV that fills it. */
static void
the_longest(void **state)
{
	static const char begin[] = SIG "\x21\x11\xff\xff" V4 "\x04\xff\xf0";
	char *text = calloc(1, PROXY_LONGEST);
	struct proxy proxy;

	(void)state;
	memcpy(text, begin, sizeof(begin) - 1);
	assert_int_equal(proxy_parse(text, PROXY_LONGEST - 1, &proxy),
	    PROXY_MORE);
	assert_int_equal(proxy_parse(text, PROXY_LONGEST, &proxy), PROXY_DONE);
	assert_int_equal(proxy.len, PROXY_LONGEST);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(binary_headers),
		cmocka_unit_test(the_longest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
