/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* requests.c: what the master asks of the keeper; see requests.h. */
#include "daemon/keeper/requests.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "daemon/keeper/inherited.h"
#include "daemon/keeper/kept.h"
#include "daemon/keeper/link.h"
#include "daemon/keeper/listeners.h"
#include "daemon/keeper/notify.h"
#include "daemon/keeper/orders.h"
#include "daemon/keeper/spawn.h"
#include "daemon/keeper/stop.h"

struct request {
	uint32_t ref;
	const union keeper_body *body;
	int *fds;		/* what is taken over is set to -1 */
};

static void
answer_ok(struct keeper *k, const struct request *request, uint64_t value)
{
	struct keeper_packet packet;

	keeper_begin(&packet, KEEPER_OK, request->ref);
	packet.body.ok.value = value;
	link_answer(k, &packet, 0, NULL, 0);
}

/* rc: -errno; words: NULL for those of errno. */
static void
answer_error(struct keeper *k, const struct request *request, int rc,
    const char *words)
{
	struct keeper_packet packet;

	keeper_begin(&packet, KEEPER_ERROR, request->ref);
	record_put_text(packet.body.error.text, sizeof(packet.body.error.text),
	    words != NULL ? words : strerror(-rc));
	link_answer(k, &packet, (uint32_t)-rc, NULL, 0);
}

static void
answer(struct keeper *k, const struct request *request, int rc)
{
	if (rc == 0)
		answer_ok(k, request, 0);
	else
		answer_error(k, request, rc, NULL);
}

/* -- the master itself --------------------------------------------------------- */

static uint32_t
welcome_flags(const struct keeper *k)
{
	return (k->first.done ? 0 : WELCOME_FIRST) |
	    (k->master.early >= 5 ? WELCOME_REBUILD : 0) |
	    (k->master.early >= 10 ? WELCOME_SAFE_MODE : 0) |
	    (k->stop_asked != 0 ? WELCOME_STOPPING : 0);
}

static void
request_attach(struct keeper *k, const struct request *request)
{
	const struct keeper_msg_attach *attach = &request->body->attach;
	int fds[2] = { k->memo_fd, k->page_fd };
	struct keeper_packet packet;
	struct keeper_msg_welcome *body = &packet.body.welcome;

	if (attach->proto_min > KEEPER_PROTOCOL ||
	    attach->proto_max < KEEPER_PROTOCOL) {
		answer_error(k, request, -EPROTONOSUPPORT, NULL);
		return;
	}
	keeper_begin(&packet, KEEPER_WELCOME, request->ref);
	body->version = KEEPER_PROTOCOL;
	body->flags = welcome_flags(k);
	body->keeper_pid = (uint32_t)getpid();
	body->number = k->master.number;
	body->started_wall_ms = k->started_wall_ms;
	body->orphan_grace_ms = k->first.header.orphan_grace_ms;
	record_put_text(body->config, sizeof(body->config), k->options.file);
	record_put_text(body->last, sizeof(body->last), k->master.last);
	k->link.attached = 1;
	link_answer(k, &packet, 0, fds, 2);
	link_start_inventory(k);
}

static void
request_show(struct keeper *k, const struct request *request)
{
	notify_show(k, &request->body->show);
	if (request->body->show.ready) {
		inherited_drop_stored(k);
		stop_tell_starter(k, EXIT_DONE);
	}
	answer_ok(k, request, 0);
}

static void
request_backstop(struct keeper *k, const struct request *request)
{
	k->backstop_ms = request->body->backstop.ms;
	answer_ok(k, request, 0);
}

static void
request_next(struct keeper *k, const struct request *request)
{
	if (request->body->next.image != 0)
		answer_error(k, request, -EOPNOTSUPP, "the executables of "
		    "this start are the only ones");
	else
		answer_ok(k, request, 0);
}

