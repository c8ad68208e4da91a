/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * table.h: the lists that daemon and clusterctl share, expanded from their .def
 * files.  Constant data and pure look-ups; all roles.
 */
#ifndef CLUSTERD_TABLE_TABLE_H
#define CLUSTERD_TABLE_TABLE_H

#include <stdbool.h>
#include <stddef.h>

/* ---- commands ------------------------------------------------------------ */

/* What the caller must be; each includes those before it. */
enum access { ACCESS_NONE, ACCESS_READ, ACCESS_OPERATE, ACCESS_ADMIN };

/* How clusterctl shows the answer. */
enum output {
	OUTPUT_TABLE,		/* rows under the columns of the command */
	OUTPUT_STREAM,		/* rows as they come, one a line */
	OUTPUT_TEXT,		/* member "text" of the result */
	OUTPUT_VERDICT,		/* progress, then the result in words */
	OUTPUT_SCREEN,		/* a view of its own in ctl/ */
};

enum argument_kind {
	ARG_FLAG = 1,		/* true or false; not given is false */
	ARG_POOL,		/* name of a pool */
	ARG_TARGET,		/* "web/0", "web" or "all" */
	ARG_MAIL,		/* these, or "id:4711", each with "@PLUGIN" */
	ARG_SIZE,		/* "4", "+1", "-1" or "auto" */
	ARG_PERCENT,		/* "20%" */
	ARG_SIGNAL,		/* "TERM", "SIGTERM" or "15" */
	ARG_LEVEL,		/* a level of log.h */
	ARG_SINCE,		/* sequence number, duration back, local time */
	ARG_EVENT,		/* name of an event */
	ARG_COMMAND_ID,
	ARG_TEXT,
	ARG_REST,		/* all words that are left, with one blank between */
};

/* A member of "args" in a request, and how it is typed in a shell. */
struct argument {
	const char *name;
	enum argument_kind kind;
	const char *option;	/* "--plan"; NULL: by its place */
	bool optional;		/* flags always are */
};

enum { COMMAND_ARGUMENTS = 4 };

enum command_id {
#define COMMAND(id, function, ...) COMMAND_##id,
#include "common/table/commands.def"
};
enum { COMMAND__COUNT = 0
#define COMMAND(id, function, ...) + 1
#include "common/table/commands.def"
};

struct command {
	enum command_id id;
	const char *name;		/* one or two words */
	struct argument arguments[COMMAND_ARGUMENTS + 1]; /* to .name NULL */
	enum access access;
	enum output output;
	const char *columns;		/* members shown, with blanks between */
	bool change;			/* has a command id, is recorded */
	bool checks;			/* runs the checker, changes nothing */
	bool absent;			/* reserved: not in this version */
	bool grant;			/* a plugin's `may' can name it */
	const char *help;		/* one line */
	const char *more;		/* further sentences, or NULL */
};

extern const struct command commands[COMMAND__COUNT];

/* By its name, "scale" or "config show"; NULL if there is none. */
const struct command *command_by_name(const char *name);

/* The command whose name is closest to a mistyped one, or NULL. */
const struct command *command_like(const char *name);

/* "scale POOL N|+N|-N|auto": name and arguments.  Returns out, terminated. */
char *command_usage(const struct command *command, char *out, size_t size);

/* The word for a value in usages: "POOL", "N%". */
const char *argument_word(const struct argument *argument);

const char *access_name(enum access access);

/* ---- reasons of `status' ---------------------------------------------------- */

enum reason_id {
#define REASON(id, name, help) REASON_##id,
#include "common/table/reasons.def"
};
enum { REASON__COUNT = 0
#define REASON(id, name, help) + 1
#include "common/table/reasons.def"
};

const char *reason_name(enum reason_id id);
const char *reason_help(enum reason_id id);

#endif
