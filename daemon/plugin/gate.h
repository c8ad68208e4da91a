/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * gate.h: routes that the master has shut, because requests to them end
 * workers.  It says until when; who asks later is refused all the same, and the
 * master is told that somebody asks.  It gives the leave for one request, the
 * probe, to one worker of the pool; what became of it opens the gate or not.
 * Pure; the caller passes the time.
 */
#ifndef DAEMON_PLUGIN_GATE_H
#define DAEMON_PLUGIN_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/proto/messages.h"

enum gate_state {
	GATE_SHUT,
	GATE_LEAVE,		/* the next request is the probe */
	GATE_PROBE,		/* it is under way */
};

struct gate {
	unsigned route;			/* its number; 0: free */
	uint8_t state;			/* enum gate_state */
	uint64_t until_ns;		/* nobody asks before then */
	uint64_t leave_ns;		/* LEAVE ends then */
};

struct gates {
	struct gate gate[GATES_MAX];
	size_t count;			/* in use: 0 is the usual */
	uint64_t asked_ns;
};

enum gate_answer {
	GATE_PASS,			/* not of a shut route */
	GATE_REFUSE,			/* 503 */
	GATE_REFUSE_AND_ASK,		/* the same, and PROBE_ASK to the master */
	GATE_PASS_AS_PROBE,
};

/* Told by the master.  Repeating what is known changes nothing: a probe that
 * is granted or under way stays what it is. */
void gates_shut(struct gates *gates, unsigned route, uint64_t until_ns);
void gates_open(struct gates *gates, unsigned route);
void gates_leave(struct gates *gates, unsigned route, uint64_t leave_ns);

/* A request comes.  Only where count is not 0. */
enum gate_answer gates_look(struct gates *gates, unsigned route,
    uint64_t now_ns);
/* The probe is over, and may be had again. */
void gates_end_probe(struct gates *gates, unsigned route);
/* The number of a route whose leave nobody used, which is taken back; 0: none
 * (more). */
unsigned gates_take_back(struct gates *gates, uint64_t now_ns);

#endif
