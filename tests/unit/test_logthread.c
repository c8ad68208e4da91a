/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_logthread.c: every line, in order; or counted, and nobody waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "daemon/journal/logthread.h"

static char dir[] = "/tmp/logthread-XXXXXX";
static char file[64], other[64];

static int
count_lines(const char *path, const char *word)
{
	char line[LOG_LINE_MAX];
	FILE *from = fopen(path, "r");
	int count = 0;

	assert_non_null(from);
	while (fgets(line, sizeof(line), from) != NULL)
		count += strstr(line, word) != NULL;
	fclose(from);
	return count;
}

static struct logthread_status
status_now(void)
{
	struct logthread_status status;

	logthread_status(&status);
	return status;
}

/* 0, or how it was refused. */
static int
open_target(const char *target)
{
	uint64_t end = clock_now_ms() + 20000;
	unsigned number = logthread_open(target);

	while (status_now().answered != number) {
		poll(NULL, 0, 1);
		assert_true(clock_now_ms() < end);
	}
	return status_now().refused;
}

static void
start(const char *target)
{
	struct errmsg err = { 0 };

	if (logthread_start(-1, &err) != 0)
		fail_msg("%s", err.text);
	if (open_target(target) != 0)
		fail_msg("%s", status_now().trouble);
}

/* Until so many lines are written or dropped since before. */
static void
await(struct logthread_status before, uint64_t lines)
{
	uint64_t end = clock_now_ms() + 20000;
	struct logthread_status now;

	do {
		now = status_now();
		poll(NULL, 0, 1);
		assert_true(clock_now_ms() < end);
	} while (now.written + now.dropped <
	    before.written + before.dropped + lines);
}

static int
setup(void **state)
{
	(void)state;
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/log", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	logthread_stop(5000);
	unlink(file);
	unlink(other);
	return rmdir(dir);
}

static void
test_in_order(void **state)
{
	struct logthread_status before = status_now();
	char line[LOG_LINE_MAX];
	FILE *from;

	(void)state;
	start(file);
	for (int i = 0; i < 5000; i++)
		log_error("line %d.", i);
	logthread_stop(5000);
	assert_int_equal(status_now().written - before.written, 5000);
	from = fopen(file, "r");
	for (int i = 0; i < 5000; i++) {
		char word[32];

		snprintf(word, sizeof(word), "line %d.\n", i);
		assert_non_null(fgets(line, sizeof(line), from));
		assert_non_null(strstr(line, word));
	}
	fclose(from);
}

static void
test_rotated(void **state)
{
	struct logthread_status before = status_now();

	(void)state;
	start(file);
	log_error("first");
	await(before, 1);
	assert_int_equal(rename(file, other), 0);
	log_error("still there");
	await(before, 2);
	assert_int_equal(open_target(file), 0);
	log_error("second");
	logthread_stop(5000);
	assert_int_equal(count_lines(other, "first"), 1);
	assert_int_equal(count_lines(other, "still there"), 1);
	assert_int_equal(count_lines(file, "second"), 1);
}

/* A reader of stderr that does not read, and later does. */
static void
test_stalled_reader(void **state)
{
	enum { LINES = 30000 };
	struct logthread_status before = status_now(), now;
	int saved = dup(2), out[2], copy;
	char text[65536];
	uint64_t begun;
	size_t got = 0, lines = 0;
	ssize_t n;

	(void)state;
	assert_int_equal(pipe(out), 0);
	dup2(out[1], 2);
	start("stderr");
	copy = out[1];
	dup2(saved, 2);
	begun = clock_now_ms();
	for (int i = 0; i < LINES; i++)
		log_error("line %d", i);
	assert_true(clock_now_ms() - begun < 5000);
	now = status_now();
	assert_true(now.dropped > before.dropped);
	assert_true(now.losing);
	assert_true(now.waiting <= LOGTHREAD_RING);
	close(copy);
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	begun = clock_now_ms();
	do {
		n = read(out[0], text, sizeof(text));
		for (ssize_t i = 0; i < n; i++)
			lines += text[i] == '\n';
		got += n > 0 ? (size_t)n : 0;
		assert_true(clock_now_ms() - begun < 20000);
		now = status_now();
	} while (n > 0 || now.waiting > 0 || now.written + now.dropped <
	    before.written + before.dropped + LINES);
	logthread_stop(5000);
	/* What was written between the last read and the last look, and the
	 * line that tells of those dropped. */
	while ((n = read(out[0], text, sizeof(text))) > 0)
		for (ssize_t i = 0; i < n; i++)
			lines += text[i] == '\n';
	assert_true(lines >= now.written - before.written);
	assert_true(got > 0);
	close(out[0]);
	close(saved);
}

