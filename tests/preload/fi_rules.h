/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * fi_rules.h: which call fails now, and with what.
 *
 *   FI="accept4:ENFILE@2-4;malloc:NULL@p=.01;*:EINTR@p=.05;clock:+3600"
 *
 * CALL:ERROR, then which of them: @3 the third, @2-4, @50+ all from there,
 * @p=.01 each with that chance; nothing: all.  CALL is a word of fi_calls.def, or
 * * for all but malloc and clock (with EINTR: all that a signal can cut short).
 * ERROR is a name, a number, or NULL (ENOMEM); for clock the seconds by which
 * the wall clock is off.  FI is for every program of the daemon, FI_master,
 * FI_worker, FI_keeper, FI_checker and FI_ctl for one of them instead.
 *
 * FI_N=3 or 3+: counted mode; of all calls that a rule without @ names, the
 * third alone fails, or all from there.
 * FI_SEED: number for @p.  FI_AS: the role of a program that has none.
 * FI_FILE: where the counters are; a test writes other rules there while the
 * programs run (struct fi_role).  Counters are of a role, not of a process: one
 * that is replaced goes on from there.
 */
#ifndef TESTS_PRELOAD_FI_RULES_H
#define TESTS_PRELOAD_FI_RULES_H

#include <stdint.h>

enum fi_call {
#define CALL(id, name, eintr) FI_##id,
#include "fi_calls.def"
};
enum { FI__COUNT = 0
#define CALL(id, name, eintr) + 1
#include "fi_calls.def"
};

enum { FI_RULES = 48, FI_SPEC = 1024, FI_CALLS = 64, FI_ROLES = 5 };

/* In the file, one after the other: keeper, master, worker, checker, ctl. */
struct fi_role {
	uint32_t number;	/* changed after spec: read it anew */
	uint32_t bad;		/* a spec that was not understood */
	char spec[FI_SPEC];	/* as FI, "" for none */
	char counted[16];	/* as FI_N */
	uint64_t seed;
	uint64_t matched;	/* calls of counted mode */
	uint64_t injected;	/* failures in all */
	uint64_t rule[FI_RULES];	/* calls that each rule names */
	struct {
		char name[16];
		uint64_t calls, injected;
	} call[FI_CALLS];
};

/* The error with which this call fails, or 0.  Takes no memory, keeps errno. */
int fi_inject(enum fi_call call);
/* Seconds by which the wall clock is off. */
int64_t fi_clock(void);

#endif
