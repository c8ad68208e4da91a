/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * access_ring.h: lines of the access log on their way from the loop to the
 * thread that writes them.  One who puts, one who takes; no lock, no system
 * call.  What is put is whole lines, and becomes visible at once as a whole.
 */
#ifndef DAEMON_WORKER_ACCESS_RING_H
#define DAEMON_WORKER_ACCESS_RING_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum { ACCESS_RING_SIZE = 1 << 20 };

/* Positions only grow; a byte's place is its position modulo the size. */
struct access_ring {
	char *bytes;
	alignas(64) uint64_t put;	/* written by who puts */
	uint64_t taken_seen;		/* his; as he last looked */
	alignas(64) uint64_t taken;	/* written by who takes */
};

/* 0 or ERR_MEMORY. */
int access_ring_init(struct access_ring *ring);
void access_ring_done(struct access_ring *ring);

/* False: there is no room for all of it. */
bool access_ring_put(struct access_ring *ring, const char *line, size_t len);
/* Bytes put since the beginning. */
uint64_t access_ring_position(const struct access_ring *ring);

/*
 * Whole lines that wait, up to most bytes if the first is not longer, as one or
 * two pieces; returns their length, 0: none.  They stay until they are taken.
 */
size_t access_ring_peek(const struct access_ring *ring, size_t most,
    struct iovec pieces[2]);
void access_ring_take(struct access_ring *ring, size_t len);

#endif
