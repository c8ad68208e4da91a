/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * checker.c: one check from the file to the verdict, in this order: files,
 * keys, accounts, rules between keys, copies of modules, [the keeper's "go
 * on"], constructors and options of plugins, result.  Called by the worker's
 * main().  The process may be killed by what it loads at any step from there on, which
 * is what it is for.
 */
#include "daemon/checker/checker.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/check.h"
#include "common/base/errmsg.h"
#include "common/base/failpoint.h"
#include "common/base/fd.h"
#include "daemon/checker/accounts.h"
#include "daemon/checker/canonical.h"
#include "daemon/checker/checks.h"
#include "daemon/checker/cpus.h"
#include "daemon/checker/deliver.h"
#include "daemon/checker/guard.h"
#include "daemon/checker/modules.h"
#include "daemon/checker/must.h"
#include "daemon/checker/pages.h"
#include "daemon/proto/keeper.h"

enum { EXIT_CONFIG = 78, EXIT_USAGE = 2, WALL_S = 10, CPU_S = 5,
	MEMORY_MB = 512 };

enum mode { MODE_PRINT, MODE_PRINT_CONFIG, MODE_FIRST, MODE_RELOAD };

struct check {
	enum mode mode;
	int verdict, keeper;		/* sockets, or -1 */
	char file[PATH_MAX];
	struct report report;
	struct source source;
	struct schema schema;
	struct path_policy policy;
	struct modules modules;
};

/* ---- files ------------------------------------------------------------------------- */

static int
open_source(const char *path, struct place from, void *arg)
{
	struct check *check = arg;
	const char *section = from.line > 0 ? "daemon" : NULL;
	const char *key = from.line > 0 ? "include" : NULL;
	struct errmsg breach, err;
	int fd = path_open(path, &check->policy.owners, &breach, &err);

	report_breach(&check->report, &check->policy, from, section, key,
	    &breach);
	if (fd < 0)
		report_error(&check->report, from, section, key, "%s",
		    err.text);
	return fd;
}

/* ---- findings ---------------------------------------------------------------------- */

static void
on_finding(const struct finding *finding, void *arg)
{
	const struct check *check = arg;
	char line[24] = "";

	deliver_finding(check->verdict, finding);
	if (check->mode == MODE_RELOAD)
		return;
	if (finding->place.line > 0)
		snprintf(line, sizeof(line), "%u:", finding->place.line);
	fprintf(stderr, "%s:%s %s%s\n", finding->place.file, line,
	    finding->warning ? "warning: " : "", finding->text);
}

/* Findings so far are out before foreign code runs. */
static void
flush_findings(struct check *check)
{
	report_flush(&check->report, on_finding, check);
	fflush(stderr);
}

static void
before_opening(const struct conf_plugin *plugin, void *arg)
{
	struct check *check = arg;
	struct place place = schema_plugin_place(&check->schema, plugin->index,
	    KEY_PLUGIN_MODULE);

	flush_findings(check);
	deliver_opening(check->verdict, plugin, place);
	guard_set(place, plugin->name, plugin->module);
	(void)FP("checker.before_open");
}

/* ---- steps ------------------------------------------------------------------------- */

static void
limit_self(void)
{
	struct rlimit cpu = { CPU_S, CPU_S + 1 };

	setrlimit(RLIMIT_CPU, &cpu);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	struct rlimit memory = { (rlim_t)MEMORY_MB << 20,
	    (rlim_t)MEMORY_MB << 20 };

	setrlimit(RLIMIT_AS, &memory);
#endif
}

static struct machine
look_at_machine(void)
{
	struct machine machine = { .cpus = cpus_usable(), .nofile = INT64_MAX };
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
	    limit.rlim_max != RLIM_INFINITY)
		machine.nofile = (int64_t)limit.rlim_max;
	return machine;
}

/* All that needs no foreign code.  0 or an exit status. */
static int
check_files(struct check *check)
{
	struct machine machine = look_at_machine();
	uid_t keeper = check->policy.owners.keeper;
	struct conf *conf;

	check->policy.owners.user = keeper;
	source_init(&check->source, &check->report);
	check->source.open_file = open_source;
	check->source.open_arg = check;
	source_read(&check->source, check->file);
	if (check->source.section_count == 0 && check->report.errors > 0)
		return EXIT_CONFIG;
	if (schema_init(&check->schema, &check->source, &check->report) != 0)
		must_end();
	conf = check->schema.conf;
	accounts_resolve(&check->schema, keeper);
	if (conf->account_count > 0)
		check->policy.owners.user =
		    conf->accounts[conf->daemon.user_account].uid;
	checks_run(&check->schema, &machine);
	(void)FP("checker.parsed");
	pages_read(&check->schema, &check->policy);
	modules_copy(&check->modules, &check->schema, &check->policy);
	return 0;
}

