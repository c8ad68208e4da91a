/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* evil_greed.c: takes more than its part: memory, descriptors, lines of log. */
#include "evil.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum cluster_verdict
do_leak(struct cluster_request *req, struct evil *evil, const char *arg)
{
	size_t mb = strtoul(arg, NULL, 10);
	size_t size = (mb == 0 ? 1 : mb) << 20;
	volatile char *memory = malloc(size);	/* or nobody writes there */

	if (memory == NULL)
		return CLUSTER_FAIL;
	for (size_t i = 0; i < size; i += 4096)
		memory[i] = 1;
	return say(req, "leaked\n");
}

enum cluster_verdict
do_leakfd(struct cluster_request *req, struct evil *evil, const char *arg)
{
	int count = (int)strtol(arg, NULL, 10), made = 0;

	for (int i = 0; i < (count == 0 ? 1 : count); i++)
		made += dup(2) >= 0;
	return say_result(req, made);
}

/* All that /leakfd took. */
enum cluster_verdict
do_returnfd(struct cluster_request *req, struct evil *evil, const char *arg)
{
	struct stat output, st;
	int done = 0;

	if (fstat(2, &output) != 0)
		return say_result(req, -1);
	for (int fd = 12; fd < 65536; fd++)
		if (fstat(fd, &st) == 0 && st.st_dev == output.st_dev &&
		    st.st_ino == output.st_ino)
			done += close(fd) == 0;
	return say_result(req, done);
}

static void *
thread_greed(void *arg)
{
	volatile char mine[1 << 20];

	for (size_t i = 0; i < sizeof(mine); i += 4096)
		mine[i] = 1;
	for (;;)
		pause();
	return arg;
}

/* Each with a megabyte of stack. */
enum cluster_verdict
do_leakthread(struct cluster_request *req, struct evil *evil, const char *arg)
{
	int count = (int)strtol(arg, NULL, 10), made = 0;
	pthread_t thread;

	for (int i = 0; i < (count == 0 ? 1 : count); i++)
		made += pthread_create(&thread, NULL, thread_greed, NULL) == 0;
	return say_result(req, made);
}

static void
spam_log(unsigned long kb)
{
	char line[1000];

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	for (unsigned long i = 0; i < kb; i++)
		cluster_log(CLUSTER_NOTICE, "%s", line);
}

/* So many MB on each of both outputs, in lines or ("50,binary") without any, or
 * as lines of log ("50,log"); what is not taken is not tried again. */
enum cluster_verdict
do_spam(struct cluster_request *req, struct evil *evil, const char *arg)
{
	char *end, block[1024];
	unsigned long mb = strtoul(arg, &end, 10);

	if (strcmp(end, ",log") == 0) {
		spam_log(mb * 1024);
		return say(req, "spammed\n");
	}
	memset(block, 'x', sizeof(block));
	block[sizeof(block) - 1] = '\n';
	if (strcmp(end, ",binary") == 0)
		for (size_t i = 0; i < sizeof(block); i++)
			block[i] = (char)(i % 10 == 0 ? 'x' : i % 256 | 0x80);
	for (unsigned long i = 0; i < (mb == 0 ? 1 : mb) * 1024; i++) {
		(void)!write(1, block, sizeof(block));
		(void)!write(2, block, sizeof(block));
	}
	return say(req, "spammed\n");
}

/* How often this process has asked for memory or given it back: of
 * tests/preload/count_heap.c, without which it cannot be known. */
extern const unsigned long heap_calls __attribute__((weak));

enum cluster_verdict
do_heap(struct cluster_request *req, struct evil *evil, const char *arg)
{
	char text[32];

	if (&heap_calls == NULL)
		return say(req, "unknown\n");
	snprintf(text, sizeof(text), "%lu\n", heap_calls);
	return say(req, text);
}

static void *volatile piece;

enum cluster_verdict
do_allocate(struct cluster_request *req, struct evil *evil, const char *arg)
{
	piece = malloc(100);
	free(piece);
	return say(req, "allocated\n");
}

enum cluster_verdict
do_log(struct cluster_request *req, struct evil *evil, const char *arg)
{
	cluster_log(CLUSTER_NOTICE, "said: %s", arg);
	return say(req, "logged\n");
}

/* "COUNTxLENGTH": so many lines at once, that long. */
enum cluster_verdict
do_say(struct cluster_request *req, struct evil *evil, const char *arg)
{
	char *end;
	unsigned long count = strtoul(arg, &end, 10);
	int length = *end == 'x' ? (int)strtol(end + 1, NULL, 10) : 0;

	for (unsigned long i = 0; i < count; i++)
		cluster_log(CLUSTER_NOTICE, "say %-*lu", length, i);
	return say(req, "said\n");
}

/* "2,words": a line on that descriptor; "stdio,words": by that of C. */
enum cluster_verdict
do_print(struct cluster_request *req, struct evil *evil, const char *arg)
{
	char *words;
	int fd = (int)strtol(arg, &words, 10);

	if (strncmp(arg, "stdio,", 6) == 0)
		return say_result(req, puts(arg + 6));

	return say_result(req, dprintf(fd, "%s\n", words + 1));
}
