/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_accept.c: which codings an Accept-Encoding field allows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "plugins/accept/accept.h"

static const struct {
	const char *value;
	unsigned weight;		/* of gzip */
} rows[] = {
	{ NULL, 0 },
	{ "", 0 },
	{ "gzip", 1000 },
	{ "GZip", 1000 },
	{ "x-gzip", 1000 },
	{ "deflate, gzip", 1000 },
	{ "deflate,gzip,br", 1000 },
	{ "deflate,, ,gzip", 1000 },
	{ ",gzip", 1000 },
	{ "identity", 0 },
	{ "gzipped", 0 },
	{ "agzip", 0 },
	{ "gzi", 0 },
	{ "*", 1000 },
	{ "*;q=0", 0 },
	{ "*;q=0.3", 300 },
	{ "*, gzip;q=0", 0 },
	{ "gzip;q=0, *", 0 },
	{ "*;q=0, gzip", 1000 },
	{ "gzip;q=1", 1000 },
	{ "gzip;q=1.0", 1000 },
	{ "gzip;q=1.000", 1000 },
	{ "gzip;q=0", 0 },
	{ "gzip;q=0.", 0 },
	{ "gzip;q=0.0", 0 },
	{ "gzip;q=0.000", 0 },
	{ "gzip;q=0.001", 1 },
	{ "gzip;q=0.5", 500 },
	{ "gzip;q=0.55", 550 },
	{ "gzip;q=0.999", 999 },
	{ "gzip;Q=0.5", 500 },
	{ "gzip ; q=0.5", 500 },
	{ "gzip;q=0.5;x=y", 500 },
	{ "gzip;x=y;q=0.5", 500 },
	{ "gzip;x=y", 1000 },
	{ "gzip;", 1000 },
	{ "gzip;q=1.5", 0 },
	{ "gzip;q=1.001", 0 },
	{ "gzip;q=2", 0 },
	{ "gzip;q=0.1234", 0 },
	{ "gzip;q=-1", 0 },
	{ "gzip;q=", 0 },
	{ "gzip;q=.5", 0 },
	{ "gzip;q=0,5", 0 },
	{ "gzip;q=abc", 0 },
	{ "gzip;q=0.5 x, br", 0 },
	{ "gzip br", 0 },
	{ "br gzip", 0 },
	{ "br;q=1, gzip;q=0.2", 200 },
	{ "gzip;q=0.2, gzip", 200 },
	{ "=gzip", 0 },
	{ ";gzip", 0 },
};

static void
the_weight_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (accept_weight(rows[i].value, "gzip") != rows[i].weight)
			fail_msg("%s: %u", rows[i].value,
			    accept_weight(rows[i].value, "gzip"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_weight_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
