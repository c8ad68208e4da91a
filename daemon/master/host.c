/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* host.c: what the master hands down to the control server; see host.h. */
#include "daemon/master/host.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "daemon/control/control.h"
#include "daemon/master/change.h"
#include "daemon/master/master.h"
#include "daemon/master/totals.h"
#include "daemon/master/turn.h"
#include "daemon/master/view.h"

static const struct view *
host_view(void *context, enum view_children children)
{
	return view_make(context, children);
}

static void
host_change(void *context, struct control_call *call,
    const struct change *change)
{
	change_start(context, call, change);
}

static int
host_config_text(void *context, struct buf *out, struct errmsg *err)
{
	struct master *m = context;
	const struct generation *generation = m->conf == NULL ? NULL :
	    master_generation(m, m->conf->generation);

	if (generation == NULL || generation->text == NULL)
		return errmsg_set(err, ERR_NOT_FOUND, "the text of this "
		    "generation went with the master that read it; it is in "
		    "state.db, table generations");
	return buf_add(out, generation->text, generation->text_len);
}

static int
host_metrics(void *context, struct buf *out, struct errmsg *err)
{
	totals_add_text(context, out);
	return out->failed ? errmsg_set(err, ERR_MEMORY, "out of memory") : 0;
}

static struct control_host host = {
	.view = host_view, .start = host_change,
	.config_text = host_config_text, .metrics = host_metrics,
};

static void
access_of(struct master *m, struct control_access *access)
{
	const struct conf *conf = m->conf;

	memset(access, 0, sizeof(*access));
	access->user = geteuid();
	access->group = (gid_t)conf->daemon.control_gid;
	access->read_all = conf->daemon.control_read == READ_ALL;
	for (size_t i = 0; i < conf->account_count &&
	    access->worker_uid_count < CONTROL_WORKER_UIDS; i++)
		if (conf->accounts[i].uid != access->user)
			access->worker_uids[access->worker_uid_count++] =
			    conf->accounts[i].uid;
}

void
host_set_access(struct master *m)
{
	struct control_access access;

	if (m->control == NULL)
		return;
	access_of(m, &access);
	control_set_access(m->control, &access);
}

/* Whoever gave the last change may still ask how it ended. */
static void
tell_ended(struct master *m)
{
	const struct memo_globals *globals = &turn_look(m)->globals;
	struct control_ended ended = {
		.command = (enum command_id)globals->ended_kind,
		.err.code = globals->ended_code,
	};

	if (globals->ended_command[0] == '\0' ||
	    globals->ended_kind >= COMMAND__COUNT)
		return;
	snprintf(ended.id, sizeof(ended.id), "%.*s", COMMAND_ID_MAX,
	    globals->ended_command);
	snprintf(ended.who, sizeof(ended.who), "%s", globals->ended_who);
	snprintf(ended.err.text, sizeof(ended.err.text), "%s",
	    globals->ended_text);
	snprintf(ended.result, sizeof(ended.result), "%s",
	    globals->ended_result);
	control_set_ended(m->control, &ended);
}

static void
resume_waiting(struct master *m)
{
	const struct memo_globals *globals = &turn_look(m)->globals;

	control_resume_waiting(m->control, globals->reload_begun_ms,
	    globals->change_begun_ms);
}

void
host_start_control(struct master *m)
{
	struct control_access access;
	struct errmsg err;
	int rc;

	host.context = m;
	fd_set_nonblock(m->control_fd);
	access_of(m, &access);
	if (m->control != NULL) {
		rc = control_set_listener(m->control, m->control_fd, &err);
	} else {
		rc = control_start(m->base, m->control_fd, &host, &access,
		    m->journal, m->store, &m->control, &err);
		if (rc == 0 && m->adopted) {
			tell_ended(m);
			if (m->memo_recovered)
				resume_waiting(m);
		}
	}
	/* Without means for it, it is tried again (start_look_at_control()). */
	m->control_deaf = rc != 0;
	if (rc != 0)
		log_error("control: %s", err.text);
}
