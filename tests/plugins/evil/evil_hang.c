/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* evil_hang.c: requests that take long, and handlers that hold the loop. */
#include "evil.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

volatile int for_ever = 1;

static void
on_slept(void *arg)
{
	struct cluster_request *req = arg;

	sign(req);
	cluster_reply_text(req, 200, "slept\n");
}

enum cluster_verdict
do_sleep(struct cluster_request *req, struct evil *evil, const char *arg)
{
	unsigned ms = arg[0] == '\0' ? (unsigned)evil->ms :
	    (unsigned)strtoul(arg, NULL, 10);

	return cluster_timer(ms, on_slept, req) == NULL ?
	    CLUSTER_FAIL : CLUSTER_LATER;
}

enum cluster_verdict
do_deadline(struct cluster_request *req, struct evil *evil, const char *arg)
{
	cluster_deadline(req, 0);
	return do_sleep(req, evil, arg);
}

/* Holds the loop for so many ms, with a word to the host before. */
enum cluster_verdict
do_busy(struct cluster_request *req, struct evil *evil, const char *arg)
{
	unsigned ms = (unsigned)strtoul(arg, NULL, 10);
	uint64_t until = cluster_now_ns() + ms * 1000000ull;
	int rc = cluster_busy(ms);

	while (rc == 0 && cluster_now_ns() < until)
		continue;
	return say_result(req, rc);
}

/* The same without a word; arg ms, or for ever. */
enum cluster_verdict
do_spin(struct cluster_request *req, struct evil *evil, const char *arg)
{
	uint64_t ms = strtoul(arg, NULL, 10);
	uint64_t until = cluster_now_ns() + ms * 1000000ull;

	while (for_ever && (ms == 0 || cluster_now_ns() < until))
		continue;
	return say(req, "spun\n");
}

void
wait_for(const char *fifo)
{
	int fd = open(fifo, O_RDONLY | O_CLOEXEC);
	char byte;

	(void)!read(fd, &byte, 1);
	close(fd);
}

/* Until that fifo is let go; so many ms; or for ever, whatever else it says. */
enum cluster_verdict
do_block(struct cluster_request *req, struct evil *evil, const char *arg)
{
	if (arg[0] == '/')
		wait_for(arg);
	else
		poll(NULL, 0, arg[0] >= '0' && arg[0] <= '9' ?
		    (int)strtol(arg, NULL, 10) : -1);
	return say(req, "woken\n");
}

enum cluster_verdict
do_deadlock(struct cluster_request *req, struct evil *evil, const char *arg)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_lock(&lock);
	pthread_mutex_lock(&lock);
	return say(req, "unlocked\n");
}

/* Its child does nothing: until that ends, the kernel waits here. */
enum cluster_verdict
do_vfork(struct cluster_request *req, struct evil *evil, const char *arg)
{
	if (vfork() == 0)
		for (;;)
			pause();
	return say(req, "woken\n");
}

enum cluster_verdict
do_blocksigs(struct cluster_request *req, struct evil *evil, const char *arg)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	signal(SIGTERM, SIG_IGN);
	signal(SIGABRT, SIG_IGN);
	return say(req, "blocked\n");
}

static void
on_tick(int number)
{
	(void)number;
}

/* A signal so many times a second from now on, which cuts calls short. */
enum cluster_verdict
do_timer(struct cluster_request *req, struct evil *evil, const char *arg)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
		.sigev_signo = SIGRTMIN + 5 };
	struct sigaction action = { .sa_handler = on_tick };
	long ns = 1000000000 / (strtol(arg, NULL, 10) + 1);
	struct itimerspec every = { { 0, ns }, { 0, ns } };
	timer_t timer;

	if (sigaction(SIGRTMIN + 5, &action, NULL) != 0 ||
	    timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 ||
	    timer_settime(timer, 0, &every, NULL) != 0)
		return CLUSTER_FAIL;
	return say(req, "ticking\n");
}
