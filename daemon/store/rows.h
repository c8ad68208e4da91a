/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * rows.h: the rows of the state database as plain structs, and their JSON.
 * Times are milliseconds since 1970.  Text in arrays is terminated; foreign
 * text in it is already free of secrets.  -1 in a signed number is "unknown":
 * NULL in SQL, null in JSON.  Pure.
 */
#ifndef CLUSTERD_STORE_ROWS_H
#define CLUSTERD_STORE_ROWS_H

#include <stddef.h>
#include <stdint.h>

struct buf;

enum {
	STORE_NAME = 64,	/* pool and plugin names */
	STORE_WORKER = 96,	/* "web/0" */
	STORE_SLOTS_MAX = 2048,	/* present ones and those that were */
	STORE_POOLS_MAX = 128,
};

/* events: json is the whole event as one JSON object. */
struct store_event {
	uint64_t seq;
	int64_t time;
	const char *event;	/* name of its row in events.def */
	const char *worker;	/* "web/0" or NULL */
	int64_t pid;		/* 0: none */
	const char *json;	/* terminated */
};

/* workers: one row a slot. */
struct store_slot {
	char pool[STORE_NAME];
	unsigned slot;
	uint64_t id;		/* of the current worker, 0: none yet */
	int64_t pid;		/* 0: no process */
	uint64_t generation;
	char state[16];		/* as in `status': "ready", "failed" … */
	int wanted;
	int drained;
	int64_t started, ready;	/* of this worker; 0: not */
	uint64_t restarts;	/* deaths */
	uint64_t replacements;	/* asked exits */
	unsigned n;		/* early deaths in a row */
	int64_t next_try;	/* 0: none */
	char fatal[16];		/* class when held, or "" */
	uint64_t requests, connections;	/* of ended workers, summed */
	uint64_t cpu_ms;
};

/* pools */
struct store_pool {
	char pool[STORE_NAME];
	unsigned desired;
	int scaled;		/* desired comes from `scale', not from the file */
	unsigned file_workers;	/* what the file said then: least */
	unsigned file_workers_max;	/* and most; 0: as many */
	uint64_t bucket_milli;	/* level of the token bucket, thousandths */
	int64_t bucket_time;	/* when that was */
	uint64_t restarts;	/* of retired slots, all below too */
	uint64_t replacements;
	uint64_t requests, connections;
	int drained;
	char drained_by[64];	/* "": nobody */
};

/* deaths: one row an exit that nobody asked for (and of asked ones that ended
 * by a signal or by force). */
struct store_death {
	uint64_t id;		/* of the row; 0 when put */
	int64_t time;
	int64_t mono_ms;
	char pool[STORE_NAME];
	unsigned slot;
	uint64_t worker_id;
	int64_t pid;
	uint64_t generation;
	char image[48];
	char state[16];
	int64_t uptime_ms;
	char cause[16];		/* exit signal oom hang start_timeout … */
	int asked;		/* its exit was ordered; -1: not recorded */
	char reason[96];	/* why it was; "": not known, or not ordered */
	int code, signal;	/* -1: not that; exactly one is set */
	int core;
	char plugin[STORE_NAME];
	char route[128];
	char method[16];
	char path[129];
	int64_t request_ms;	/* -1: it was serving nothing */
	int64_t beat_age_ms;
	char evidence[1024];
	int64_t connections_lost, connections_recovered;
	int64_t requests, cpu_ms, rss_kb;
	char output_tail[2049];	/* 512 bytes, escaped */
	unsigned n;
	int64_t next_ms;	/* until the next start; -1: none */
	char text[600];		/* the sentence of `why' */
};

/* generations: every configuration that was offered.  Borrowed text. */
struct store_generation {
	uint64_t number;
	int64_t time;
	uint64_t previous;
	const char *state;	/* "committed", "rejected", "rolled_back", "held" */
	const char *sha256;	/* of the canonical text, hexadecimal, or NULL */
	const char *image;	/* build stamp */
	const char *who;	/* who asked: "start", "uid 0" … */
	const char *text;	/* canonical, secrets masked, or NULL */
	const char *plugins;	/* JSON array of {name, sha256}, or NULL */
	const char *verdict;	/* words: errors, times */
};

/* commands: who asked for what, and how it ended.  Borrowed text. */
struct store_command {
	const char *command_id;
	int64_t time, ended;	/* ended 0: it still runs */
	const char *command;
	const char *args;	/* JSON object, or NULL */
	int64_t uid, gid, pid;	/* -1: unknown; a signal has none */
	const char *exe;	/* or NULL */
	const char *state;	/* "running", "done", "failed", "denied" */
	const char *code;	/* word of the error, or NULL */
	const char *text;	/* words of the error, or NULL */
	const char *result;	/* JSON, or NULL */
};

/* "SIGSEGV" for a number, "SIGRTMIN+3", or NULL for none (< 1). */
const char *rows_signal_name(int signal, char out[16]);

/* Append one JSON object. */
void rows_add_death(struct buf *buf, const struct store_death *death);
void rows_add_generation(struct buf *buf,
    const struct store_generation *generation);
void rows_add_command(struct buf *buf, const struct store_command *command);

#endif
