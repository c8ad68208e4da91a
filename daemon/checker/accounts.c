/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* accounts.c: names of users and groups become numbers; see accounts.h. */
#include "daemon/checker/accounts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/failpoint.h"
#include "daemon/checker/must.h"
#include "daemon/checker/names.h"
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

/* ---- look-ups -------------------------------------------------------------------- */

/* What the name service knows of it.  0, or -1 after a finding. */
static int
look_up(struct schema *schema, struct place place, const char *section,
    const char *key, enum names_kind kind, const char *name,
    struct names_answer *answer)
{
	if (names_ask(kind, name, answer) == 0)
		return 0;
	report_error(schema->report, place, section, key, "the %s \"%.64s\" "
	    "cannot be looked up: its source does not answer",
	    kind == NAMES_GROUP ? "group" : "account", name);
	return -1;
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
	new = must_row(conf_add_account(conf));
	if (new == NULL)
		return -1;
	*new = *account;
	return (int64_t)conf->account_count - 1;
}

/* Its own, and those that it is a member of besides, if they fit. */
static void
set_groups(struct conf_account *account, const struct names_answer *answer)
{
	account->group_count = 0;
	account->groups[account->group_count++] = account->gid;
	for (unsigned i = 0; i < answer->group_count &&
	    account->group_count < CONF_GROUPS_MAX; i++)
		if (answer->groups[i] != NAMES_NO_GROUP &&
		    answer->groups[i] != account->gid)
			account->groups[account->group_count++] =
			    answer->groups[i];
}

/* All is the caller's own. */
static void
resolve_as_caller(struct conf *conf)
{
	struct names_answer self = { 0 };
	struct conf_account caller = { .uid = geteuid(), .gid = getegid() };
	gid_t groups[CONF_GROUPS_MAX];
	int count = getgroups(CONF_GROUPS_MAX, groups);

	for (int i = 0; i < count; i++)
		caller.groups[caller.group_count++] = groups[i];
	(void)names_ask(NAMES_CALLER, "", &self);
	caller.name = must_text(conf, self.name, strlen(self.name));
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
	struct names_answer known;
	struct conf_account account = { 0 };
	int64_t number;

	if (look_up(schema, place, section, key, NAMES_USER, name, &known) != 0)
		return -1;
	if (!known.found) {
		report_error(schema->report, place, section, key,
		    "there is no user \"%.64s\"", name);
		return -1;
	}
	account.uid = known.uid;
	account.gid = group != NULL ? *group : known.gid;
	if (account.uid == 0 || account.gid == 0) {
		report_error(schema->report, place, section, key,
		    "\"%.64s\" is root, which it must not be", name);
		return -1;
	}
	account.name = must_text(schema->conf, name, strlen(name));
	if (strlen(name) >= CONF_NAME_MAX) {
		report_error(schema->report, place, section, key,
		    "\"%.64s\" has more than %d bytes", name,
		    CONF_NAME_MAX - 1);
		return -1;
	}
	set_groups(&account, &known);
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
	struct names_answer known;

	if (look_up(schema, place, section, key, NAMES_GROUP, name, &known)
	    != 0)
		return -1;
	if (known.found) {
		*gid = known.gid;
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
