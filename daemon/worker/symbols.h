/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * symbols.h: which function is at an address.  The tables of symbols of all
 * that is loaded are mapped beforehand, static functions included where they
 * are not stripped, so that the last words of a worker need no lock, no heap
 * and nothing of the loader.
 */
#ifndef DAEMON_WORKER_SYMBOLS_H
#define DAEMON_WORKER_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct symbol {
	const char *object;		/* "evil.so" */
	const char *function;		/* NULL: not known */
	uint64_t offset;		/* in the function, else in the object */
	bool is_ours;			/* of this program itself */
	bool is_named;			/* by name_of(): a plugin */
};

/*
 * Take note of what is loaded and not known yet.  name_of: what people call the
 * file of that path, or NULL: its own name.  May block (disk); what cannot be
 * read has no functions.  Not from a signal handler.
 */
void symbols_take(const char *(*name_of)(const char *path));

/* Async-signal-safe.  False: in nothing that was noted. */
bool symbols_find(uintptr_t address, struct symbol *symbol);

#endif
