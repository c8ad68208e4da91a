/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * test_access_writer.c: lines from the loop through the ring and the thread to
 * a descriptor: all of them, whole, in order; what is lost is counted.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "daemon/scoreboard/word.h"
#include "daemon/worker/access_writer.h"

enum { PATIENCE_MS = 20000, PIPE = 65536 };

static struct page page;
static struct access_writer writer;
static char path[64];

/* ---- ring ------------------------------------------------------------------------ */

static size_t
peek_text(const struct access_ring *ring, size_t most, char *out)
{
	struct iovec pieces[2];
	size_t len = access_ring_peek(ring, most, pieces);

	memcpy(out, pieces[0].iov_base, pieces[0].iov_len);
	memcpy(out + pieces[0].iov_len, pieces[1].iov_base, pieces[1].iov_len);
	out[len] = '\0';
	return len;
}

static void
whole_lines_come_out(void **state)
{
	struct access_ring ring;
	char text[64];

	(void)state;
	assert_int_equal(access_ring_init(&ring), 0);
	assert_int_equal(peek_text(&ring, 10, text), 0);
	assert_true(access_ring_put(&ring, "one\n", 4));
	assert_true(access_ring_put(&ring, "three\n", 6));
	assert_true(access_ring_put(&ring, "a longer one\n", 13));
	assert_int_equal(peek_text(&ring, 9, text), 4);
	assert_int_equal(peek_text(&ring, 10, text), 10);
	assert_string_equal(text, "one\nthree\n");
	access_ring_take(&ring, 10);
	assert_int_equal(peek_text(&ring, 5, text), 13);
	assert_string_equal(text, "a longer one\n");
	access_ring_take(&ring, 13);
	assert_int_equal(peek_text(&ring, 5, text), 0);
	access_ring_done(&ring);
}

/* Over its end many times, at every place: no byte is lost, nothing overwritten. */
static void
round_and_round(void **state)
{
	static char line[4096], seen[4097];
	struct access_ring ring;
	size_t lens[1024], put = 0, taken = 0, len, waiting = 0;

	(void)state;
	assert_int_equal(access_ring_init(&ring), 0);
	srandom(1);
	while (taken < 20000) {
		len = (size_t)random() % sizeof(line) + 1;
		memset(line, 'a' + (int)(put % 26), len);
		line[len - 1] = '\n';
		if (put - taken < 1000 && access_ring_put(&ring, line, len)) {
			lens[put++ % 1024] = len;
			waiting += len;
			assert_true(waiting <= ACCESS_RING_SIZE);
			if (random() % 300 != 0)
				continue;
		}
		for (size_t n = (size_t)random() % 500; n > 0 && taken < put;
		    n--, taken++) {
			len = peek_text(&ring, 1, seen);
			assert_int_equal(len, lens[taken % 1024]);
			assert_int_equal(seen[len - 1], '\n');
			if (len > 1) {
				assert_int_equal(seen[0],
				    'a' + (int)(taken % 26));
				assert_int_equal(seen[len - 2],
				    'a' + (int)(taken % 26));
			}
			access_ring_take(&ring, len);
			waiting -= len;
		}
	}
	access_ring_done(&ring);
}

/* ---- writer ------------------------------------------------------------------------- */

static int
open_file(void)
{
	snprintf(path, sizeof(path), "/tmp/access-writer.%d", (int)getpid());
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_TRUNC, 0600);
}

static int
begin(void **state)
{
	(void)state;
	memset(&page, 0, sizeof(page));
	return access_writer_start(&writer, &page);
}

static int
end(void **state)
{
	(void)state;
	if (!writer.stopping)
		access_writer_stop(&writer, PATIENCE_MS);
	assert_int_equal(__atomic_load_n(&writer.ended, __ATOMIC_ACQUIRE), 1);
	access_ring_done(&writer.ring);
	if (writer.fd >= 0)
		close(writer.fd);
	unlink(path);
	return 0;
}

static uint64_t
helper(enum page_helper word)
{
	return WORD_GET(page.helper[word]);
}

static void
await(enum page_helper word, uint64_t count)
{
	uint64_t until = clock_now_ms() + PATIENCE_MS;

	while (helper(word) < count && clock_now_ms() < until)
		poll(NULL, 0, 1);
	assert_int_equal(helper(word), count);
}

static void
await_trouble(enum access_trouble trouble)
{
	uint64_t until = clock_now_ms() + PATIENCE_MS;
	int error;

	while (access_writer_trouble(&writer, &error) != trouble &&
	    clock_now_ms() < until)
		poll(NULL, 0, 1);
	assert_int_equal(access_writer_trouble(&writer, &error), trouble);
}

/* Put numbered lines; returns how many there was room for. */
static uint64_t
put_lines(unsigned from, unsigned count)
{
	uint64_t put = 0;
	char line[128];

	for (unsigned i = 0; i < count; i++) {
		int len = snprintf(line, sizeof(line), "%080u\n", from + i);

		put += access_writer_put(&writer, line, (size_t)len);
	}
	return put;
}

