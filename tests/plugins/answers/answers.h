/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* answers.h: what the files of the plugin share. */
#ifndef TESTS_PLUGINS_ANSWERS_H
#define TESTS_PLUGINS_ANSWERS_H

#include <stdint.h>

#include <clusterd/plugin.h>

enum { PATTERN = 1 << 20, PERIOD = 251 };

/* Any number of bytes, up to PATTERN, from any place of the pattern on. */
extern char pattern[PATTERN + PERIOD];

/* How often what was given came back, drained, and who is gone. */
struct counts {
	unsigned given, released, drained, undrained, gone[4], answered;
};
extern struct counts counts;

/* The number behind "name="; 0 if it is not there. */
uint64_t number(struct cluster_request *req, const char *name);
/* Whether name=value is in the query. */
int is(struct cluster_request *req, const char *what);

enum cluster_verdict say(struct cluster_request *req, long value);

/* Numbers to be told by /said. */
void note(long value);

/* A copy of so many bytes from there on, to be given. */
void *give(uint64_t from, size_t len);
cluster_release_fn release;

void on_room(struct cluster_request *req, void *self);
void on_message(const struct cluster_message *message, void *self);

#define PATH(name) enum cluster_verdict do_##name(struct cluster_request *req);
#include "paths.def"

#endif
