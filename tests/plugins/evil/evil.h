/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * evil.h: plugin evil, for tests only.  A behaviour is a row of behaviours.def
 * and a function do_<name>() in the file of its subject; arg is the query.
 * Answers go through say(), so that each failure of a client has an owner.
 */
#ifndef TESTS_PLUGINS_EVIL_H
#define TESTS_PLUGINS_EVIL_H

#include <clusterd/plugin.h>

struct evil {
	const char *mode;		/* as EVIL, for one instance */
	uint64_t ms;			/* default of /sleep */
};

#define BEHAVIOUR(name)	enum cluster_verdict do_##name(			\
	struct cluster_request *req, struct evil *evil, const char *arg);
#include "behaviours.def"

/* What no compiler may foresee. */
extern volatile int for_ever;
extern volatile int *volatile nowhere;

/* The headers of every answer: X-Worker, X-Worker-Id, X-Request-Id, and
 * X-Served: the how manieth of its worker it is. */
void sign(struct cluster_request *req);
enum cluster_verdict say(struct cluster_request *req, const char *text);
enum cluster_verdict say_result(struct cluster_request *req, int rc);

/* Told to go, in an instance of mode `bye': streams end by themselves. */
extern int told_to_go;

/* Until somebody opens that fifo to write and closes it; holds the loop. */
void wait_for(const char *fifo);

void evil_on_room(struct cluster_request *req, void *self);

#endif
