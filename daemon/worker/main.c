/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * main.c: entry of clusterd-worker, which is two roles: the worker, and with
 * --check the checker.  Started by the keeper.
 */
#include <stdio.h>
#include <string.h>

#include "common/base/failpoint.h"
#include "common/base/stamp.h"
#include "daemon/checker/checker.h"

int
main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";

	if (strcmp(word, "--check") == 0)
		return checker_main(argc, argv);
	if (strcmp(word, "--version") == 0) {
		printf("clusterd-worker %s\n", build_stamp);
		return 0;
	}
	if (strcmp(word, "--list-failpoints") == 0) {
		failpoint_list();
		return 0;
	}
	fprintf(stderr, "clusterd-worker is started by clusterd\n");
	return 2;
}
