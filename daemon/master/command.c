/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* command.c: commands that plugins give the daemon; see command.h. */
#include "daemon/master/command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/table/grants.h"
#include "daemon/master/life.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/turn.h"

/* ---- the answer ------------------------------------------------------------------- */

static bool
say(const struct command_row *row, enum result_kind kind, int error,
    const char *json, size_t len)
{
	static _Alignas(8) struct channel_packet packet;

	channel_begin(&packet, CHANNEL_RESULT, row->ref);
	packet.body.result.kind = kind;
	packet.body.result.error = (uint32_t)error;
	return process_say_json(row->process, &packet, json, len);
}

/* An answer with a piece missing is none: its plugin is told that it is lost. */
static void
on_hear(struct control_reader *reader, enum control_said said,
    const char *json, size_t len, int error)
{
	struct command_row *row = (struct command_row *)reader;

	switch (said) {
	case CONTROL_PROGRESS:
		(void)say(row, RESULT_PROGRESS, 0, json, len);
		break;
	case CONTROL_ROW:
		row->broken = row->broken ||
		    !say(row, RESULT_ROW, 0, json, len);
		break;
	case CONTROL_DONE:
		row->broken = row->broken ||
		    !say(row, RESULT_DONE, error, json, len);
		row->ended = row->broken;
		if (!row->broken)
			row->ref = 0;
		break;
	}
}

static bool
on_is_full(const struct control_reader *reader)
{
	return process_is_full(((const struct command_row *)reader)->process);
}

void
command_go_on(struct process *process)
{
	for (size_t i = 0; i < COMMANDS_OPEN; i++)
		if (process->commands.rows[i].ref != 0)
			control_go_on(&process->commands.rows[i].reader);
}

void
command_tick(struct process *process)
{
	for (size_t i = 0; i < COMMANDS_OPEN; i++) {
		struct command_row *row = &process->commands.rows[i];

		if (row->ref == 0 || !row->broken)
			continue;
		if (!row->ended)	/* it may never end by itself */
			control_lose(&row->reader);
		row->ended = true;
		if (say(row, RESULT_DONE, EPIPE, "", 0))
			row->ref = 0;
	}
}

void
command_lose(struct process *process)
{
	for (size_t i = 0; i < COMMANDS_OPEN; i++) {
		struct command_row *row = &process->commands.rows[i];

		if (row->ref != 0)
			control_lose(&row->reader);
		row->ref = 0;
	}
}

/* ---- the question ------------------------------------------------------------------ */

/* Which plugin asks, and what those of its worker may together. */
struct rights {
	const char *plugin;
	const struct conf_account *account;
	uint64_t grants;
};

/* By the configuration that its snapshot was made of, in the order of that.  False:
 * it has no such plugin. */
static bool
find_rights(struct process *process, uint32_t instance, struct rights *rights)
{
	struct master *m = process->master;
	const struct generation *generation =
	    master_generation(m, process->generation);
	const struct conf *conf = generation != NULL ? generation->conf :
	    m->conf;
	const struct conf_pool *pool = conf == NULL ? NULL : conf_pool_by_name(
	    conf, turn_look(m)->pool[process->pool].name);
	uint32_t place = 0;
	uint64_t grants;

	memset(rights, 0, sizeof(*rights));
	if (pool == NULL)
		return false;
	if ((size_t)pool->account < conf->account_count)
		rights->account = &conf->accounts[pool->account];
	for (uint32_t i = 0; i < conf->plugin_count; i++) {
		if (!conf_pool_names(pool, i))
			continue;
		if (place++ == instance)
			rights->plugin = conf->plugins[i].name;
		if (grants_parse(conf->plugins[i].may, &grants, NULL) == 0)
			rights->grants |= grants;
	}
	return rights->plugin != NULL;
}

static struct command_row *
find_row(struct process *process, uint64_t ref)
{
	for (size_t i = 0; i < COMMANDS_OPEN; i++)
		if (process->commands.rows[i].ref == ref)
			return &process->commands.rows[i];
	return NULL;
}

/* A worker whose host was not bypassed asks only for what its plugin may. */
static void
ask(struct command_row *row, const char *command, const char *args,
    const struct rights *rights)
{
	struct process *process = row->process;
	char who[128], id[CHANNEL_COMMAND_ID];
	const struct control_ask ask = {
		.command = command, .args = args, .who = who,
		.id = channel_command_id(process->id, row->ref, id),
		.grants = rights->grants,
		.uid = rights->account != NULL ? rights->account->uid :
		    (uid_t)-1,
		.gid = rights->account != NULL ? rights->account->gid :
		    (gid_t)-1,
		.pid = process->pid,
	};

	snprintf(who, sizeof(who), "plugin:%s@%s", rights->plugin,
	    process->name);
	if (control_ask(process->master->control, &row->reader, &ask) != 0)
		life_violation(process, "a command that none of its plugins may "
		    "give");
}

void
command_message(struct process *from, struct channel_packet *packet)
{
	const struct channel_msg_command *command = &packet->body.command;
	static char args[COMMAND_ARGS_MAX + 1];
	struct command_row *row;
	struct rights rights;
	const uint8_t *tail;
	size_t len;

	if (!life_may_request(from))
		return;
	row = find_row(from, 0);
	if (packet->header.ref == 0 || row == NULL ||
	    find_row(from, packet->header.ref) != NULL) {
		life_violation(from, "too many commands at once, or one twice");
		return;
	}
	if (!find_rights(from, command->instance, &rights)) {
		life_violation(from, "a command of a plugin that it has not");
		return;
	}
	tail = channel_tail(packet, &len);
	memcpy(args, tail, len);
	args[len] = '\0';
	*row = (struct command_row){
		.reader = { .hear = on_hear, .is_full = on_is_full },
		.process = from, .ref = packet->header.ref,
	};
	/* what it does not read must not pile up here, in files least of all */
	if (from->master->control == NULL || strlen(args) != len ||
	    process_is_full(from))
		on_hear(&row->reader, CONTROL_DONE, "", 0,
		    strlen(args) != len ? EINVAL : EAGAIN);
	else
		ask(row, command->name, args, &rights);
}
