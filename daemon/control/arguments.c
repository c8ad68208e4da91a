/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* arguments.c: "args" of a request, checked; see arguments.h. */
#include "daemon/control/arguments.h"

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/table/events.h"
#include "daemon/store/rows.h"

enum { SIZE_MAX_WORKERS = 65535 };

static bool
is_name(const char *text, size_t len)
{
	if (len == 0 || len > POOL_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)text[i]) &&
		    strchr("_.-", text[i]) == NULL)
			return false;
	}
	return true;
}

int
arguments_parse_target(const char *text, struct target *target,
    struct errmsg *err)
{
	size_t len = strcspn(text, "/");
	struct target parsed = { .kind = TARGET_POOL };
	uint64_t slot;

	if (strcmp(text, "all") == 0) {
		*target = (struct target){ .kind = TARGET_ALL };
		return 0;
	}
	if (!is_name(text, len))
		goto bad;
	memcpy(parsed.pool, text, len);
	if (text[len] == '/') {
		const char *digits = text + len + 1;

		if (parse_number(digits, strlen(digits), &slot) != 0 ||
		    slot > SIZE_MAX_WORKERS)
			goto bad;
		parsed.kind = TARGET_WORKER;
		parsed.slot = (unsigned)slot;
	}
	*target = parsed;
	return 0;
bad:
	return errmsg_set(err, ERR_BAD_ARGUMENT,
	    "not a worker (POOL/SLOT), a pool or `all': \"%.64s\"", text);
}

char *
arguments_format_target(const struct target *target, char *out, size_t size)
{
	switch (target->kind) {
	case TARGET_NONE:
		*out = '\0';
		break;
	case TARGET_WORKER:
		snprintf(out, size, "%s/%u", target->pool, target->slot);
		break;
	case TARGET_POOL:
		snprintf(out, size, "%s", target->pool);
		break;
	case TARGET_ALL:
		snprintf(out, size, "all");
		break;
	}
	return out;
}

static int
parse_pool(const char *text, struct value *value, struct errmsg *err)
{
	if (!is_name(text, strlen(text)))
		return errmsg_set(err, ERR_BAD_ARGUMENT,
		    "not a name of a pool: \"%.64s\"", text);
	value->target.kind = TARGET_POOL;
	snprintf(value->target.pool, sizeof(value->target.pool), "%s", text);
	return 0;
}

static int
parse_size_of_pool(const char *text, struct value *value, struct errmsg *err)
{
	const char *digits = text + (*text == '+' || *text == '-');
	uint64_t number = 0;

	if (strcmp(text, "auto") == 0)
		value->how = SCALE_AUTO;
	else if (parse_number(digits, strlen(digits), &number) != 0 ||
	    number > SIZE_MAX_WORKERS)
		return errmsg_set(err, ERR_BAD_ARGUMENT,
		    "not a number of workers (4, +1, -1 or auto): \"%.64s\"",
		    text);
	else
		value->how = *text == '+' ? SCALE_UP :
		    *text == '-' ? SCALE_DOWN : SCALE_TO;
	value->number = (unsigned)number;
	return 0;
}

static int
parse_signal(const char *text, struct value *value, struct errmsg *err)
{
	const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
	char space[16];
	uint64_t number;

	if (parse_number(text, strlen(text), &number) == 0) {
		if (number >= 1 && number < (uint64_t)NSIG) {
			value->number = (unsigned)number;
			return 0;
		}
		name = "";
	}
	for (int i = 1; i < NSIG; i++) {
		const char *known = rows_signal_name(i, space);

		if (known != NULL && strcasecmp(name, known + 3) == 0) {
			value->number = (unsigned)i;
			return 0;
		}
	}
	return errmsg_set(err, ERR_BAD_ARGUMENT, "not a signal: \"%.64s\"",
	    text);
}

static int
parse_since(const char *text, int64_t now_ms, struct value *value,
    struct errmsg *err)
{
	static const char *const forms[] = { "%Y-%m-%dT%H:%M:%S",
	    "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M",
	    "%Y-%m-%d" };
	size_t len = strlen(text);
	uint64_t back_ms;

	if (parse_number(text, len, &value->seq) == 0)
		return 0;
	if (parse_duration(text, len, &back_ms) == 0) {
		value->time_ms = back_ms < (uint64_t)now_ms ?
		    now_ms - (int64_t)back_ms : 1;
		return 0;
	}
	for (size_t i = 0; i < COUNT(forms); i++) {
		struct tm tm = { .tm_isdst = -1 };
		const char *end = strptime(text, forms[i], &tm);
		bool utc = end != NULL && strcmp(end, "Z") == 0;

		if (end == NULL || (*end != '\0' && !utc))
			continue;
		value->time_ms = (utc ? timegm(&tm) : mktime(&tm)) *
		    (int64_t)1000;
		if (value->time_ms > 0)
			return 0;
	}
	return errmsg_set(err, ERR_BAD_ARGUMENT, "not a sequence number, a "
	    "duration (10m) or a time (2026-01-31T12:00:00): \"%.64s\"", text);
}

