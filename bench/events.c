/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * events.c: what an event costs that is to be in the database: CPU time of the
 * thread that writes it, all that it does counted (commits, checkpoints,
 * retention, the look at its file), and that of the caller who puts it.  ROWS of
 * them, BATCH at a time, each when the one before is written; DIRECTORY is empty.
 * A batch of 256 is written at once, less after a quarter of a second.
 *
 *	events DIRECTORY ROWS BATCH
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "daemon/store/store.h"

static double
cpu_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* As long as that of a worker's begin. */
static void
put(struct store *store, uint64_t seq)
{
	char json[512];
	struct store_event event = {
		.seq = seq, .time = 1767225600000 + (int64_t)seq,
		.event = "worker.ready", .worker = "web/17", .pid = 123456,
		.json = json,
	};

	snprintf(json, sizeof(json), "{\"seq\":%llu,\"time\":%lld,"
	    "\"event\":\"worker.ready\",\"worker\":\"web/17\",\"pid\":123456,"
	    "\"pool\":\"web\",\"slot\":17,\"id\":1767225600000017,"
	    "\"generation\":3,\"text\":\"ready after 12 ms\"}",
	    (unsigned long long)seq, (long long)event.time);
	store_put_event(store, &event);
}

static int
await_stored(struct store *store, int wake_fd, uint64_t count)
{
	struct pollfd wake = { .fd = wake_fd, .events = POLLIN };
	struct store_status status;

	for (int tries = 0; tries < 20000; tries++) {
		store_status(store, &status);
		if (status.stored >= count)
			return 0;
		poll(&wake, 1, 1);
		store_poll(store);
	}
	fprintf(stderr, "events: not written: %s\n", status.reason);
	return -1;
}

static int
measure(struct store *store, int wake_fd, unsigned rows, unsigned batch)
{
	double all = 0, put_us = 0, own;
	struct store_status status;
	uint64_t seq = 0, before;
	double began, began_own;

	store_status(store, &status);
	before = status.stored;
	began = cpu_us(CLOCK_PROCESS_CPUTIME_ID);
	began_own = cpu_us(CLOCK_THREAD_CPUTIME_ID);
	while (seq < rows) {
		double start = cpu_us(CLOCK_THREAD_CPUTIME_ID);

		for (unsigned i = 0; i < batch && seq < rows; i++)
			put(store, ++seq);
		put_us += cpu_us(CLOCK_THREAD_CPUTIME_ID) - start;
		if (await_stored(store, wake_fd, before + seq) != 0)
			return 1;
	}
	own = cpu_us(CLOCK_THREAD_CPUTIME_ID) - began_own;
	all = cpu_us(CLOCK_PROCESS_CPUTIME_ID) - began;
	printf("%.2f %.2f\n", (all - own) / (double)seq, put_us / (double)seq);
	return 0;
}

int
main(int argc, char **argv)
{
	struct store_options options = { 0 };
	struct errmsg err = { 0 };
	unsigned rows, batch;
	struct store *store;
	int wake_fd, rc;

	if (argc != 4)
		return fprintf(stderr, "usage: events DIRECTORY ROWS BATCH\n"), 2;
	rows = (unsigned)strtoul(argv[2], NULL, 10);
	batch = (unsigned)strtoul(argv[3], NULL, 10);
	if (rows < 1 || batch < 1 || batch > STORE_QUEUE_MAX)
		return 2;
	wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	rc = store_start(argv[1], &options, wake_fd, &store, &err);
	if (rc != 0)
		return fprintf(stderr, "events: %s\n", err.text), 1;
	rc = measure(store, wake_fd, rows, batch);
	store_stop(store, 5000);
	return rc;
}
