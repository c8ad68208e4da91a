/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_gzip.c: what is compressed comes back, in any pieces; the pool. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/gzip/deflater.h"
#include "plugins/gzip/mediatypes.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
enum { SIZE = 300000 };

/* What the sink has got, and how much of it. */
struct taken {
	unsigned char data[2 * SIZE];
	size_t len;
	unsigned pieces;
	int refuse;			/* the answer to the next piece */
};

static int
take(const void *data, size_t len, void *arg)
{
	struct taken *taken = arg;

	if (taken->refuse != 0)
		return taken->refuse;
	assert_true(len > 0 && taken->len + len <= sizeof(taken->data));
	memcpy(taken->data + taken->len, data, len);
	taken->len += len;
	taken->pieces++;
	return 0;
}

/* How much of data can be read of what was taken; it must be its beginning. */
static size_t
readable(const struct taken *taken, const unsigned char *data, int *ended)
{
	static unsigned char out[SIZE + 1];
	z_stream z = { .next_in = (Bytef *)(uintptr_t)taken->data,
	    .avail_in = (unsigned)taken->len, .next_out = out,
	    .avail_out = sizeof(out) };
	size_t len;
	int rc;

	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	rc = inflate(&z, Z_SYNC_FLUSH);
	assert_true(rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR);
	*ended = rc == Z_STREAM_END;
	assert_true(!*ended || z.avail_in == 0);
	len = sizeof(out) - z.avail_out;
	inflateEnd(&z);
	assert_memory_equal(out, data, len);
	return len;
}

/* Text-like at first, then noise, which does not get smaller. */
static unsigned char *
make_data(void)
{
	unsigned char *data = malloc(SIZE);
	uint32_t random = 1;

	for (size_t i = 0; i < SIZE; i++) {
		random = random * 1103515245 + 12345;
		data[i] = i < SIZE / 2 ? (unsigned char)("abcd"[random >> 30]) :
		    (unsigned char)(random >> 16);
	}
	return data;
}

static void
it_comes_back_in_any_pieces(void **state)
{
	static const size_t pieces[] = { 1, 7, 1000, 16384, SIZE };
	struct deflater_pool pool = { .level = 1, .max = 1 };
	struct taken *taken = malloc(sizeof(*taken));
	unsigned char *data = make_data();
	int ended;

	(void)state;
	for (size_t p = 0; p < COUNT(pieces); p++) {
		struct deflater *deflater = deflater_get(&pool);
		size_t size = pieces[p] == 1 ? 3000 : SIZE, len;

		memset(taken, 0, sizeof(*taken));
		for (size_t at = 0; at < size; at += len) {
			len = size - at < pieces[p] ? size - at : pieces[p];
			assert_int_equal(deflater_write(deflater, data + at,
			    len, take, taken), 0);
		}
		assert_int_equal(deflater_end(deflater, take, taken), 0);
		assert_int_equal(readable(taken, data, &ended), size);
		assert_true(ended);
		deflater_put(deflater);
	}
	deflater_pool_done(&pool);
	free(taken);
	free(data);
}

static void
what_was_flushed_can_be_read(void **state)
{
	struct deflater_pool pool = { .level = 6, .max = 1 };
	struct deflater *deflater = deflater_get(&pool);
	struct taken *taken = calloc(1, sizeof(*taken));
	unsigned char *data = make_data();
	size_t before;
	int ended;

	(void)state;
	for (size_t at = 0; at < 100; at += 10) {
		assert_int_equal(deflater_write(deflater, data + at, 10, take,
		    taken), 0);
		assert_int_equal(deflater_flush(deflater, take, taken), 0);
		assert_int_equal(readable(taken, data, &ended), at + 10);
		assert_false(ended);
		before = taken->len;
		assert_int_equal(deflater_flush(deflater, take, taken), 0);
		assert_int_equal(taken->len, before);	/* nothing new */
	}
	assert_int_equal(deflater_write(deflater, data + 100, SIZE - 100, take,
	    taken), 0);
	assert_int_equal(deflater_flush(deflater, take, taken), 0);
	assert_int_equal(readable(taken, data, &ended), SIZE);
	assert_int_equal(deflater_end(deflater, take, taken), 0);
	assert_int_equal(readable(taken, data, &ended), SIZE);
	assert_true(ended);
	deflater_put(deflater);
	deflater_pool_done(&pool);
	free(taken);
	free(data);
}

static void
nothing_is_an_answer_too(void **state)
{
	struct deflater_pool pool = { .level = 9, .max = 1 };
	struct deflater *deflater = deflater_get(&pool);
	struct taken *taken = calloc(1, sizeof(*taken));
	int ended;

	(void)state;
	assert_int_equal(deflater_end(deflater, take, taken), 0);
	assert_int_equal(readable(taken, (const unsigned char *)"", &ended), 0);
	assert_true(ended);
	deflater_put(deflater);
	deflater_pool_done(&pool);
	free(taken);
}