static void
request_exit(struct keeper *k, const struct request *request)
{
	const struct keeper_msg_exit *body = &request->body->exit;

	if (body->text[0] != '\0')
		log_error("%s", body->text);
	answer_ok(k, request, 0);
	stop_after_master(k, (int)body->status);
}

static void
request_order_taken(struct keeper *k, const struct request *request)
{
	answer(k, request, orders_taken(k, request->body->order_taken.order));
}

static void
request_accounts(struct keeper *k, const struct request *request)
{
	const struct checker_header *header = &k->first.header;
	uint32_t first = request->body->accounts.first;
	struct keeper_packet packet;
	struct keeper_msg_account_list *body = &packet.body.account_list;

	if (first > header->count) {
		answer_error(k, request, -EINVAL, NULL);
		return;
	}
	keeper_begin(&packet, KEEPER_ACCOUNT_LIST, request->ref);
	body->first = first;
	body->total = header->count;
	while (body->count < COUNT(body->uids) &&
	    first + body->count < header->count) {
		const struct checker_account *account =
		    &header->accounts[first + body->count];

		body->uids[body->count] = account->uid;
		body->gids[body->count++] = account->gid;
	}
	link_answer(k, &packet, 0, NULL, 0);
}

/* -- listeners and kept descriptors ---------------------------------------------- */

static void
answer_bound(struct keeper *k, const struct request *request,
    const struct listener *listener)
{
	struct keeper_packet packet;
	struct keeper_msg_bound *body = &packet.body.bound;

	keeper_begin(&packet, KEEPER_BOUND, request->ref);
	body->listener = listener->id;
	body->port = listener_port(listener);
	body->more = inherited_count(k, listener);
	body->address_len = listener->address_len;
	memcpy(body->address, listener->address, sizeof(body->address));
	link_answer(k, &packet, 0, &listener->fd, 1);
}

static void
request_bind(struct keeper *k, const struct request *request)
{
	struct listener *listener;
	struct errmsg err = { 0 };
	int rc = listener_bind(k, &request->body->bind, &listener, &err);

	if (rc == 0)
		answer_bound(k, request, listener);
	else
		answer_error(k, request, rc, err.text);
}

static void
request_remake(struct keeper *k, const struct request *request)
{
	struct listener *listener = listener_find(k,
	    request->body->remake.listener);
	struct errmsg err = { 0 };
	int rc;

	if (listener == NULL) {
		answer_error(k, request, -ENOENT, NULL);
		return;
	}
	rc = listener_remake(k, listener, &err);
	if (rc == 0)
		answer_bound(k, request, listener);
	else
		answer_error(k, request, rc, err.text);
}

static void
request_unbind(struct keeper *k, const struct request *request)
{
	struct listener *listener = listener_find(k,
	    request->body->unbind.listener);

	if (listener != NULL) {
		notify_forget_listener(k, listener);
		listener_close(listener);
	}
	answer(k, request, listener != NULL ? 0 : -ENOENT);
}

static void
request_keep(struct keeper *k, const struct request *request)
{
	const struct keeper_msg_keep *body = &request->body->keep;
	int fd = request->fds[0], rc = FP("keeper.keep");

	request->fds[0] = -1;
	if (body->kind == 0 || rc > 0) {
		fd_close(&fd);
		answer_error(k, request, rc > 0 ? -rc : -EINVAL, NULL);
		return;
	}
	answer(k, request, kept_add(k, body->kind, body->number, fd));
}

static void
request_drop(struct keeper *k, const struct request *request)
{
	answer(k, request, kept_drop(k, request->body->drop.kind,
	    request->body->drop.number));
}

/* -- processes ------------------------------------------------------------------- */

static struct spawn_fds *
find_spawn_fds(struct keeper *k, uint64_t id)
{
	for (unsigned i = 0; i < COUNT(k->spawn_fds); i++)
		if (k->spawn_fds[i].id == id)
			return &k->spawn_fds[i];
	return NULL;
}

