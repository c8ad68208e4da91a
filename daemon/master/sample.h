/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * sample.h: looking at a worker from outside: its page, which it may have
 * filled with anything, and its directory in /proc.  Never blocks.
 */
#ifndef CLUSTERD_MASTER_SAMPLE_H
#define CLUSTERD_MASTER_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/proto/page.h"

struct master;
struct process;

/* Read the page into process->report; a lie in it is a VIOLATION. */
void sample_page(struct process *process);
/* Resident size and CPU time, into the process. */
void sample_proc(struct process *process);
/* How its loop's thread spent its time: on a CPU, and waiting for one.  state is
 * the letter of /proc/PID/stat ('R', 'S', 'D', 'T' …). */
struct sample_time {
	uint64_t at_ns;			/* when; 0: not taken */
	uint64_t run_ns, delay_ns;
	char state;
};
/* False if it cannot be read. */
bool sample_take_time(const struct process *process, struct sample_time *time);
/* The kernel is writing its core. */
bool sample_is_dumping(const struct process *process);
/* Add the row's process to the totals of its slot: at its end, once. */
void sample_fold(struct master *m, uint16_t row);

/* Last words in its page, escaped; "" if there are none.  After its end. */
char *sample_words(const struct process *process, char *out, size_t size);

struct sample_doing {
	bool known;
	bool is_request;
	unsigned route_number;		/* as in the page, checked; 0: none */
	uint64_t request;		/* its number, as in the page */
	char plugin[64], route[128], method[16], path[PAGE_PATH];
	uint64_t since_ns;
};
/* What it does now: entry 0..PAGE_DOING - 1 of its page.  False: nothing. */
bool sample_doing(const struct process *process, unsigned entry, bool dead,
    struct sample_doing *doing);

#endif
