/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * change_check.c: the first part of a reload, which starts nothing: check,
 * store, plan; and the commands that stop there.  change_reload.c goes on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "daemon/conf/diff.h"
#include "daemon/control/control.h"
#include "daemon/master/change.h"
#include "daemon/master/check.h"
#include "daemon/master/disk.h"
#include "daemon/master/generations.h"
#include "daemon/master/master.h"
#include "daemon/master/turn.h"

/* -- words --------------------------------------------------------------------------------- */

static char *
errors_json(const struct buf *errors)
{
	struct buf out;
	const char *at = buf_at(errors), *end = at + buf_len(errors);
	char *text;

	buf_init(&out, 0);
	buf_add_text(&out, "{\"errors\":[");
	while (buf_len(errors) > 0 && at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *stop = newline != NULL ? newline : end;

		if (at != buf_at(errors))
			buf_add_text(&out, ",");
		buf_add_json(&out, at, (size_t)(stop - at));
		at = stop + 1;
	}
	buf_add(&out, "]}", 3);
	text = out.failed ? NULL : strdup(buf_at(&out));
	buf_done(&out);
	return text;
}

static void
first_line(const struct buf *errors, char *out, size_t size)
{
	const char *newline;
	size_t len = buf_len(errors);

	if (len == 0) {
		snprintf(out, size, "the check failed");
		return;
	}
	newline = memchr(buf_at(errors), '\n', len);
	snprintf(out, size, "%.*s", (int)(newline != NULL ?
	    newline - buf_at(errors) : (long)len), buf_at(errors));
}

/* -- plan ---------------------------------------------------------------------------------- */

static void
describe_row(struct buf *out, const struct diff_row *row)
{
	static const char *const what[] = { "", "added ", "removed " };

	buf_printf(out, "[%s] %s%s%s", row->section, what[row->what],
	    row->key, row->key[0] != '\0' ? ": " : "");
	if (row->key[0] != '\0')
		buf_printf(out, "%s -> %s (%s)", row->before != NULL ?
		    row->before : "-", row->after != NULL ? row->after : "-",
		    row->applies == APPLIES_LIVE ? "live" :
		    row->applies == APPLIES_RELOAD ? "reload" : "restart");
	buf_add_text(out, "\n");
}

static char *
plan_json(const struct diff *diff, const struct conf *conf)
{
	struct buf text, out;
	char *json;

	buf_init(&text, 0);
	buf_init(&out, 0);
	if (diff->count == 0)
		buf_add_text(&text, "nothing changes\n");
	for (size_t i = 0; i < diff->count; i++)
		describe_row(&text, &diff->rows[i]);
	for (size_t i = 0; i < conf->pool_count; i++)
		if (diff->roll[i])
			buf_printf(&text, "pool %s is rolled\n",
			    conf->pools[i].name);
	buf_add_text(&out, "{\"plan\":true,\"text\":");
	buf_add_json(&out, buf_at(&text), buf_len(&text));
	buf_add(&out, "}", 2);
	json = out.failed || text.failed ? NULL : strdup(buf_at(&out));
	buf_done(&text);
	buf_done(&out);
	return json;
}

static void
reject_restart_keys(struct master *m, const struct diff *diff)
{
	char text[400] = "";
	size_t used = 0;

	for (size_t i = 0; i < diff->count && used < 300; i++)
		if (diff->rows[i].applies == APPLIES_RESTART)
			used += (size_t)snprintf(text + used,
			    sizeof(text) - used, "%s[%s] %.40s",
			    used > 0 ? ", " : "", diff->rows[i].section,
			    diff->rows[i].key);
	snprintf(text + used, sizeof(text) - used, ": a change of this needs "
	    "a restart of the daemon");
	reload_reject(m, text, NULL);
}

/* -- check -------------------------------------------------------------------------------- */

static void
on_stored(struct master *m, const struct errmsg *err)
{
	struct change_run *run = m->change;

	run->storing = false;
	if (err->code != 0) {
		reload_reject(m, err->text, NULL);
	} else {
		(void)FP("reload.after_store");
		reload_go(m);
	}
	turn_change(m);
}

