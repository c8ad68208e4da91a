/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * dues.h: calls that are owed to the upper layer: memory and files of an answer
 * that are not needed any more, and the word that it has left.  They are made
 * from the loop, never from within a turn of a connection or a call, so that
 * whoever is called may do as he likes.  Each is made once: room for it is taken
 * when it is promised.
 */
#ifndef DAEMON_HTTP_DUES_H
#define DAEMON_HTTP_DUES_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum due_kind {
	DUE_NONE,
	DUE_MEMORY,			/* memory(data, arg) */
	DUE_FILE,			/* number(fd, arg) */
	DUE_WORD,			/* number(0 or -errno, arg) */
};

struct due {
	uint8_t kind;			/* enum due_kind */
	uint16_t owner;			/* the upper layer's */
	int number;
	union {
		void (*memory)(void *data, void *arg);
		void (*number)(int number, void *arg);
	} call;
	void *data, *arg;
};

struct dues {
	struct due *rows;
	size_t first, count;		/* those that are due */
	size_t promised, size;		/* those to come; room for all */
	uint64_t runs;			/* times that those due were called */
	struct event event;
	void (*run)(const struct due *due, void *ctx);
	void *ctx;
};

void dues_init(struct dues *dues, struct event_base *base,
    void (*run)(const struct due *due, void *ctx), void *ctx);

/* One more will be due.  0 or ERR_MEMORY. */
int dues_promise(struct dues *dues);

/* It is due now: the call is made at the next pass of the loop. */
void dues_add(struct dues *dues, const struct due *due);

/* Make those calls that are due; also without the loop, at its end. */
void dues_run(struct dues *dues);

/* For run(): the call itself. */
void due_call(const struct due *due);

#endif
