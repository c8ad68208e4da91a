/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* ctor.c: evil in a constructor; CTOR is fixed at build time. */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <clusterd/plugin.h>

enum { SEGV, EXIT0, LOOP, FLOOD, STUCK };

static volatile int *volatile nowhere = (volatile int *)16;
static volatile int for_ever = 1;

/* Warnings without words, as daemon/proto/verdict.def has them, to the socket
 * that the check answers by. */
static void
flood(void)
{
	static const struct {
		uint16_t version, type;
		uint32_t length;
		char body[1032];
	} warning = { 1, 2, 1032, "" };

	while (for_ever)
		(void)send(3, &warning, sizeof(warning), 0);
}

__attribute__((constructor)) static void
be_evil(void)
{
	switch (CTOR) {
	case SEGV:
		*nowhere = 1;
		break;
	case EXIT0:
		_exit(0);
	case LOOP:
		while (for_ever)
			continue;
		break;
	case FLOOD:
		flood();
		break;
	case STUCK:
		signal(SIGALRM, SIG_IGN);
		while (for_ever)
			pause();
	}
}

static enum cluster_verdict
handle(struct cluster_request *req, void *self)
{
	(void)self;
	return cluster_reply_text(req, 200, "never\n");
}

CLUSTER_PLUGIN(evil_ctor,
	.summary = "Never gets as far as this",
	.handle = handle);
