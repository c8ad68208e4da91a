/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * page.h: what a worker shows of itself, version 1.
 *
 * A memfd of 16 KiB: the worker maps it read-write, the master read-only, and
 * believes nothing of it.  The keeper writes the head before exec.  Words are
 * read and written with relaxed atomics, each by one thread; entries of `doing`
 * and `child` are seqlocks (scoreboard/ has the only code for them).  The page
 * survives the worker and tells why it died.  The master's own page is head and
 * beat; the roster (roster.h) lies behind it.
 */
#ifndef CLUSTERD_PROTO_PAGE_H
#define CLUSTERD_PROTO_PAGE_H

#include <stddef.h>
#include <stdint.h>

enum {
	PAGE_SIZE_BYTES = 16384,
	PAGE_MAGIC = 0x70434c01,
	PAGE_VERSION = 1,
	PAGE_COUNTERS = 128,
	PAGE_BUCKETS = 64,	/* 4 an octave from 16 microseconds */
	PAGE_DOING = 32,
	PAGE_PATH = 232,
	PAGE_WORDS = 1024,
	PAGE_CHILDREN = 64,	/* rows; a worker may have more children */
	PAGE_COMMAND = 44,
};

struct page_head {
	uint32_t magic;
	uint16_t version, head_size;
	uint32_t size, counters;
	uint64_t worker_id;	/* the master's: its number of this life */
	char name[64];		/* "web/0" */
	uint8_t reserved[40];
};

struct page_beat {
	uint64_t beat_ns;	/* monotonic, every 250 ms */
	uint64_t loops;
	uint64_t busy_ns;	/* time of the loop not spent waiting, till the beat */
	uint64_t callback_since_ns;	/* 0: not in a callback */
	uint32_t number;	/* the master's page: WELCOME.number */
	uint32_t stopping;	/* the master's page: enum stop_kind */
	uint64_t busy_until_ns;	/* said by a callback: it holds the loop until
				 * then; at most 10 x handler_timeout ahead */
	uint64_t given_away;	/* the master's page: number of the connection
				 * last sent on from a dead worker's queue */
	uint64_t in_force;	/* the master's page: generation, 0: none yet */
};

struct page_gauges {
	uint32_t connections, closable, fds, children, requests_open;
	uint32_t ready;		/* READY was said: it may have been lost */
	uint32_t left;		/* a plugin ended it: its words say why */
	uint32_t holds;		/* work outside of requests: a drain waits */
	uint32_t reserved[8];
};

enum page_doing_kind { DOING_NOTHING, DOING_REQUEST, DOING_START, DOING_STOP,
	DOING_TIMER, DOING_DRAIN, DOING_MESSAGE, DOING_CHILD, DOING_WATCH,
	DOING_STREAM, DOING_DATAGRAM };	/* these two: path is the peer */

enum page_helper { HELPER_WRITTEN, HELPER_LOST };	/* lines */

struct page_doing {
	uint32_t seq;		/* odd: being written */
	uint16_t plugin;	/* index in the worker's snapshot */
	uint8_t method, kind;
	uint64_t since_ns, request;
	char path[PAGE_PATH];	/* zero-filled */
};

enum page_child_flag {
	CHILD_HOLDS = 1,	/* a drain waits for its end */
	CHILD_DETACHED = 2,	/* of a session of its own: it may outlive us */
};

/* A child process of a plugin.  The number may be any: whether it is a child
 * of this worker is for the kernel to say. */
struct page_child {
	uint32_t seq;		/* odd: being written */
	uint32_t pid;		/* 0: the row is free */
	uint64_t since_ns;
	uint64_t request;	/* that of a `doing` entry; 0: of none */
	uint32_t flags;
	char command[PAGE_COMMAND];	/* the first of it, zero-filled */
};

struct page {
	struct page_head head;
	struct page_beat beat;
	struct page_gauges gauges;
	uint64_t counters[PAGE_COUNTERS];
	uint64_t histogram[PAGE_BUCKETS];
	uint64_t helper[32];	/* the access log's thread: enum page_helper */
	struct page_doing doing[PAGE_DOING];	/* [0]: now */
	/* Number of the entry's route, under its seq: place in the pool's list
	 * + 1, its filters behind its routes; 0: not of a route. */
	uint16_t route[PAGE_DOING];
	/* Last words of a crash: where it was.  Read after the end alone. */
	char words[PAGE_WORDS];
	struct page_child child[PAGE_CHILDREN];
	uint8_t reserved[PAGE_SIZE_BYTES - 15936];
};

_Static_assert(sizeof(struct page_head) == 128, "head");
_Static_assert(offsetof(struct page, beat) == 128, "beat");
_Static_assert(offsetof(struct page, gauges) == 192, "gauges");
_Static_assert(offsetof(struct page, counters) == 256, "counters");
_Static_assert(offsetof(struct page, histogram) == 1280, "histogram");
_Static_assert(offsetof(struct page, helper) == 1792, "helper");
_Static_assert(offsetof(struct page, doing) == 2048, "doing");
_Static_assert(offsetof(struct page, route) == 10240, "route");
_Static_assert(offsetof(struct page, words) == 10304, "words");
_Static_assert(offsetof(struct page, child) == 11328, "child");
_Static_assert(offsetof(struct page, reserved) == 15936, "reserved");
_Static_assert(sizeof(struct page) == PAGE_SIZE_BYTES, "size");

#endif
