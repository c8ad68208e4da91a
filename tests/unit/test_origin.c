/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_origin.c: who is at the other end, as text (daemon/stream/origin.h). */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/check.h"
#include "daemon/stream/origin.h"

static const struct { int family; const char *address; uint16_t port;
    const char *text; } rows[] = {
	{ AF_INET, "0.0.0.0", 0, "0.0.0.0:0" },
	{ AF_INET, "192.0.2.10", 80, "192.0.2.10:80" },
	{ AF_INET, "255.255.255.255", 65535, "255.255.255.255:65535" },
	{ AF_INET6, "::", 1, "[::]:1" },
	{ AF_INET6, "2001:db8::1", 8080, "[2001:db8::1]:8080" },
	{ AF_INET6, "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", 65535,
	    "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535" },
	{ AF_INET6, "::ffff:255.255.255.255", 65535,
	    "[::ffff:255.255.255.255]:65535" },
	{ AF_UNIX, NULL, 7, "unix" },
	{ AF_UNSPEC, NULL, 7, "unix" },
};

static void
each_kind(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct { char text[ORIGIN_TEXT]; char behind; } out;
		uint8_t address[16] = { 0 };

		memset(&out, '#', sizeof(out));
		if (rows[i].address != NULL)
			assert_int_equal(inet_pton(rows[i].family,
			    rows[i].address, address), 1);
		origin_put_text(out.text, rows[i].family, address,
		    rows[i].port);
		assert_string_equal(out.text, rows[i].text);
		assert_int_equal(out.behind, '#');
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
