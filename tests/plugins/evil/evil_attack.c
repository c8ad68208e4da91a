/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* evil_attack.c: against the host: its descriptors, its page, its relatives. */
#include "evil.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum cluster_verdict
do_closefd(struct cluster_request *req, struct evil *evil, const char *arg)
{
	return say_result(req, close((int)strtol(arg, NULL, 10)));
}

/* Take what brings connections out of the worker's poll set, whichever it is:
 * the socket of those that are passed, and all that listen. */
enum cluster_verdict
do_deafen(struct cluster_request *req, struct evil *evil, const char *arg)
{
	int done = 0;

	for (int fd = 4; fd < 64; fd++) {
		int on = 0;
		socklen_t len = sizeof(on);

		if (fd != 4 && (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on,
		    &len) != 0 || !on))
			continue;
		for (int set = 3; set < 64; set++)
			done += epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL) == 0;
	}
	return say_result(req, done);
}

/* Each descriptor that listens is shut down, or made blocking. */
enum cluster_verdict
do_listener(struct cluster_request *req, struct evil *evil, const char *arg)
{
	int done = 0;

	for (int fd = 3; fd < 64; fd++) {
		int on = 0;
		socklen_t len = sizeof(on);

		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) != 0 ||
		    !on)
			continue;
		if (strcmp(arg, "block") == 0)
			done += fcntl(fd, F_SETFL, 0) == 0;
		else
			done += shutdown(fd, SHUT_RDWR) == 0;
	}
	return say_result(req, done);
}

/* kill(2) at the keeper, at init, at everybody: what comes back. */
enum cluster_verdict
do_attack(struct cluster_request *req, struct evil *evil, const char *arg)
{
	char text[128];
	pid_t keeper = getppid();
	int rc[4];

	rc[0] = kill(keeper, 0) == 0 ? 0 : -errno;
	rc[1] = kill(1, 0) == 0 ? 0 : -errno;
	rc[2] = kill(-1, 0) == 0 ? 0 : -errno;
	rc[3] = (int)syscall(SYS_pidfd_open, keeper, 0) >= 0 ? 0 : -errno;
	snprintf(text, sizeof(text), "%d %d %d %d\n", rc[0], rc[1], rc[2],
	    rc[3]);
	return say(req, text);
}

enum cluster_verdict
do_disconnect(struct cluster_request *req, struct evil *evil, const char *arg)
{
	return say_result(req, cluster_disconnect(arg));
}

/* Hold the loop, so that a lie is not mended by the next beat. */
static void
hold_loop(void)
{
	poll(NULL, 0, 400);
}

enum cluster_verdict
do_page(struct cluster_request *req, struct evil *evil, const char *arg)
{
	uint64_t *page = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_SHARED,
	    6, 0);

	if (page == MAP_FAILED)
		return CLUSTER_FAIL;
	if (strcmp(arg, "future") == 0) {
		page[16] += 1000000000000ull;		/* the beat */
	} else if (strcmp(arg, "busy") == 0) {
		page[21] = UINT64_MAX;			/* until for ever */
		for (;;)
			pause();
	} else if (strcmp(arg, "back") == 0) {
		page[32] += 1000;			/* a counter */
		hold_loop();
		page[32] -= 1000;
	} else {
		memset((char *)page + 192, 0xff, 64);	/* the gauges */
	}
	hold_loop();
	return say(req, "lied\n");
}

/* Its connections socket, which stays open. */
enum cluster_verdict
do_shutdown(struct cluster_request *req, struct evil *evil, const char *arg)
{
	return say_result(req, shutdown(4, SHUT_RDWR));
}

/* Bytes on the control channel that are no message. */
enum cluster_verdict
do_frame(struct cluster_request *req, struct evil *evil, const char *arg)
{
	return say_result(req, (int)send(3, "garbage", 7, MSG_NOSIGNAL));
}