static void
request_spawn_fds(struct keeper *k, const struct request *request)
{
	const struct keeper_msg_spawn_fds *body = &request->body->spawn_fds;
	struct spawn_fds *row = find_spawn_fds(k, body->id);

	if (body->id == 0) {
		answer_error(k, request, -EINVAL, NULL);
		return;
	}
	if (row == NULL)
		row = find_spawn_fds(k, 0);
	if (row == NULL) {
		answer_error(k, request, -ENOSPC, NULL);
		return;
	}
	if (body->count > KEEPER_SPAWN_LISTENERS - row->count) {
		answer_error(k, request, -ENOSPC, NULL);
		return;
	}
	row->id = body->id;
	memcpy(row->listeners + row->count, body->listeners,
	    body->count * sizeof(body->listeners[0]));
	row->count += body->count;
	answer_ok(k, request, 0);
}

/* Role, image and account are the keeper's to permit, whoever asks. */
static int
check_spawn(const struct keeper *k, const struct keeper_msg_spawn *body)
{
	const struct checker_header *header = &k->first.header;

	if (body->id <= KEEPER_FIRST_CHECKER || body->flags != 0)
		return -EINVAL;
	if (body->role != ROLE_WORKER && body->role != ROLE_CHECKER)
		return -EPERM;
	if (body->image != 0)
		return -EPERM;
	if (body->account >= header->count)
		return -EPERM;
	if (k->privileged && header->accounts[body->account].uid ==
	    header->accounts[header->user].uid)
		return -EPERM;
	if (k->stop.phase != STOP_NONE)
		return -ESHUTDOWN;
	return k->link.open < KEEPER_OPEN_MAX ? 0 : -EBUSY;
}

static void
answer_exists(struct keeper *k, const struct request *request,
    const struct process *process)
{
	struct keeper_packet packet;
	int fds[PF_WORKER_COUNT];
	size_t count = process_fd_count(process);

	keeper_begin(&packet, KEEPER_SPAWNED, request->ref);
	process_tell_spawned(process, 1, &packet.body.spawned);
	for (size_t i = 0; i < count; i++)
		fds[i] = process->fds[i] >= 0 ? process->fds[i] : k->null_fd;
	link_answer(k, &packet, 0, fds, count);
}

static void
answer_not_started(struct keeper *k, const struct request *request, int rc)
{
	struct keeper_packet packet;
	struct keeper_msg_spawn_failed *body = &packet.body.spawn_failed;

	keeper_begin(&packet, KEEPER_SPAWN_FAILED, request->ref);
	body->id = request->body->spawn.id;
	body->step = STEP_CLONE;
	record_put_text(body->step_name, sizeof(body->step_name),
	    child_step_name(STEP_CLONE));
	link_answer(k, &packet, (uint32_t)-rc, NULL, 0);
}

static void
spawn(struct keeper *k, const struct request *request,
    const struct spawn_fds *listeners)
{
	const struct keeper_msg_spawn *body = &request->body->spawn;
	struct process *process = process_find(&k->table, body->id);
	int rc;

	if (process != NULL) {
		answer_exists(k, request, process);
		return;
	}
	if ((rc = check_spawn(k, body)) != 0) {
		answer_error(k, request, rc, NULL);
		return;
	}
	rc = body->role == ROLE_WORKER ?
	    spawn_worker(k, body, listeners, &process) :
	    spawn_checker(k, body, &process);
	if (rc == -ENOENT || rc == -ENOSPC) {
		answer_error(k, request, rc, rc == -ENOENT ?
		    "no such snapshot or listener" : NULL);
	} else if (rc != 0) {
		answer_not_started(k, request, rc);
	} else {
		process->ref = request->ref;	/* answered after its exec */
		k->link.open++;
	}
}

static void
request_spawn(struct keeper *k, const struct request *request)
{
	struct spawn_fds *listeners = find_spawn_fds(k,
	    request->body->spawn.id);

	spawn(k, request, listeners);
	if (listeners != NULL)		/* they were for this one try */
		memset(listeners, 0, sizeof(*listeners));
}