static void
test_full_disk(void **state)
{
	struct logthread_status before = status_now(), now;
	int saved = dup(2), out[2];
	char text[256];
	ssize_t n;

	(void)state;
	assert_int_equal(pipe(out), 0);
	dup2(out[1], 2);
	start("/dev/full");
	for (int i = 0; i < 100; i++)
		log_error("line %d", i);
	await(before, 100);
	now = status_now();
	assert_int_equal(now.dropped - before.dropped, 100);
	assert_non_null(strstr(now.reason, "space"));
	n = read(out[0], text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_non_null(strstr(text, "cannot be written"));
	assert_int_equal(open_target(file), 0);
	log_error("again");
	logthread_stop(5000);
	dup2(saved, 2);
	assert_int_equal(count_lines(file, "again"), 1);
	assert_int_equal(count_lines(file, "lines of log were dropped"), 1);
	close(saved);
	close(out[0]);
	close(out[1]);
}

/* Removed, or gone under a new one of its name: nobody would read the old one. */
static void
test_removed(void **state)
{
	struct logthread_status before = status_now();

	(void)state;
	start(file);
	log_error("lost with it");
	await(before, 1);
	assert_int_equal(unlink(file), 0);
	log_error("first in the new one");
	await(before, 2);
	assert_int_equal(count_lines(file, "first in the new one"), 1);
	assert_int_equal(count_lines(file, "was removed"), 1);
	close(open(other, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(rename(other, file), 0);
	log_error("second");
	await(before, 3);
	assert_int_equal(count_lines(file, "second"), 1);
	assert_int_equal(status_now().dropped, before.dropped);
	/* what took its place is refused: counted, not written into nowhere */
	assert_int_equal(unlink(file), 0);
	assert_int_equal(symlink(other, file), 0);
	log_error("third");
	await(before, 4);
	assert_int_equal(status_now().dropped, before.dropped + 1);
	assert_non_null(strstr(status_now().reason, "symbolic link"));
	assert_int_equal(access(other, F_OK), -1);
	assert_int_equal(unlink(file), 0);
	log_error("fourth");
	logthread_stop(5000);
	assert_int_equal(count_lines(file, "fourth"), 1);
	assert_int_equal(count_lines(file, "1 lines of log were dropped"), 1);
}

static void
test_refused(void **state)
{
	(void)state;
	start("stderr");
	assert_int_equal(symlink(other, file), 0);
	assert_int_equal(open_target(file), ERR_BAD_ARGUMENT);
	assert_int_equal(unlink(file), 0);
	close(open(other, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(link(other, file), 0);
	assert_int_equal(open_target(file), ERR_BAD_ARGUMENT);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(mkfifo(file, 0600), 0);
	assert_true(open_target(file) < 0);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(open_target("/nowhere/at/all"), ERR_SYSTEM);
	assert_non_null(strstr(status_now().trouble, "/nowhere/at/all"));
	assert_int_equal(open_target(file), 0);
	assert_string_equal(status_now().trouble, "");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_in_order),
		TEST(test_rotated),
		TEST(test_stalled_reader),
		TEST(test_full_disk),
		TEST(test_removed),
		TEST(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
