/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * test_keeper.c: the pure parts of the keeper: command line, header of the
 * checker, a line of /proc/net/tcp.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/check.h"
#include "daemon/keeper/first.h"
#include "daemon/keeper/options.h"
#include "daemon/keeper/owner.h"

static const struct {
	const char *argv[6];
	int rc;
	enum run_mode mode;
	int detach;
} lines[] = {
	{ { "clusterd" }, 0, RUN_SERVE, 0 },
	{ { "clusterd", "-c", "/etc/x" }, 0, RUN_SERVE, 0 },
	{ { "clusterd", "-d" }, 0, RUN_SERVE, 1 },
	{ { "clusterd", "-t" }, 0, RUN_CHECK, 0 },
	{ { "clusterd", "-T" }, 0, RUN_PRINT_CONFIG, 0 },
	{ { "clusterd", "-V" }, 0, RUN_VERSION, 0 },
	{ { "clusterd", "--version" }, 0, RUN_VERSION, 0 },
	{ { "clusterd", "--help" }, 0, RUN_HELP, 0 },
	{ { "clusterd", "--list-failpoints" }, 0, RUN_FAILPOINTS, 0 },
	{ { "clusterd", "-c" }, ERR_BAD_ARGUMENT, 0, 0 },
	{ { "clusterd", "-z" }, ERR_BAD_ARGUMENT, 0, 0 },
	{ { "clusterd", "start" }, ERR_BAD_ARGUMENT, 0, 0 },
	{ { "clusterd", "-c", "" }, ERR_BAD_ARGUMENT, 0, 0 },
};

static void
test_options(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		struct options options;
		struct errmsg err = { 0 };
		char *argv[6] = { NULL };
		int argc = 0, rc;

		while (lines[i].argv[argc] != NULL) {
			argv[argc] = (char *)(uintptr_t)lines[i].argv[argc];
			argc++;
		}
		rc = options_parse(argc, argv, &options, &err);
		assert_int_equal(rc, lines[i].rc);
		assert_int_equal(rc != 0, err.text[0] != '\0');
		if (rc != 0)
			continue;
		assert_int_equal(options.mode, lines[i].mode);
		assert_int_equal(options.detach, lines[i].detach);
		assert_int_equal(options.file[0], '/');
	}
}

static void
fill(struct checker_header *header)
{
	memset(header, 0, sizeof(*header));
	header->magic = CHECKER_MAGIC;
	header->version = CHECKER_VERSION;
	header->size = sizeof(*header);
	header->count = 3;
	header->worker_user = 1;
	snprintf(header->run_dir, sizeof(header->run_dir), "/run");
	snprintf(header->state_dir, sizeof(header->state_dir), "/state");
	for (uint32_t i = 0; i < header->count; i++)
		header->accounts[i] = (struct checker_account){
		    .uid = 10 + i, .gid = 20 + i, .ngroups = 1,
		    .groups = { 20 + i } };
}

static int
verdict(const struct checker_header *header, int privileged)
{
	return first_check_header(header, privileged, NULL);
}

static void
test_header(void **state)
{
	struct checker_header header;

	(void)state;
	fill(&header);
	assert_int_equal(verdict(&header, 0), 0);
	assert_int_equal(verdict(&header, 1), 0);
#define BROKEN(change, privileged) do {					\
	fill(&header);							\
	change;								\
	assert_int_not_equal(verdict(&header, privileged), 0);		\
} while (0)
	BROKEN(header.magic++, 0);
	BROKEN(header.version++, 0);
	BROKEN(header.size--, 0);
	BROKEN(header.count = 0, 0);
	BROKEN(header.count = CHECKER_ACCOUNTS + 1, 0);
	BROKEN(header.user = 3, 0);
	BROKEN(header.worker_user = 3, 0);
	BROKEN(header.run_dir[0] = 'r', 0);
	BROKEN(memset(header.state_dir, '/', CHECKER_PATH), 0);
	BROKEN(header.accounts[2].ngroups = CHECKER_GROUPS + 1, 0);
	BROKEN(memset(header.accounts[2].name, 'x', 32), 0);
	BROKEN(header.accounts[0].uid = 0, 1);
	BROKEN(header.accounts[1].gid = 0, 1);
	BROKEN(header.accounts[2].groups[0] = 0, 1);
	BROKEN(header.accounts[2].uid = header.accounts[0].uid, 1);
	BROKEN(header.worker_user = 0, 1);
#undef BROKEN
	/* not root: all are the caller's, and nothing is changed to them */
	fill(&header);
	header.user = header.worker_user = 0;
	header.accounts[0].uid = 0;
	assert_int_equal(verdict(&header, 0), 0);
}

static void
test_line_of_net_tcp(void **state)
{
	static const char listening[] = "   1: 0100007F:1F90 00000000:0000 0A "
	    "00000000:00000000 00:00000000 00000000  1000        0 4242 1 x";
	static const char connected[] = "   2: 0100007F:1F90 0100007F:9999 01 "
	    "00000000:00000000 00:00000000 00000000  1000        0 4243 1 x";
	static const char six[] = "   0: 00000000000000000000000000000000:1F90 "
	    "00000000000000000000000000000000:0000 0A 00000000:00000000 "
	    "00:00000000 00000000     0        0 77 1 x";
	unsigned long inode = 0;
	unsigned uid = 9;

	(void)state;
	assert_true(owner_parse_line(listening, 8080, &uid, &inode));
	assert_int_equal(uid, 1000);
	assert_int_equal(inode, 4242);
	assert_true(owner_parse_line(six, 8080, &uid, &inode));
	assert_int_equal(inode, 77);
	assert_false(owner_parse_line(listening, 8081, &uid, &inode));
	assert_false(owner_parse_line(connected, 8080, &uid, &inode));
	assert_false(owner_parse_line("  sl  local_address rem", 8080, &uid,
	    &inode));
	assert_false(owner_parse_line("", 0, &uid, &inode));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_line_of_net_tcp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
