/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_commands.c: the rows of commands, and arguments checked against them. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/table/events.h"
#include "daemon/control/arguments.h"
#include "daemon/control/permission.h"

static void
rows_are_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < COMMAND__COUNT; i++) {
		const struct command *command = &commands[i];
		bool optional = false;

		assert_ptr_equal(command_by_name(command->name), command);
		assert_true(command->access > ACCESS_NONE);
		assert_non_null(command->help);
		assert_false(command->change && command->access < ACCESS_OPERATE);
		if (command->output == OUTPUT_TABLE)
			assert_non_null(command->columns);
		for (const struct argument *arg = command->arguments;
		    arg->name != NULL; arg++) {
			assert_true(arg->kind != 0);
			if (arg->kind == ARG_FLAG)
				assert_non_null(arg->option);
			if (arg->option != NULL)
				continue;
			/* By place: what may be left out comes last. */
			assert_false(optional && !arg->optional);
			optional = arg->optional;
		}
	}
}

static void
usages_are_as_the_manual_has_them(void **state)
{
	char text[160];

	(void)state;
	assert_string_equal(command_usage(&commands[COMMAND_SCALE], text,
	    sizeof(text)), "scale POOL N|+N|-N|auto");
	assert_string_equal(command_usage(&commands[COMMAND_EVENTS], text,
	    sizeof(text)), "events [-f] [--since SEQ|TIME] [--until EVENT]");
	assert_string_equal(command_usage(&commands[COMMAND_KILL], text,
	    sizeof(text)), "kill WORKER [SIGNAL]");
	/* Cut, and terminated, when there is no room. */
	assert_string_equal(command_usage(&commands[COMMAND_SCALE], text, 8),
	    "scale P");
}

static void
mistyped_commands_are_guessed(void **state)
{
	(void)state;
	assert_string_equal(command_like("statsu")->name, "status");
	assert_string_equal(command_like("relaod")->name, "reload");
	assert_null(command_like("frobnicate"));
	assert_null(command_like(""));
}

/* ---- arguments --------------------------------------------------------------- */

static const struct {
	const char *command, *args;
	const char *wrong;	/* in the words of the error; NULL: good */
} cases[] = {
	{ "status", "{}", NULL },
	{ "status", "{\"x\":1}", "no argument \"x\"" },
	{ "scale", "{\"pool\":\"web\",\"workers\":\"4\"}", NULL },
	{ "scale", "{\"pool\":\"web\",\"workers\":\"+2\"}", NULL },
	{ "scale", "{\"pool\":\"web\",\"workers\":\"auto\"}", NULL },
	{ "scale", "{\"pool\":\"web\"}", "workers: is missing" },
	{ "scale", "{\"pool\":\"web\",\"workers\":null}", "workers: is missing" },
	{ "scale", "{\"pool\":\"web\",\"workers\":\"4x\"}", "workers: not a number" },
	{ "scale", "{\"pool\":\"web\",\"workers\":\"--4\"}", "workers: not" },
	{ "scale", "{\"pool\":\"web\",\"workers\":\"70000\"}", "workers: not" },
	{ "scale", "{\"pool\":\"web\",\"workers\":[]}", "workers: a text" },
	{ "scale", "{\"pool\":\"we b\",\"workers\":\"1\"}", "pool: not a name" },
	{ "scale", "{\"pool\":\"\",\"workers\":\"1\"}", "pool: not a name" },
	{ "scale", "{\"pool\":\"web/0\",\"workers\":\"1\"}", "pool: not a name" },
	{ "restart", "{\"worker\":\"all\"}", NULL },
	{ "restart", "{\"worker\":\"web\"}", NULL },
	{ "restart", "{\"worker\":\"web/12\"}", NULL },
	{ "restart", "{\"worker\":\"web/\"}", "worker: not a worker" },
	{ "restart", "{\"worker\":\"/1\"}", "worker: not a worker" },
	{ "restart", "{\"worker\":\"web/1/2\"}", "worker: not a worker" },
	{ "restart", "{\"worker\":\"web/-1\"}", "worker: not a worker" },
	{ "kill", "{\"worker\":\"web/0\",\"signal\":\"sigterm\"}", NULL },
	{ "kill", "{\"worker\":\"web/0\",\"signal\":\"9\"}", NULL },
	{ "kill", "{\"worker\":\"web/0\",\"signal\":\"0\"}", "not a signal" },
	{ "kill", "{\"worker\":\"web/0\",\"signal\":\"NOPE\"}", "not a signal" },
	{ "reload", "{\"plan\":true,\"hold\":\"20%\"}", NULL },
	{ "reload", "{\"plan\":\"yes\"}", "plan: true or false" },
	{ "reload", "{\"hold\":\"101%\"}", "hold: not a percentage" },
	{ "log level", "{\"level\":\"debug\"}", NULL },
	{ "log level", "{\"level\":\"loud\"}", "level: not a level" },
	{ "events", "{\"until\":\"worker.ready\"}", NULL },
	{ "events", "{\"until\":\"worker.happy\"}", "until: not the name" },
	{ "events", "{\"since\":\"17\"}", NULL },
	{ "events", "{\"since\":\"10m\"}", NULL },
	{ "events", "{\"since\":\"2026-01-31T12:00:00\"}", NULL },
	{ "events", "{\"since\":\"2026-01-31 12:00\"}", NULL },
	{ "events", "{\"since\":\"yesterday\"}", "since: not" },
	{ "verdict", "{\"command_id\":\"abc\"}", NULL },
	{ "verdict", "{\"command_id\":\"\"}", "not a command id" },
	{ "verdict", "{\"command_id\":\"a b\"}", "not a command id" },
	{ "verdict", "{\"command_id\":\"123456789012345678901234567890123\"}",
	    "not a command id" },
};