static int
write_result(struct check *check)
{
	struct errmsg err;
	struct buf text;
	int rc = 0;

	buf_init(&text, 0);
	canonical_write(&text, check->schema.conf, &check->modules);
	if (text.failed)
		rc = errmsg_set(&err, ERR_MEMORY, "out of memory");
	else if (check->verdict >= 0)
		rc = deliver_result(check->verdict, check->schema.conf,
		    &check->modules, &text, check->report.warnings, &err);
	else if (check->mode == MODE_PRINT_CONFIG && fd_write_all(1,
	    buf_at(&text), buf_len(&text)) != 0)
		rc = errmsg_errno(&err, "cannot write");
	else if (check->mode == MODE_PRINT)
		fprintf(stderr, "%s: the configuration is good\n",
		    check->file);
	if (rc != 0)
		fprintf(stderr, "checker: %s\n", err.text);
	buf_done(&text);
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int
run(void *arg)
{
	struct check *check = arg;
	int status;

	limit_self();
	status = check_files(check);

	/* before "go on" nothing of a plugin may run; otherwise all errors are
	 * wanted in one run */
	if (status != 0 || (check->mode == MODE_FIRST &&
	    check->report.errors > 0)) {
		flush_findings(check);
		return status != 0 ? status : EXIT_CONFIG;
	}
	flush_findings(check);
	if (check->mode == MODE_FIRST &&
	    deliver_header(check->keeper, check->schema.conf) != 0)
		return EXIT_SUCCESS;
	alarm(WALL_S);
	modules_open(&check->modules, &check->schema, &check->policy,
	    before_opening, check);
	deliver_opening(check->verdict, NULL, (struct place){ "", 0 });
	guard_clear();
	flush_findings(check);
	if (check->report.errors > REPORT_MAX && check->mode != MODE_RELOAD)
		fprintf(stderr, "%s: %zu errors in all\n", check->file,
		    check->report.errors);
	if (check->report.errors > 0)
		return EXIT_CONFIG;
	return write_result(check);
}

/* ---- entry -------------------------------------------------------------------------- */

static int
parse_mode(const char *word, enum mode *mode)
{
	static const struct { const char *word; enum mode mode; } rows[] = {
		{ "--print", MODE_PRINT },
		{ "--print-config", MODE_PRINT_CONFIG },
		{ "--first", MODE_FIRST },
		{ "--reload", MODE_RELOAD },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		if (strcmp(rows[i].word, word) != 0)
			continue;
		*mode = rows[i].mode;
		return 0;
	}
	return -1;
}

/* As people type it; the keeper gives an absolute path. */
static int
set_file(struct check *check, const char *path)
{
	char here[PATH_MAX / 2];
	int n;

	if (path[0] == '/')
		n = snprintf(check->file, sizeof(check->file), "%s", path);
	else if (getcwd(here, sizeof(here)) != NULL)
		n = snprintf(check->file, sizeof(check->file), "%s/%s", here,
		    path);
	else
		return -1;
	return n > 0 && (size_t)n < sizeof(check->file) ? 0 : -1;
}

int
checker_main(int argc, char **argv)
{
	static struct check check;
	int status;

	prctl(PR_SET_NAME, "checker");
	if (argc != 4 || strcmp(argv[1], "--check") != 0 ||
	    parse_mode(argv[2], &check.mode) != 0 ||
	    set_file(&check, argv[3]) != 0) {
		fprintf(stderr, "usage: clusterd-worker --check --print|"
		    "--print-config|--first|--reload FILE\n");
		return EXIT_USAGE;
	}
	check.keeper = check.mode == MODE_FIRST ? CHECKER_FD_KEEPER : -1;
	check.verdict = check.mode == MODE_FIRST ||
	    check.mode == MODE_RELOAD ? CHECKER_FD_VERDICT : -1;
	check.policy.owners.keeper = accounts_keeper_uid();
	check.policy.strict = check.policy.owners.keeper == 0;
	if (report_init(&check.report) != 0)
		must_end();
	if (check.verdict < 0)
		status = guard_run(run, &check, EXIT_CONFIG);
	else
		status = run(&check);
	schema_done(&check.schema);
	source_done(&check.source);
	report_done(&check.report);
	return status;
}