int
arguments_check_id(const char *text, struct errmsg *err)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++) {
		if (!isgraph((unsigned char)text[i]))
			len = 0;
	}
	if (len == 0 || len > COMMAND_ID_MAX)
		return errmsg_set(err, ERR_BAD_ARGUMENT,
		    "not a command id (1 to %d characters without blanks)",
		    COMMAND_ID_MAX);
	return 0;
}

static int
parse_text(const struct argument *argument, int64_t now_ms,
    struct value *value, struct errmsg *err)
{
	const char *text = value->text;
	int found;

	switch (argument->kind) {
	case ARG_POOL:
		return parse_pool(text, value, err);
	case ARG_TARGET:
		return arguments_parse_target(text, &value->target, err);
	case ARG_MAIL:
		if (mail_target_parse(text, &value->mail) != 0 ||
		    value->mail.kind == MAIL_TO_MASTER)
			return errmsg_set(err, ERR_BAD_ARGUMENT, "not a worker "
			    "(web/0), an id (id:4711), a pool or `all': "
			    "\"%.64s\"", text);
		return 0;
	case ARG_SIZE:
		return parse_size_of_pool(text, value, err);
	case ARG_PERCENT:
		if (parse_percent(text, strlen(text), &value->number) != 0)
			return errmsg_set(err, ERR_BAD_ARGUMENT,
			    "not a percentage: \"%.64s\"", text);
		return 0;
	case ARG_SIGNAL:
		return parse_signal(text, value, err);
	case ARG_LEVEL:
		if ((found = log_level_by_name(text)) < 0)
			return errmsg_set(err, ERR_BAD_ARGUMENT, "not a level "
			    "(error, warning, notice, info or debug): "
			    "\"%.64s\"", text);
		value->number = (unsigned)found;
		return 0;
	case ARG_SINCE:
		return parse_since(text, now_ms, value, err);
	case ARG_EVENT:
		if ((value->event = event_by_name(text)) < 0)
			return errmsg_set(err, ERR_BAD_ARGUMENT,
			    "not the name of an event: \"%.64s\"", text);
		return 0;
	case ARG_COMMAND_ID:
		return arguments_check_id(text, err);
	case ARG_TEXT:
	case ARG_REST:
	case ARG_FLAG:
		return 0;
	}
	return 0;
}

static int
arguments_parse_one(const struct argument *argument, const json_t *json,
    int64_t now_ms, struct value *value, struct errmsg *err)
{
	if (argument->kind == ARG_FLAG) {
		if (!json_is_boolean(json))
			return errmsg_set(err, ERR_BAD_ARGUMENT,
			    "%s: true or false, please", argument->name);
		value->flag = json_is_true(json);
		return 0;
	}
	if (!json_is_string(json))
		return errmsg_set(err, ERR_BAD_ARGUMENT, "%s: a text, please",
		    argument->name);
	value->text = json_string_value(json);
	if (parse_text(argument, now_ms, value, err) != 0)
		return errmsg_prefix(err, "%s: ", argument->name);
	return 0;
}

static int
arguments_refuse_strangers(const struct command *command, const json_t *args,
    struct errmsg *err)
{
	const char *name;
	json_t *json;

	json_object_foreach((json_t *)args, name, json) {
		const struct argument *argument = command->arguments;

		while (argument->name != NULL &&
		    strcmp(argument->name, name) != 0)
			argument++;
		if (argument->name == NULL)
			return errmsg_set(err, ERR_BAD_ARGUMENT,
			    "`%s' has no argument \"%.64s\"", command->name,
			    name);
	}
	return 0;
}

int
arguments_parse(const struct command *command, const json_t *args,
    int64_t now_ms, struct arguments *out, struct errmsg *err)
{
	const struct argument *argument = command->arguments;
	int rc;

	memset(out, 0, sizeof(*out));
	out->command = command;
	if ((rc = arguments_refuse_strangers(command, args, err)) != 0)
		return rc;
	for (size_t i = 0; argument[i].name != NULL; i++) {
		const json_t *json = json_object_get(args, argument[i].name);

		if (json == NULL || json_is_null(json)) {
			if (argument[i].optional ||
			    argument[i].kind == ARG_FLAG)
				continue;
			return errmsg_set(err, ERR_BAD_ARGUMENT,
			    "%s: is missing", argument[i].name);
		}
		out->values[i].given = true;
		rc = arguments_parse_one(&argument[i], json, now_ms,
		    &out->values[i], err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

const struct value *
arguments_get(const struct arguments *arguments, const char *name)
{
	const struct argument *argument = arguments->command->arguments;

	for (size_t i = 0; argument[i].name != NULL; i++) {
		if (strcmp(argument[i].name, name) == 0)
			return &arguments->values[i];
	}
	CHECK(!"an argument that the command does not have");
	return NULL;
}