static void
arguments_are_checked_against_the_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		json_t *args = json_loads(cases[i].args, 0, NULL);
		struct arguments out;
		struct errmsg err = { 0 };
		int rc;

		assert_non_null(args);
		rc = arguments_parse(command_by_name(cases[i].command), args,
		    1000000000, &out, &err);
		if ((rc == 0) != (cases[i].wrong == NULL) || (rc != 0 &&
		    strstr(err.text, cases[i].wrong) == NULL))
			fail_msg("%s %s: %d, %s", cases[i].command,
			    cases[i].args, rc, err.text);
		if (rc != 0)
			assert_int_equal(rc, ERR_BAD_ARGUMENT);
		json_decref(args);
	}
}

static void
values_are_what_was_typed(void **state)
{
	struct arguments out;
	json_t *args;

	(void)state;
	args = json_loads("{\"worker\":\"web/7\",\"signal\":\"SIGUSR1\"}", 0, NULL);
	assert_int_equal(arguments_parse(&commands[COMMAND_KILL], args, 0, &out,
	    NULL), 0);
	assert_int_equal(arguments_get(&out, "worker")->target.kind,
	    TARGET_WORKER);
	assert_string_equal(arguments_get(&out, "worker")->target.pool, "web");
	assert_int_equal(arguments_get(&out, "worker")->target.slot, 7);
	assert_int_equal(arguments_get(&out, "signal")->number, SIGUSR1);
	json_decref(args);

	args = json_loads("{\"since\":\"10m\",\"follow\":true}", 0, NULL);
	assert_int_equal(arguments_parse(&commands[COMMAND_EVENTS], args,
	    1000000, &out, NULL), 0);
	assert_int_equal(arguments_get(&out, "since")->time_ms, 400000);
	assert_true(arguments_get(&out, "follow")->flag);
	assert_false(arguments_get(&out, "until")->given);
	json_decref(args);

	args = json_loads("{\"since\":\"1970-01-02T00:00:00Z\"}", 0, NULL);
	assert_int_equal(arguments_parse(&commands[COMMAND_EVENTS], args, 0,
	    &out, NULL), 0);
	assert_int_equal(arguments_get(&out, "since")->time_ms, 86400000);
	json_decref(args);
}

/* ---- permission ------------------------------------------------------------------ */

static void
roles_come_from_uid_and_groups(void **state)
{
	const struct control_access closed = {
		.user = 100, .group = 200, .worker_uids = { 101, 100 },
		.worker_uid_count = 2,
	};
	const gid_t operators[] = { 5, 200 }, others[] = { 5, 6 };
	struct control_access open = closed;

	(void)state;
	open.read_all = true;
	assert_int_equal(permission_of(&closed, 0, 0, NULL, 0), ACCESS_ADMIN);
	/* The daemon's own account, although workers run as it. */
	assert_int_equal(permission_of(&closed, 100, 1, NULL, 0), ACCESS_ADMIN);
	assert_int_equal(permission_of(&closed, 7, 1, operators, 2),
	    ACCESS_OPERATE);
	assert_int_equal(permission_of(&closed, 7, 200, NULL, 0),
	    ACCESS_OPERATE);
	assert_int_equal(permission_of(&closed, 7, 1, others, 2), ACCESS_NONE);
	assert_int_equal(permission_of(&open, 7, 1, others, 2), ACCESS_READ);
	/* A worker, whatever its groups. */
	assert_int_equal(permission_of(&open, 101, 200, operators, 2),
	    ACCESS_NONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_whole),
		cmocka_unit_test(usages_are_as_the_manual_has_them),
		cmocka_unit_test(mistyped_commands_are_guessed),
		cmocka_unit_test(arguments_are_checked_against_the_row),
		cmocka_unit_test(values_are_what_was_typed),
		cmocka_unit_test(roles_come_from_uid_and_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
