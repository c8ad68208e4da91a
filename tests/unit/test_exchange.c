/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_exchange.c: the stock of exchanges keeps no large buffer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "common/base/check.h"
#include "daemon/http/exchange.h"

static const struct {
	const char *spec;
	size_t at;			/* of a buffer in an exchange */
} buffers[] = {
	{ "in", offsetof(struct exchange, in) },
	{ "out", offsetof(struct exchange, out.bytes) },
	{ "unfiltered", offsetof(struct exchange, unfiltered.bytes) },
};

/* One whose buffer has grown to so much is put back: is it kept?  What is kept
 * is freed. */
static bool
is_kept(size_t at, size_t bytes)
{
	struct http http = { .config.head = { .fields = 10 } };
	struct exchange *exchange = exchange_get(&http);
	struct buf *buf = (struct buf *)(void *)((char *)exchange + at);
	unsigned count;

	assert_non_null(buf_reserve(buf, bytes));
	assert_true(buf->size >= bytes);
	exchange_put(&http, exchange);
	count = http.spare_count;
	if (count > 0) {
		exchange = exchange_get(&http);
		http.spare_count = EXCHANGE_SPARE;	/* no room for it */
		exchange_put(&http, exchange);
	}
	return count > 0;
}

static void
a_large_buffer_is_not_kept(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(buffers); i++) {
		if (!is_kept(buffers[i].at, EXCHANGE_READ))
			fail_msg("%s: not kept", buffers[i].spec);
		if (is_kept(buffers[i].at, EXCHANGE_KEEP + 1) ||
		    is_kept(buffers[i].at, EXCHANGE_OUT_MAX))
			fail_msg("%s: kept", buffers[i].spec);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_large_buffer_is_not_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
