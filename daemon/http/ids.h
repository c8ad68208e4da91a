/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * ids.h: numbers that nobody else has, for requests and traces.  One random base
 * a worker, then a mixing function of the request's number: no system call, and
 * two of one worker are never the same.  They tell nothing, but are no secret.
 * Pure but for ids_init().
 */
#ifndef DAEMON_HTTP_IDS_H
#define DAEMON_HTTP_IDS_H

#include <stdint.h>

enum ids_kind { IDS_REQUEST, IDS_TRACE, IDS_SPAN };

struct ids {
	uint64_t base[2];
};

/* Once a worker; asks the kernel. */
void ids_init(struct ids *ids);

/* The id of request `number' (unique in this worker) for that use; neither
 * half is 0. */
void ids_make(const struct ids *ids, uint64_t number, enum ids_kind kind,
    uint64_t id[2]);

/* 16 digits, lower case, not terminated. */
void ids_print(char out[16], uint64_t half);

#endif
