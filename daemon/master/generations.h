/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * generations.h: accepted configurations: numbered, encoded for each pool,
 * kept by the keeper for every next master and worker, and as files for
 * `rollback'.
 */
#ifndef CLUSTERD_MASTER_GENERATIONS_H
#define CLUSTERD_MASTER_GENERATIONS_H

#include <stdint.h>

#include "common/base/errmsg.h"
#include "daemon/master/link.h"

struct conf;
struct disk_job;
struct generation;
struct master;

/*
 * A new one begins in three steps, as disk and keeper have their own time: added,
 * stored, kept.  What returns an int returns 0 or an ERR_ code.
 */
/* Give conf that number and a place.  Takes one more reference of conf; text
 * is copied. */
int generations_add(struct master *m, struct conf *conf, uint64_t number,
    const char *text, size_t text_len, struct generation **out,
    struct errmsg *err);
/* Work for the disk: its files in state_dir/snapshots. */
int generations_store(const struct generation *generation,
    struct disk_job *job, struct errmsg *err);
/* Hand its snapshots to the keeper, if it has not all of them.  done hears of
 * the end, at once or later: err->code is 0 when all are there.  One at a time:
 * another one takes its place, and done of the first is not called. */
typedef void (*generations_done)(struct master *m, const struct errmsg *err);
void generations_keep(struct master *m, struct generation *generation,
    generations_done done);
/* One that the keeper has kept (HAVE_KEPT). */
void generations_have(struct master *m, const struct link_packet *packet);
/* The inventory is complete: what came in pieces and is not whole goes. */
void generations_end_inventory(struct master *m);
/* An earlier one, from state_dir/snapshots where it is not there any more. */
int generations_load(struct master *m, uint64_t number,
    struct generation **out, struct errmsg *err);
/* The configuration in a snapshot; NULL: it is none.  Pure: any thread. */
struct conf *generations_decode(int fd, struct errmsg *err);
/* Forget those that no slot, worker or transaction refers to. */
void generations_tidy(struct master *m);
/* The same, and files of those that are not even kept go from the disk. */
void generations_tidy_later(struct master *m, uint64_t unused);
void generations_free(struct master *m);

/* A number that no generation had, refused ones included. */
uint64_t generations_next(struct master *m);

#endif
