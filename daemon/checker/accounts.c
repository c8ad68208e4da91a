/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* accounts.c: names of users and groups become numbers; see accounts.h. */
#include "daemon/checker/accounts.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "daemon/checker/schema.h"

uid_t
accounts_keeper_uid(void)
{
	char path[64], line[256];
	unsigned uid = 0;
	FILE *status;

	if (FP("checker.not_root") == FP_SKIP)
		return geteuid() != 0 ? geteuid() : 1;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)getppid());
	status = fopen(path, "re");
	if (status == NULL)
		return 0;
	while (fgets(line, sizeof(line), status) != NULL)
		if (strncmp(line, "Uid:", 4) == 0 &&
		    sscanf(line + 4, "%u", &uid) == 1)
			break;
	fclose(status);
	return uid;
}

/* ---- look-ups, which run the code of others ------------------------------------ */

/* However fast the clock of a test goes, its source needs what it needs. */
enum { LIMIT_MS = 5000, LEAST_MS = 1000 };

enum kind { BY_USER, BY_GROUP };

static void
look_up(enum kind kind, const char *name)
{
	gid_t groups[CONF_GROUPS_MAX];
	int count = CONF_GROUPS_MAX;
	const struct passwd *passwd;

	if (kind == BY_GROUP)
		(void)getgrnam(name);
	else if ((passwd = getpwnam(name)) != NULL)
		(void)getgrouplist(name, passwd->pw_gid, groups, &count);
}

/* In a child, which dies with us at the latest.  0: it came back. */
static int
look_up_in_child(enum kind kind, const char *name)
{
	int pair[2], limit = (int)clock_scaled_ms(LIMIT_MS);
	struct pollfd fd = { .events = POLLIN };
	char byte;
	pid_t pid;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		look_up(kind, name);
		_exit(write(pair[1], "", 1) == 1 ? 0 : 1);
	}
	close(pair[1]);
	fd.fd = pair[0];
	while (pid > 0 && poll(&fd, 1, limit > LEAST_MS ? limit : LEAST_MS) <
	    0 && errno == EINTR)
		continue;
	fd.revents = pid > 0 && fd.revents != 0 && read(pair[0], &byte, 1) == 1;
	close(pair[0]);
	if (fd.revents)
		waitpid(pid, NULL, 0);
	return fd.revents ? 0 : -1;
}

/*
 * May a name be looked up?  A source of accounts can hang or crash, so a child
 * tries it first; each name once.  0, or -1 after a finding.
 */
static int
try_first(struct schema *schema, struct place place, const char *section,
    const char *key, enum kind kind, const char *name)
{
	static struct { enum kind kind; const char *name; } tried[64];
	static size_t count;

	for (size_t i = 0; i < count; i++)
		if (tried[i].kind == kind && strcmp(tried[i].name, name) == 0)
			return 0;
	if (look_up_in_child(kind, name) != 0) {
		report_error(schema->report, place, section, key, "the %s "
		    "\"%.64s\" cannot be looked up: its source does not "
		    "answer", kind == BY_GROUP ? "group" : "account", name);
		return -1;
	}
	if (count < COUNT(tried)) {
		tried[count].kind = kind;
		tried[count++].name = name;	/* the configuration's */
	}
	return 0;
}

/* ---- what they mean -------------------------------------------------------------- */

/* The account in the list, added if new; -1: the list is full. */
static int64_t
account_number(struct conf *conf, const struct conf_account *account)
{
	struct conf_account *new;

	for (size_t i = 0; i < conf->account_count; i++)
		if (conf->accounts[i].uid == account->uid &&
		    conf->accounts[i].gid == account->gid)
			return (int64_t)i;
	new = conf_add_account(conf);
	if (new == NULL)
		return -1;
	*new = *account;
	return (int64_t)conf->account_count - 1;
}

static void
set_groups(struct conf_account *account)
{
	gid_t groups[CONF_GROUPS_MAX];
	int count = CONF_GROUPS_MAX;

	if (getgrouplist(account->name, account->gid, groups, &count) < 0)
		count = 0;	/* more than fit: none but its own */
	account->group_count = 0;
	for (int i = 0; i < count; i++)
		account->groups[account->group_count++] = groups[i];
	if (count == 0)
		account->groups[account->group_count++] = account->gid;
}

/* All is the caller's own. */
static void
resolve_as_caller(struct conf *conf)
{
	const struct passwd *passwd = getpwuid(geteuid());
	const char *name = passwd != NULL ? passwd->pw_name : "";
	struct conf_account caller = { .uid = geteuid(), .gid = getegid() };
	gid_t groups[CONF_GROUPS_MAX];
	int count = getgroups(CONF_GROUPS_MAX, groups);

	for (int i = 0; i < count; i++)
		caller.groups[caller.group_count++] = groups[i];
	caller.name = conf_text(conf, name, strnlen(name, CONF_NAME_MAX - 1));
	account_number(conf, &caller);
	conf->daemon.user_account = conf->daemon.worker_account = 0;
	for (size_t i = 0; i < conf->pool_count; i++)
		conf->pools[i].account = 0;
}

