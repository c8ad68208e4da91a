/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * letter.h: messages of plugins as they lie in a frame of the control channel:
 * one behind the other, so that many small ones cost one system call.
 * MESSAGE and ANSWER carry them to the master, DELIVER and REPLY from it.
 * A letter with descriptors has a frame of its own.  Pure.
 */
#ifndef DAEMON_PROTO_LETTER_H
#define DAEMON_PROTO_LETTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/errmsg.h"

enum {
	LETTERS_MAX = 65280,		/* bytes of all in one frame */
	/* of a worker's frame: well below CHANNEL_QUEUE_MESSAGES, as the socket may
	 * have room while what is gathered has reached that */
	LETTERS_A_FRAME = 256,
	LETTER_DATA_MAX = 15360,	/* of one; beyond: LETTER_LARGE */
	LETTER_LARGE_MAX = 16 << 20,
	LETTER_TO_MAX = 64,		/* characters of "web/0", "id:4711" */
	LETTER_WORD_MAX = 63,		/* of instance and topic */
};

enum letter_flag {
	LETTER_JSON = 1,		/* its data says so */
	LETTER_REPORT = 2,		/* its sender hears what became of it */
	LETTER_ASKS = 4,		/* an ANSWER to its ref is awaited */
	LETTER_LARGE = 8,		/* the first descriptor has the data */
	LETTER_NOT_SELF = 16,		/* a broadcast leaves its sender out */
	LETTER_FLAGS = 31,
};

struct letter {
	uint32_t flags;
	uint64_t ref;			/* its sender's number; 0: none */
	uint64_t from_id;		/* from the master on; 0: the operator */
	const char *name;		/* for whom; from the master on, by whom */
	const char *instance;		/* of the receiver; "": any */
	const char *topic;
	const void *data;		/* NULL: LETTER_LARGE */
	size_t len;
	unsigned fds;			/* the one with the data included */
};

/* Bytes that it takes. */
size_t letter_size(const struct letter *letter);

/* Put one at `to`, which is aligned to 8: letter_size() bytes. */
void letter_put(const struct letter *letter, uint8_t *to);

/*
 * All that lies in len bytes is whole, and count letters with fds descriptors
 * (-1: some were lost on the way).  0, or ERR_FORMAT with words.
 */
int letters_check(const uint8_t *at, size_t len, uint32_t count, int fds,
    struct errmsg *err);

/* The letter at `at`, of letters that were checked; returns where the next
 * begins.  It borrows from there. */
const uint8_t *letter_read(const uint8_t *at, struct letter *letter);

#endif
