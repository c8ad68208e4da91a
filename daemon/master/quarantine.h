/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * quarantine.h: what is done about a route of which requests end workers: said,
 * and with `quarantine = on' shut in all workers of the pool until one request
 * shows that it can be served again.  Which those are is in the memo
 * (supervisor/poison.h); each worker is told the numbers of its own routes.
 */
#ifndef CLUSTERD_MASTER_QUARANTINE_H
#define CLUSTERD_MASTER_QUARANTINE_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/proto/memo.h"
#include "daemon/proto/messages.h"

struct death;
struct master;
struct process;

/* A death is being counted, before the process leaves its row. */
void quarantine_note_death(struct process *process, uint64_t generation,
    const struct death *death);
/* Any exit. */
void quarantine_worker_gone(struct process *process);
/* What a worker says of a shut route. */
void quarantine_on_probe(struct process *process,
    const struct channel_msg_probe *probe);

/* Tell a new worker which of its routes are shut, after the flip. */
void quarantine_tell_worker(struct process *process);
/* The same for all; another master may have died before it did. */
void quarantine_adopt(struct master *m);

/* A regular look: rows that are over, keys that changed. */
void quarantine_look(struct master *m);
/* By command: all routes of the pool are open again. */
void quarantine_lift(struct master *m, uint16_t pool);

enum quarantine_news { QUARANTINE_SILENT, QUARANTINE_NOTE, QUARANTINE_SHUT };

/* Row 0..MEMO_POISONS - 1 of a pool in words.  SILENT: nothing to be told; SHUT:
 * requests are refused now. */
enum quarantine_news quarantine_describe(struct master *m, uint16_t pool,
    size_t row, char *out, size_t size);

#endif
