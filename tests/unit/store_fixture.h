/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * store_fixture.h: a store in a directory of its own, and a second process
 * that holds a lock on its file.  For the tests of store and journal.
 */
#ifndef CLUSTERD_TESTS_STORE_FIXTURE_H
#define CLUSTERD_TESTS_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

#include "daemon/store/store.h"

struct fixture {
	char dir[64];
	char file[96];		/* its state.db */
	int wake;
	struct store *store;
	struct store_options options;
	unsigned changes;	/* calls of on_change */
};

/* cmocka's set-up and tear-down; the store is not started. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

void fixture_start(struct fixture *fixture);
void fixture_stop(struct fixture *fixture);
/* Stop without a word to the disk is not possible in one process; this is a
 * stop and a start. */
void fixture_restart(struct fixture *fixture);

/* Poll until that is so; the test fails after 20 s. */
void fixture_await_state(struct fixture *fixture, enum store_state state);

/* And it says that.  A slow machine may be behind for want of time before it is for
 * the reason that the test made. */
void fixture_await_reason(struct fixture *fixture, enum store_state state,
    const char *words);
void fixture_await_flag(struct fixture *fixture, const int *flag);
/* SQL with one number as its answer, through a connection of our own. */
int64_t fixture_number(const struct fixture *fixture, const char *sql);
void fixture_await_number(struct fixture *fixture, const char *sql,
    int64_t number);
/* Run SQL on any file. */
void fixture_exec(const char *file, const char *sql);

/* Another process with BEGIN IMMEDIATE on the file; kill it to let go. */
pid_t fixture_try_lock(const struct fixture *fixture);	/* 0: it cannot */
pid_t fixture_lock(const struct fixture *fixture);
void fixture_unlock(pid_t pid);
/* First thing in main(): this program is that process too. */
void fixture_main(int argc, char **argv);

void fixture_put_event(struct fixture *fixture, uint64_t seq);
void fixture_put_slot(struct fixture *fixture, unsigned slot,
    uint64_t restarts);
void fixture_put_death(struct fixture *fixture, uint64_t worker_id);

#endif