/* C2: plugins and snapshots go to the disk, in its own time. */
static void
store_target(struct master *m, struct check *check)
{
	struct disk_job *job = disk_job_new();
	struct generation *target;
	struct errmsg err;
	int rc;

	rc = generations_add(m, check->conf, generations_next(m), check->text,
	    check->text_len, &target, &err);
	if (rc == 0) {
		reload_set_target(m, target);
		rc = check_store_plugins(check, m->conf->daemon.state_dir, job,
		    &err);
	}
	if (rc == 0)
		rc = generations_store(target, job, &err);
	if (rc != 0)
		disk_job_free(job);
	else
		rc = disk_start(m->disk, job, on_stored, &err);
	if (rc == 0)
		m->change->storing = true;
	else
		reload_reject(m, err.text, NULL);
}

static void
accept_check(struct master *m, struct check *check, const struct diff *diff)
{
	char *json;

	if (diff->refused > 0) {
		reject_restart_keys(m, diff);
		return;
	}
	if (m->change->change.plan) {
		json = plan_json(diff, check->conf);
		change_succeed(m, json);
		free(json);
		return;
	}
	if (diff->count == 0) {
		change_succeed(m, "{\"changed\":false}");
		return;
	}
	store_target(m, check);
}

static void
print_warnings(const struct check *check)
{
	char line[600];

	if (buf_len(&check->warnings) == 0)
		return;
	first_line(&check->warnings, line, sizeof(line));
	log_warn("reload: %s", line);
}

static void
on_checked(struct master *m, struct check *check)
{
	struct diff diff;
	struct errmsg err;
	char line[400], *json;

	if (m->change == NULL || m->change->kind != TRANS_RELOAD)
		return;		/* stopped meanwhile */
	(void)FP("reload.after_check");
	print_warnings(check);
	if (!check_is_good(check)) {
		first_line(&check->errors, line, sizeof(line));
		json = errors_json(&check->errors);
		reload_reject(m, line, json);
		free(json);
	} else if (conf_renumber_accounts(check->conf, m->account_uids,
	    m->account_gids, m->account_count, &err) != 0) {
		reload_reject(m, err.text, NULL);
	} else if (diff_make(m->conf, check->conf, &diff) != 0) {
		reload_reject(m, "out of memory", NULL);
		diff_done(&diff);
	} else {
		accept_check(m, check, &diff);
		diff_done(&diff);
	}
	turn_change(m);
}

void
reload_start(struct master *m, struct control_call *call,
    const struct change *change)
{
	int percent = change->hold_percent;

	change_begin(m, call, change, TRANS_RELOAD);
	/* 0: no hold; one of 0 % still tries one worker. */
	turn_change(m)->globals.trans_hold_percent =
	    percent < 0 ? 0 : percent == 0 ? 1 : (uint32_t)percent;
	change_step(m, TRANS_CHECK);
	check_start(m, (uint32_t)m->conf->daemon.worker_account, on_checked);
}

/* -- config check and diff ----------------------------------------------------------------------------- */

static struct control_call *check_call;
static bool check_wants_diff;

static void
on_config_checked(struct master *m, struct check *check)
{
	struct control_call *call = check_call;
	const struct errmsg no_memory = { ERR_MEMORY, "out of memory" };
	struct diff diff;
	struct errmsg err;
	char line[400], *json;

	check_call = NULL;
	change_next(m);
	if (call == NULL)
		return;
	if (!check_is_good(check)) {
		first_line(&check->errors, line, sizeof(line));
		json = errors_json(&check->errors);
		errmsg_set(&err, ERR_FAILED, "%s", line);
		control_fail(call, &err, json);
		free(json);
		return;
	}
	if (!check_wants_diff) {
		control_done(call, "{\"text\":\"the configuration is good\"}");
		return;
	}
	json = diff_make(m->conf, check->conf, &diff) == 0 ?
	    plan_json(&diff, check->conf) : NULL;
	diff_done(&diff);
	if (json != NULL)
		control_done(call, json);
	else
		control_fail(call, &no_memory, NULL);
	free(json);
}

void
config_check_start(struct master *m, struct control_call *call,
    const struct change *change)
{
	check_call = call;
	check_wants_diff = change->command == COMMAND_CONFIG_DIFF;
	check_start(m, (uint32_t)m->conf->daemon.worker_account,
	    on_config_checked);
}
