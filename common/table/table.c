/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * table.c: the .def files as arrays, and looking things up in them.  Pure.
 */
#include "common/table/table.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

const struct command commands[COMMAND__COUNT] = {
#define COMMAND(id_, function, ...) \
	[COMMAND_##id_] = { .id = COMMAND_##id_, __VA_ARGS__ },
#include "common/table/commands.def"
};

static const struct {
	const char *name, *help;
} reasons[REASON__COUNT] = {
#define REASON(id, name_, help_) [REASON_##id] = { #name_, help_ },
#include "common/table/reasons.def"
};

const struct command *
command_by_name(const char *name)
{
	for (size_t i = 0; i < COMMAND__COUNT; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

/* Number of letters to add, remove or change (Levenshtein), of short words. */
static unsigned
edit_distance(const char *a, const char *b)
{
	unsigned row[32], diagonal, above;
	size_t alen = strlen(a), blen = strlen(b);

	if (blen >= sizeof(row) / sizeof(row[0]) || alen > 64)
		return UINT32_MAX;
	for (size_t j = 0; j <= blen; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= alen; i++) {
		diagonal = row[0];
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= blen; j++) {
			above = row[j];
			row[j] = diagonal + (a[i - 1] != b[j - 1]);
			if (above + 1 < row[j])
				row[j] = above + 1;
			if (row[j - 1] + 1 < row[j])
				row[j] = row[j - 1] + 1;
			diagonal = above;
		}
	}
	return row[blen];
}

const struct command *
command_like(const char *name)
{
	const struct command *best = NULL;
	unsigned least = 3;		/* further away is another word */

	for (size_t i = 0; i < COMMAND__COUNT; i++) {
		unsigned distance = edit_distance(name, commands[i].name);

		if (distance < least && distance < strlen(commands[i].name)) {
			least = distance;
			best = &commands[i];
		}
	}
	return best;
}

const char *
argument_word(const struct argument *argument)
{
	switch (argument->kind) {
	case ARG_FLAG:		return "";
	case ARG_POOL:		return "POOL";
	case ARG_TARGET:
	case ARG_MAIL:		return "WORKER";
	case ARG_SIZE:		return "N|+N|-N|auto";
	case ARG_PERCENT:	return "N%";
	case ARG_SIGNAL:	return "SIGNAL";
	case ARG_LEVEL:		return "LEVEL";
	case ARG_SINCE:		return "SEQ|TIME";
	case ARG_EVENT:		return "EVENT";
	case ARG_COMMAND_ID:	return "ID";
	case ARG_REST:		return "COMMAND";
	case ARG_TEXT:
		if (strcmp(argument->name, "file") == 0)
			return "FILE";
		if (strcmp(argument->name, "binary") == 0)
			return "BINARY";
		if (strcmp(argument->name, "topic") == 0)
			return "TOPIC";
		return "MESSAGE";
	}
	return "";
}

char *
command_usage(const struct command *command, char *out, size_t size)
{
	size_t used = (size_t)snprintf(out, size, "%s", command->name);

	for (const struct argument *arg = command->arguments;
	    arg->name != NULL && used < size; arg++) {
		const char *word = argument_word(arg);
		bool loose = arg->optional || arg->kind == ARG_FLAG;

		used += (size_t)snprintf(out + used, size - used, " %s%s%s%s%s",
		    loose ? "[" : "", arg->option != NULL ? arg->option : "",
		    arg->option != NULL && *word != '\0' ? " " : "", word,
		    loose ? "]" : "");
	}
	return out;
}

const char *
access_name(enum access access)
{
	switch (access) {
	case ACCESS_NONE:	return "none";
	case ACCESS_READ:	return "read";
	case ACCESS_OPERATE:	return "operate";
	case ACCESS_ADMIN:	return "admin";
	}
	return "none";
}

const char *
reason_name(enum reason_id id)
{
	return reasons[id].name;
}

const char *
reason_help(enum reason_id id)
{
	return reasons[id].help;
}