static void
who_refuses_ends_it(void **state)
{
	struct deflater_pool pool = { .level = 1, .max = 1 };
	struct deflater *deflater = deflater_get(&pool);
	struct taken *taken = calloc(1, sizeof(*taken));
	unsigned char *data = make_data();
	int ended;

	(void)state;
	taken->refuse = -ENOMEM;
	assert_int_equal(deflater_write(deflater, data, SIZE, take, taken),
	    -ENOMEM);
	deflater_put(deflater);
	taken->refuse = 0;			/* nothing of it is left */
	deflater = deflater_get(&pool);
	assert_int_equal(deflater_write(deflater, data, 10, take, taken), 0);
	assert_int_equal(deflater_end(deflater, take, taken), 0);
	assert_int_equal(readable(taken, data, &ended), 10);
	assert_true(ended);
	deflater_put(deflater);
	deflater_pool_done(&pool);
	free(taken);
	free(data);
}

static void
the_pool_is_bounded(void **state)
{
	struct deflater_pool pool = { .level = 1, .max = 6 };
	struct deflater *all[6];

	(void)state;
	for (unsigned i = 0; i < 6; i++)
		assert_non_null(all[i] = deflater_get(&pool));
	assert_null(deflater_get(&pool));
	for (unsigned i = 0; i < 6; i++)
		deflater_put(all[i]);
	assert_int_equal(pool.active, 0);
	assert_int_equal(pool.spare_count, DEFLATER_SPARE);
	deflater_pool_done(&pool);
	assert_null(pool.spare);
}

/* Bytes of the heap in use, where the C library counts them. */
static size_t
heap_used(void)
{
#ifdef HAVE_MALLINFO2
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
#else
	return 0;
#endif
}

static void
the_steady_state_takes_no_memory(void **state)
{
	struct deflater_pool pool = { .level = 1, .max = 4 };
	struct taken *taken = calloc(1, sizeof(*taken));
	struct deflater *first = deflater_get(&pool), *deflater;
	size_t before;

	(void)state;
	deflater_put(first);
	before = heap_used();
	for (unsigned i = 0; i < 100; i++) {
		taken->len = 0;
		deflater = deflater_get(&pool);
		assert_ptr_equal(deflater, first);
		deflater_write(deflater, "some text", 9, take, taken);
		deflater_end(deflater, take, taken);
		deflater_put(deflater);
	}
	assert_int_equal(heap_used(), before);
	deflater_pool_done(&pool);
	free(taken);
}

static void
types_are_found(void **state)
{
	static const struct {
		const char *list, *type;
		int found;
	} rows[] = {
		{ "text/html", "text/html", 1 },
		{ "text/html", "TEXT/Html", 1 },
		{ "text/html", "text/html; charset=utf-8", 1 },
		{ "text/html", "text/html;charset=utf-8", 1 },
		{ "text/html", "text/html ;charset=utf-8", 1 },
		{ "text/html", "text/htmlx", 0 },
		{ "text/html", "text/htm", 0 },
		{ "text/html", "text", 0 },
		{ "text/html", "", 0 },
		{ "text/html", NULL, 0 },
		{ "", "text/html", 0 },
		{ "a/b, text/html,c/d", "text/html", 1 },
		{ "a/b text/html\tc/d", "c/d", 1 },
		{ "a/b text/html", "b", 0 },
		{ "text/*", "text/html", 1 },
		{ "text/*", "Text/html; a=b", 1 },
		{ "text/*", "text/", 0 },
		{ "text/*", "texts/html", 0 },
		{ "text/*", "application/json", 0 },
		{ "application/json", "application/json+ld", 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (mediatypes_have(rows[i].list, rows[i].type) !=
		    rows[i].found)
			fail_msg("%s in %s", rows[i].type, rows[i].list);
	assert_true(mediatypes_are_valid("text/html, application/*"));
	assert_true(mediatypes_are_valid(""));
	assert_false(mediatypes_are_valid("text/html html"));
	assert_false(mediatypes_are_valid("text/"));
	assert_false(mediatypes_are_valid("/html"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_comes_back_in_any_pieces),
		cmocka_unit_test(what_was_flushed_can_be_read),
		cmocka_unit_test(nothing_is_an_answer_too),
		cmocka_unit_test(who_refuses_ends_it),
		cmocka_unit_test(the_pool_is_bounded),
		cmocka_unit_test(the_steady_state_takes_no_memory),
		cmocka_unit_test(types_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
