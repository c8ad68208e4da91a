/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * arguments.h: "args" of a request, checked against the row of its command.
 * Pure, but for the time zone.
 */
#ifndef CLUSTERD_CONTROL_ARGUMENTS_H
#define CLUSTERD_CONTROL_ARGUMENTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/errmsg.h"
#include "common/table/table.h"
#include "daemon/control/host.h"

/* One argument; which members are set depends on its kind. */
struct value {
	bool given;
	bool flag;		/* ARG_FLAG */
	const char *text;	/* all others: as given, borrowed from the JSON */
	struct target target;	/* ARG_TARGET, ARG_POOL */
	struct mail_target mail;	/* ARG_MAIL */
	enum scale_how how;	/* ARG_SIZE */
	unsigned number;	/* ARG_SIZE, ARG_PERCENT, ARG_SIGNAL, ARG_LEVEL */
	uint64_t seq;		/* ARG_SINCE: 0, or the sequence number */
	int64_t time_ms;	/* ARG_SINCE: 0, or the time */
	int event;		/* ARG_EVENT: its id */
};

struct arguments {
	const struct command *command;
	struct value values[COMMAND_ARGUMENTS];
};

/*
 * Check args (an object, or NULL for none) against the command.  Strict: what
 * the row does not name is refused.  now_ms is wall time.  0, or
 * ERR_BAD_ARGUMENT with words that name the argument.
 */
int arguments_parse(const struct command *command, const json_t *args,
    int64_t now_ms, struct arguments *out, struct errmsg *err);

/* The value of an argument that the command's row has. */
const struct value *arguments_get(const struct arguments *arguments,
    const char *name);

/* 1 to COMMAND_ID_MAX characters without blanks.  0 or ERR_BAD_ARGUMENT. */
int arguments_check_id(const char *text, struct errmsg *err);

/* "web/0", "web" or "all".  0 or ERR_BAD_ARGUMENT. */
int arguments_parse_target(const char *text, struct target *target,
    struct errmsg *err);
/* The same back.  Returns out, terminated. */
char *arguments_format_target(const struct target *target, char *out,
    size_t size);

#endif
