/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* worker_table.c: the typed table of a worker's life; see worker_table.h. */
#include "tests/unit/worker_table.h"

#include <stdio.h>
#include <string.h>

#include "common/base/check.h"

/*
 * Columns: DOWN STARTING READY DRAINING STOPPING KILLING WAITING HELD.
 * "." ignored · "!" cannot happen · "V" as VIOLATION · "=" the same state, else
 * the next one; then the actions.
 */
static const struct {
	enum worker_event event;
	const char *cells[WS__COUNT];
} page[] = {
{ WE_START, { "STARTING spawn", "!", "!", "!", "!", "!", "STARTING spawn", "!" } },
{ WE_WAIT, { "WAITING", "!", "!", "!", "!", "!", "=", "!" } },
{ WE_HOLD, { "HELD", "!", "!", "!", "!", "!", "!", "!" } },
{ WE_DRAIN, { ".", "STOPPING say_stop", "DRAINING off say_drain", "= say_drain",
    ".", ".", "DOWN", "DOWN" } },
{ WE_STOP, { ".", "STOPPING say_stop", "STOPPING off say_stop",
    "STOPPING say_stop", ".", ".", "DOWN", "DOWN" } },
{ WE_KILL, { ".", "KILLING kill", "KILLING off kill", "KILLING kill",
    "KILLING kill", "= kill", ".", "." } },
{ WE_RETRY, { ".", ".", ".", ".", ".", ".", "= queue", "WAITING queue" } },
{ WE_SPAWNED, { "! stray", "= note", "!", "!", "= note say_stop",
    "= note kill", "! stray", "! stray" } },
{ WE_SPAWN_FAILED, { "!", "DOWN ask", "!", "!", "DOWN ask", "DOWN ask", "!",
    "!" } },
{ WE_EXITED, { "!", "DOWN record ask", "DOWN off record ask",
    "DOWN record ask", "DOWN record ask", "DOWN record ask", "!", "!" } },
{ WE_PROGRESS, { "!", "= publish", "V", "V", ".", ".", "!", "!" } },
{ WE_READY, { "!", "READY on", "V", "V", ".", ".", "!", "!" } },
{ WE_FATAL, { "!", "STOPPING fatal", "V", "V", "= fatal", ".", "!", "!" } },
{ WE_LEAVING, { "!", "STOPPING leaving", "DRAINING off leaving", ".", ".", ".",
    "!", "!" } },
{ WE_DRAINED, { "!", "V", "V", "STOPPING", ".", ".", "!", "!" } },
{ WE_REQUEST, { "!", "= pass", "= pass", "= pass", "= pass", ".", "!", "!" } },
{ WE_VIOLATION, { "!", "KILLING kill", "KILLING off kill", "KILLING kill",
    "KILLING kill", ".", "!", "!" } },
{ WE_DEADLINE, { "!", "KILLING kill", "= stable", "KILLING kill",
    "KILLING kill", "= kill", "= queue", "WAITING queue" } },
{ WE_UNKILLABLE, { "!", "!", "!", "!", "!", "DOWN detach ask", "!", "!" } },
};

static const struct { const char *word; uint32_t bit; } actions[] = {
	{ "spawn", ACT_SPAWN }, { "say_stop", ACT_SAY_STOP },
	{ "say_drain", ACT_SAY_DRAIN }, { "off", ACT_OFF }, { "on", ACT_ON },
	{ "kill", ACT_KILL }, { "record", ACT_RECORD }, { "ask", ACT_ASK },
	{ "queue", ACT_QUEUE }, { "note", ACT_NOTE },
	{ "stray", ACT_KILL_STRAY }, { "publish", ACT_PUBLISH },
	{ "stable", ACT_STABLE }, { "detach", ACT_DETACH },
	{ "pass", ACT_PASS }, { "fatal", ACT_NOTE_FATAL },
	{ "leaving", ACT_NOTE_LEAVING },
};

static const char *const state_words[WS__COUNT] = {
	"DOWN", "STARTING", "READY", "DRAINING", "STOPPING", "KILLING",
	"WAITING", "HELD",
};

static struct worker_edge
read_cell(const char *cell, unsigned state)
{
	struct worker_edge edge = { EDGE_GO, (uint8_t)state, 0 };
	char text[64], *word, *rest = NULL;

	snprintf(text, sizeof(text), "%s", cell);
	word = strtok_r(text, " ", &rest);
	if (strcmp(word, ".") == 0)
		edge.kind = EDGE_IGNORE;
	else if (strcmp(word, "!") == 0)
		edge.kind = EDGE_NEVER;
	else if (strcmp(word, "V") == 0)
		edge.kind = EDGE_VIOLATION;
	else if (strcmp(word, "=") != 0)
		for (unsigned i = 0; i < WS__COUNT; i++)
			if (strcmp(word, state_words[i]) == 0)
				edge.state = (uint8_t)i;
	while ((word = strtok_r(NULL, " ", &rest)) != NULL)
		for (size_t i = 0; i < COUNT(actions); i++)
			if (strcmp(word, actions[i].word) == 0)
				edge.actions |= actions[i].bit;
	return edge;
}

const char *
worker_table_text(unsigned state, unsigned event)
{
	for (size_t i = 0; i < COUNT(page); i++)
		if (page[i].event == event)
			return page[i].cells[state];
	return NULL;
}

struct worker_edge
worker_table_cell(unsigned state, unsigned event)
{
	const char *text = worker_table_text(state, event);

	return text != NULL ? read_cell(text, state) :
	    (struct worker_edge){ EDGE_MISSING, 0, 0 };
}