/* Account of a name; -1 after a finding. */
static int64_t
resolve_user(struct schema *schema, struct place place, const char *section,
    const char *key, const char *name, const gid_t *group)
{
	const struct passwd *passwd;
	struct conf_account account = { 0 };
	int64_t number;

	if (try_first(schema, place, section, key, BY_USER, name) != 0)
		return -1;
	if ((passwd = getpwnam(name)) == NULL) {
		report_error(schema->report, place, section, key,
		    "there is no user \"%.64s\"", name);
		return -1;
	}
	account.uid = passwd->pw_uid;
	account.gid = group != NULL ? *group : passwd->pw_gid;
	if (account.uid == 0 || account.gid == 0) {
		report_error(schema->report, place, section, key,
		    "\"%.64s\" is root, which it must not be", name);
		return -1;
	}
	account.name = conf_text(schema->conf, name, strlen(name));
	if (strlen(name) >= CONF_NAME_MAX) {
		report_error(schema->report, place, section, key,
		    "\"%.64s\" has more than %d bytes", name,
		    CONF_NAME_MAX - 1);
		return -1;
	}
	set_groups(&account);
	number = account_number(schema->conf, &account);
	if (number < 0)
		report_error(schema->report, place, section, key,
		    "more than %d accounts", CONF_ACCOUNTS_MAX);
	return number;
}

/* Group id of a name.  0, or -1 after a finding (not as root: the caller's
 * group without one). */
static int
resolve_group(struct schema *schema, struct place place, const char *section,
    const char *key, const char *name, int strict, gid_t *gid)
{
	const struct group *group;

	if (try_first(schema, place, section, key, BY_GROUP, name) != 0)
		return -1;
	if ((group = getgrnam(name)) != NULL) {
		*gid = group->gr_gid;
		return 0;
	}
	if (!strict) {
		*gid = getegid();
		return 0;
	}
	report_error(schema->report, place, section, key,
	    "there is no group \"%.64s\"", name);
	return -1;
}

/* The number of `user', or -1 where no pool can be compared with it. */
static int64_t
resolve_daemon(struct schema *schema)
{
	struct conf *conf = schema->conf;
	int64_t user, worker;

	user = resolve_user(schema, schema_daemon_place(schema,
	    KEY_DAEMON_USER), "daemon", "user", conf->daemon.user, NULL);
	worker = resolve_user(schema, schema_daemon_place(schema,
	    KEY_DAEMON_WORKER_USER), "daemon", "worker_user",
	    conf->daemon.worker_user, NULL);
	if (user >= 0)
		conf->daemon.user_account = user;
	if (user < 0 || worker < 0)
		return user;
	conf->daemon.worker_account = worker;
	if (conf->accounts[user].uid != conf->accounts[worker].uid)
		return user;
	report_error(schema->report, schema_daemon_place(schema,
	    KEY_DAEMON_WORKER_USER), "daemon", "worker_user",
	    "\"%s\" is also \"user\"; plugins could operate the daemon",
	    conf->daemon.worker_user);
	return -1;		/* said once, and not again for each pool */
}

static void
resolve_pool(struct schema *schema, size_t index, int64_t user)
{
	struct conf *conf = schema->conf;
	struct conf_pool *pool = &conf->pools[index];
	const char *title = schema_pool_title(schema, index);
	gid_t gid, *wanted = NULL;
	int64_t number;

	if (strcmp(pool->group, "auto") != 0) {
		if (resolve_group(schema, schema_pool_place(schema, index,
		    KEY_POOL_GROUP), title, "group", pool->group, 1, &gid) != 0)
			return;
		wanted = &gid;
	}
	number = resolve_user(schema, schema_pool_place(schema, index,
	    KEY_POOL_USER), title, "user", pool->user, wanted);
	if (number < 0)
		return;
	if (user >= 0 &&
	    conf->accounts[number].uid == conf->accounts[user].uid)
		report_error(schema->report, schema_pool_place(schema, index,
		    KEY_POOL_USER), title, "user", "\"%s\" is also \"user\" of "
		    "[daemon]; plugins could operate the daemon", pool->user);
	pool->account = number;
}

static void
resolve_socket_group(struct schema *schema, size_t index, int strict)
{
	struct conf_pool *pool = &schema->conf->pools[index];
	gid_t gid;

	if (strcmp(pool->socket_group, "auto") == 0) {
		if (pool->account < (int64_t)schema->conf->account_count)
			pool->socket_gid =
			    schema->conf->accounts[pool->account].gid;
		return;
	}
	if (resolve_group(schema, schema_pool_place(schema, index,
	    KEY_POOL_SOCKET_GROUP), schema_pool_title(schema, index),
	    "socket_group", pool->socket_group, strict, &gid) == 0)
		pool->socket_gid = gid;
}

void
accounts_resolve(struct schema *schema, uid_t keeper)
{
	struct conf *conf = schema->conf;
	int strict = keeper == 0;
	int64_t user;
	gid_t gid;

	for (size_t i = 0; i < conf->pool_count; i++)
		if (strcmp(conf->pools[i].user, "auto") == 0)
			conf->pools[i].user = conf->daemon.worker_user;
	if (resolve_group(schema, schema_daemon_place(schema,
	    KEY_DAEMON_CONTROL_GROUP), "daemon", "control_group",
	    conf->daemon.control_group, strict, &gid) == 0)
		conf->daemon.control_gid = gid;
	if (!strict) {
		resolve_as_caller(conf);
	} else {
		user = resolve_daemon(schema);
		for (size_t i = 0; i < conf->pool_count; i++)
			resolve_pool(schema, i, user);
	}
	for (size_t i = 0; i < conf->pool_count; i++)
		resolve_socket_group(schema, i, strict);
}