static void
request_signal(struct keeper *k, const struct request *request)
{
	const struct keeper_msg_signal *body = &request->body->signal;
	const struct process *process = process_find(&k->table, body->id);
	int number = (int)body->signal, rc = -ESRCH;

	if (process != NULL && number > 0)
		rc = process_signal(process, number);
	/* A stopped process would not die of it. */
	if (rc == 0 && number == SIGABRT)
		rc = process_signal(process, SIGCONT);
	answer(k, request, rc);
}

static void
request_release(struct keeper *k, const struct request *request)
{
	struct process *process = process_find(&k->table,
	    request->body->release.id);

	if (process == NULL) {
		answer_error(k, request, -ESRCH, NULL);
		return;
	}
	if (process_is_alive(process)) {
		answer_error(k, request, -EBUSY, NULL);
		return;
	}
	if (process->id == KEEPER_FIRST_CHECKER) {
		fd_close(&k->first.keeper_fd);
		k->first.done = 1;
	}
	process_free(process);
	answer_ok(k, request, 0);
}

/* -- dispatch -------------------------------------------------------------------- */

typedef void handler(struct keeper *k, const struct request *request);

static handler *const handlers[KEEPER__COUNT] = {
	[KEEPER_ATTACH] = request_attach, [KEEPER_BIND] = request_bind,
	[KEEPER_UNBIND] = request_unbind, [KEEPER_REMAKE] = request_remake,
	[KEEPER_SPAWN] = request_spawn,
	[KEEPER_SPAWN_FDS] = request_spawn_fds,
	[KEEPER_SIGNAL] = request_signal, [KEEPER_RELEASE] = request_release,
	[KEEPER_KEEP] = request_keep, [KEEPER_DROP] = request_drop,
	[KEEPER_ACCOUNTS] = request_accounts, [KEEPER_SHOW] = request_show,
	[KEEPER_BACKSTOP] = request_backstop, [KEEPER_NEXT] = request_next,
	[KEEPER_EXIT] = request_exit,
	[KEEPER_ORDER_TAKEN] = request_order_taken,
};

static int
serve(struct keeper *k, const struct keeper_packet *packet, size_t len,
    int *fds, size_t count, struct errmsg *err)
{
	struct request request = { .ref = packet->header.ref,
	    .body = &packet->body, .fds = fds };
	int rc = keeper_check(packet, len, count, KEEPER_FROM_MASTER, err);

	if (rc != 0)
		return rc;
	if (request.ref == 0 || packet->header.code != 0)
		return errmsg_set(err, ERR_FORMAT, "a request without a "
		    "number");
	if ((packet->header.type == KEEPER_ATTACH) == k->link.attached)
		return errmsg_set(err, ERR_FORMAT, "ATTACH is the first "
		    "message, and only that");
	handlers[packet->header.type](k, &request);
	return 0;
}

int
requests_read(struct keeper *k, struct errmsg *err)
{
	int fds[FD_PASS_MAX], rc = 0;
	struct keeper_packet packet;
	size_t count = 0;

	for (int i = 0; rc == 0 && i < KEEPER_OPEN_MAX && link_may_read(k);
	    i++) {
		ssize_t n = fd_recv(k->link.fd, &packet, sizeof(packet), fds,
		    &count);

		if (n == -EAGAIN || n == -ENOMEM || n == -ENOBUFS)
			return 0;	/* poll says so again */
		if (n == -EMSGSIZE)
			return errmsg_set(err, ERR_FORMAT, "a message over "
			    "%d bytes", KEEPER_MESSAGE_MAX);
		if (n <= 0)
			return errmsg_set(err, ERR_SYSTEM, "closed its socket");
		rc = serve(k, &packet, (size_t)n, fds, count, err);
		fd_close_all(fds, count);
	}
	return rc;
}
