/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * follower.h: the journal, inside: its ring, and who reads from it.
 * journal.c publishes, follower.c tells.
 */
#ifndef CLUSTERD_JOURNAL_FOLLOWER_H
#define CLUSTERD_JOURNAL_FOLLOWER_H

#include "common/base/buf.h"
#include "daemon/journal/journal.h"
#include "daemon/store/store.h"

/* An event in memory, at ring[seq % JOURNAL_RING]. */
struct journal_entry {
	uint64_t seq;
	int64_t time_ms;
	enum event_id id;
	char *json;		/* terminated; NULL: memory was short */
	size_t len;
};

struct journal {
	struct store *store;
	uint64_t first, next;	/* seqs of this process: first <= seq < next */
	uint64_t mark;		/* all below are reserved */
	enum store_state store_state;	/* as published */
	char store_note[512];
	struct buf json;	/* of the event being published */
	struct journal_entry ring[JOURNAL_RING];
	struct journal_follower **followers;	/* NULL: a free place */
	size_t follower_count, follower_room;
};

/* The oldest seq in the ring; journal->next when it is empty. */
uint64_t journal_oldest(const struct journal *journal);

/* Tell everybody what he has not been told yet. */
void followers_feed(struct journal *journal);
void followers_free(struct journal *journal);

#endif
