/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * test_access_writer.c: lines from the loop through the ring and the thread to
 * a descriptor: all of them, whole, in order; what is lost is counted.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "daemon/scoreboard/word.h"
#include "daemon/worker/access_writer.h"

enum { PATIENCE_MS = 20000, PIPE = 4096, LINE = 81 };

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
	/* its thread would go on with the ring of the next test */
	if (__atomic_load_n(&writer.ended, __ATOMIC_ACQUIRE) == 0) {
		print_error("the thread has not ended\n");
		unlink(path);
		_exit(1);
	}
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
assert_lines(const char *data, unsigned from, unsigned to)
{
	for (; from < to; from++, data += LINE)
		assert_int_equal(strtoul(data, NULL, 10), from);
}

static void
assert_file_has(unsigned count)
{
	FILE *file = fopen(path, "r");
	char line[128];

	assert_non_null(file);
	for (unsigned i = 0; i < count; i++) {
		assert_non_null(fgets(line, sizeof(line), file));
		assert_int_equal(strlen(line), LINE);
		assert_int_equal(strtoul(line, NULL, 10), i);
	}
	assert_null(fgets(line, sizeof(line), file));
	fclose(file);
}

/* While the thread takes: none is lost, as its batches are small to the ring. */
static void
all_lines_are_written(void **state)
{
	uint64_t put = 0, until = clock_now_ms() + PATIENCE_MS;

	(void)state;
	access_writer_give(&writer, open_file());
	for (unsigned i = 0; i < 2000; i++) {
		put += put_lines(i * 50, 50);
		while (put - helper(HELPER_WRITTEN) > 5000 &&
		    clock_now_ms() < until)
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

/* Where the disk becomes full. */
static void
limit_files(rlim_t size)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = size;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* Half a line stands alone, also if the file is opened anew meanwhile. */
static void
half_a_line_has_its_own(void **state)
{
	static char data[3 * LINE];
	int fd;

	(void)state;
	access_writer_give(&writer, open_file());
	limit_files(LINE + LINE / 2);
	put_lines(0, 2);
	await(HELPER_LOST, 1);
	limit_files(RLIM_INFINITY);
	access_writer_give(&writer, open(path, O_WRONLY | O_APPEND));
	put_lines(2, 1);
	await(HELPER_WRITTEN, 2);
	fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, data, sizeof(data)),
	    LINE + LINE / 2 + 1 + LINE);
	assert_lines(data, 0, 1);
	assert_int_equal(data[LINE + LINE / 2], '\n');
	assert_lines(data + LINE + LINE / 2 + 1, 2, 3);
	close(fd);
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

/* ---- a pipe that does not wait ------------------------------------------------------ */

/* It holds little: how long a write is held up is its reader's choice. */
static void
open_pipe(int ends[2])
{
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	assert_int_equal(fcntl(ends[1], F_SETPIPE_SZ, PIPE), PIPE);
	access_writer_give(&writer, ends[1]);
}

/* Till it takes no more: of one page, that may be after the first few lines. */
static void
await_full(const int ends[2])
{
	uint64_t until = clock_now_ms() + PATIENCE_MS;
	struct pollfd room = { ends[1], POLLOUT, 0 };
	int waiting = 0;

	while ((waiting == 0 || poll(&room, 1, 0) > 0) &&
	    clock_now_ms() < until) {
		poll(NULL, 0, 1);
		assert_int_equal(ioctl(ends[0], FIONREAD, &waiting), 0);
	}
	assert_true(waiting > 0);
	assert_int_equal(poll(&room, 1, 0), 0);
}

/* So many bytes; false: they do not come. */
static bool
read_all(int end, char *data, size_t len)
{
	while (len > 0) {
		struct pollfd ready = { end, POLLIN, 0 };
		ssize_t n = poll(&ready, 1, PATIENCE_MS) == 1 ?
		    read(end, data, len) : -1;

		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

static void
a_pipe_gets_whole_lines(void **state)
{
	static char data[1000 * LINE];
	int ends[2];

	(void)state;
	open_pipe(ends);
	assert_int_equal(put_lines(0, 1000), 1000);	/* more than it holds */
	assert_true(read_all(ends[0], data, sizeof(data)));
	await(HELPER_WRITTEN, 1000);
	assert_lines(data, 0, 1000);
	close(ends[0]);
}

/* One that stands still is left for the next one, which gets what waits. */
static void
a_full_pipe_holds_nobody(void **state)
{
	static char data[10000 * LINE];
	unsigned in_pipe;
	int ends[2], fd;

	(void)state;
	open_pipe(ends);
	assert_int_equal(put_lines(0, 10000), 10000);
	await_full(ends);
	access_writer_give(&writer, open_file());
	for (unsigned i = 0; i < 100; i++)
		access_writer_give(&writer, open(path, O_WRONLY | O_APPEND));
	await(HELPER_WRITTEN, 10000);
	assert_int_equal(helper(HELPER_LOST), 0);
	in_pipe = (unsigned)read(ends[0], data, PIPE) / LINE;
	fd = open(path, O_RDONLY);
	assert_true(read_all(fd, data + (size_t)in_pipe * LINE,
	    sizeof(data) - (size_t)in_pipe * LINE));
	assert_lines(data, 0, 10000);
	close(fd);
	close(ends[0]);
}

/* Of a line that the pipe took half of, the next one gets all. */
static void
half_a_line_is_not_lost(void **state)
{
	static char line[PIPE * 2], seen[PIPE * 2 + 1];
	int ends[2], fd;

	(void)state;
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	open_pipe(ends);
	assert_true(access_writer_put(&writer, line, sizeof(line)));
	await_full(ends);
	access_writer_give(&writer, open_file());
	await(HELPER_WRITTEN, 1);
	assert_int_equal(helper(HELPER_LOST), 0);
	fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, seen, sizeof(seen)), sizeof(line));
	assert_memory_equal(seen, line, sizeof(line));
	close(fd);
	close(ends[0]);
}

/* As soon as the end has begun. */
static void *
read_at_the_end(void *arg)
{
	static char data[10000 * LINE];

	while (!__atomic_load_n(&writer.stopping, __ATOMIC_ACQUIRE))
		poll(NULL, 0, 1);
	read_all(*(int *)arg, data, sizeof(data));
	return NULL;
}

static void
the_end_waits_for_a_reader(void **state)
{
	pthread_t reader;
	int ends[2];

	(void)state;
	open_pipe(ends);
	assert_int_equal(put_lines(0, 10000), 10000);
	await_full(ends);
	assert_int_equal(pthread_create(&reader, NULL, read_at_the_end, ends),
	    0);
	access_writer_stop(&writer, PATIENCE_MS);
	pthread_join(reader, NULL);
	assert_int_equal(helper(HELPER_WRITTEN), 10000);
	assert_int_equal(helper(HELPER_LOST), 0);
	close(ends[0]);
}

static void
the_end_does_not_wait_for_ever(void **state)
{
	static char data[10000 * LINE];
	uint64_t until;
	int ends[2];

	(void)state;
	open_pipe(ends);
	assert_int_equal(put_lines(0, 10000), 10000);
	await_full(ends);
	access_writer_stop(&writer, 10);
	assert_int_equal(__atomic_load_n(&writer.ended, __ATOMIC_ACQUIRE), 0);
	/* the thread goes on, till the process ends or it is done */
	assert_true(read_all(ends[0], data, sizeof(data)));
	until = clock_now_ms() + PATIENCE_MS;
	while (__atomic_load_n(&writer.ended, __ATOMIC_ACQUIRE) == 0 &&
	    clock_now_ms() < until)
		poll(NULL, 0, 1);
	assert_int_equal(helper(HELPER_WRITTEN), 10000);
	close(ends[0]);
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
		WRITER(half_a_line_has_its_own),
		WRITER(a_file_without_a_name_is_not_written),
		WRITER(a_stranger_is_not_written_to),
		WRITER(a_pipe_gets_whole_lines),
		WRITER(a_full_pipe_holds_nobody),
		WRITER(half_a_line_is_not_lost),
		WRITER(the_end_waits_for_a_reader),
		WRITER(the_end_does_not_wait_for_ever),
		WRITER(no_more_after_all_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