static void
assert_file_has(unsigned count)
{
	FILE *file = fopen(path, "r");
	char line[128];

	assert_non_null(file);
	for (unsigned i = 0; i < count; i++) {
		assert_non_null(fgets(line, sizeof(line), file));
		assert_int_equal(strlen(line), 81);
		assert_int_equal(strtoul(line, NULL, 10), i);
	}
	assert_null(fgets(line, sizeof(line), file));
	fclose(file);
}

/* While the thread takes: none is lost, as its batches are small to the ring. */
static void
all_lines_are_written(void **state)
{
	uint64_t put = 0;

	(void)state;
	access_writer_give(&writer, open_file());
	for (unsigned i = 0; i < 2000; i++) {
		put += put_lines(i * 50, 50);
		if (put - helper(HELPER_WRITTEN) > 5000)
			poll(NULL, 0, 1);
	}
	assert_int_equal(put, 100000);
	access_writer_stop(&writer, PATIENCE_MS);
	assert_int_equal(helper(HELPER_WRITTEN), 100000);
	assert_file_has(100000);
}

static void
lines_wait_for_a_descriptor(void **state)
{
	uint64_t put = put_lines(0, 20000);

	(void)state;
	assert_in_range(put, 1000, 19999);
	await_trouble(ACCESS_NOT_OPEN);
	assert_int_equal(helper(HELPER_WRITTEN), 0);
	access_writer_give(&writer, open_file());
	await(HELPER_WRITTEN, put);
	assert_file_has((unsigned)put);
	assert_int_equal(helper(HELPER_LOST), 0);
}

static void
what_a_device_refuses_is_lost(void **state)
{
	int error;

	(void)state;
	access_writer_give(&writer, open("/dev/full", O_WRONLY));
	assert_int_equal(put_lines(0, 100), 100);
	await(HELPER_LOST, 100);
	await_trouble(ACCESS_FAILING);
	access_writer_trouble(&writer, &error);
	assert_int_equal(error, ENOSPC);
	access_writer_give(&writer, open_file());
	put_lines(0, 10);
	await(HELPER_WRITTEN, 10);
	await_trouble(ACCESS_FINE);
}

static void
a_file_without_a_name_is_not_written(void **state)
{
	(void)state;
	access_writer_give(&writer, open_file());
	await_trouble(ACCESS_FINE);
	unlink(path);
	put_lines(0, 10);
	await_trouble(ACCESS_REMOVED);
	assert_int_equal(helper(HELPER_WRITTEN), 0);
	access_writer_give(&writer, open_file());
	await(HELPER_WRITTEN, 10);
	assert_file_has(10);
}

/* Somebody closed it, and the number is of something else by now. */
static void
a_stranger_is_not_written_to(void **state)
{
	int ends[2], fd = open_file();
	char byte;

	(void)state;
	access_writer_give(&writer, fd);
	await_trouble(ACCESS_FINE);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(dup2(ends[1], fd), fd);
	put_lines(0, 10);
	await_trouble(ACCESS_LOST_FD);
	/* nor closed, when there is another one */
	access_writer_give(&writer, open_file());
	await(HELPER_WRITTEN, 10);
	assert_true(fcntl(fd, F_GETFD) >= 0);
	close(fd);
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 0);
	close(ends[0]);
}

static void
a_pipe_gets_whole_lines(void **state)
{
	static char data[PIPE * 2];
	int ends[2];
	size_t len = 0;

	(void)state;
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	access_writer_give(&writer, ends[1]);
	assert_int_equal(put_lines(0, 1000), 1000);	/* more than it holds */
	while (len < 81000) {
		struct pollfd ready = { ends[0], POLLIN, 0 };
		ssize_t n;

		assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
		n = read(ends[0], data + len, sizeof(data) - len);
		assert_true(n > 0);
		len += (size_t)n;
	}
	await(HELPER_WRITTEN, 1000);
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(strtoul(data + i * 81, NULL, 10), i);
	close(ends[0]);
}

/* One that stands still is left for the next one; the end does not wait. */
static void
a_full_pipe_holds_nobody(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	access_writer_give(&writer, ends[1]);
	put_lines(0, 10000);
	for (unsigned i = 0; i < 100; i++)
		access_writer_give(&writer, open_file());
	await_trouble(ACCESS_FINE);
	close(ends[0]);
}

static void
no_more_after_all_is_written(void **state)
{
	(void)state;
	access_writer_give(&writer, open_file());
	await_trouble(ACCESS_FINE);
	put_lines(0, 100);
	access_writer_give(&writer, -1);
	await_trouble(ACCESS_NOT_OPEN);
	assert_file_has(100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_lines_come_out),
		cmocka_unit_test(round_and_round),
#define WRITER(test) cmocka_unit_test_setup_teardown(test, begin, end)
		WRITER(all_lines_are_written),
		WRITER(lines_wait_for_a_descriptor),
		WRITER(what_a_device_refuses_is_lost),
		WRITER(a_file_without_a_name_is_not_written),
		WRITER(a_stranger_is_not_written_to),
		WRITER(a_pipe_gets_whole_lines),
		WRITER(a_full_pipe_holds_nobody),
		WRITER(no_more_after_all_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
