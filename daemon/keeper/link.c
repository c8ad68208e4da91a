/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* link.c: the socket to the master, outwards; see link.h. */
#include "daemon/keeper/link.h"

#include <errno.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "daemon/keeper/child.h"
#include "daemon/keeper/listeners.h"

void
link_reset(struct keeper *k)
{
	struct link *link = &k->link;

	fd_close(&link->fd);
	memset(link, 0, sizeof(*link));
	link->fd = -1;
	for (unsigned i = 0; i < k->table.used; i++) {
		struct process *process = &k->table.rows[i];

		process->announced = 0;
		process->ref = 0;
		if (process->failed)
			process->id = 0;
		process->due &= (uint8_t)~(DUE_SPAWNED | DUE_FAILED);
	}
	memset(k->spawn_fds, 0, sizeof(k->spawn_fds));
}

/* 0, -EAGAIN (blocked, to be tried again), or another -errno. */
static int
send_packet(struct link *link, const struct keeper_packet *packet, size_t len,
    const int *fds, size_t count)
{
	int rc;

	if (link->fd < 0)
		return -ENOTCONN;
	rc = fd_send(link->fd, packet, len, fds, count);
	if (rc == -ETOOMANYREFS || rc == -ENOBUFS || rc == -ENOMEM) {
		link->retry_ns = clock_now_ns() + 10 * NS_PER_MS;
		return -EAGAIN;
	}
	if (rc == -EAGAIN)
		link->blocked = 1;
	return rc;
}

void
link_answer(struct keeper *k, struct keeper_packet *packet, uint32_t code,
    const int *fds, size_t count)
{
	struct link *link = &k->link;
	size_t len = keeper_end(packet, code, count);

	if (send_packet(link, packet, len, fds, count) != -EAGAIN)
		return;		/* a broken socket is seen by poll */
	link->answer_waits = 1;
	link->answer = *packet;
	link->answer_len = len;
	link->answer_count = count;
	if (count > 0)
		memcpy(link->answer_fds, fds, count * sizeof(*fds));
}

int
link_may_read(const struct keeper *k)
{
	return k->link.fd >= 0 && !k->link.answer_waits &&
	    k->link.inventory == INVENTORY_DONE;
}

void
link_start_inventory(struct keeper *k)
{
	k->link.inventory = INVENTORY_LISTENERS;
	k->link.cursor = 0;
	k->link.listeners = k->link.kept = k->link.processes = 0;
}

/* Where /proc could not be opened, the master gets /dev/null. */
static size_t
fds_of(const struct keeper *k, const struct process *process, int *fds)
{
	size_t count = process_fd_count(process);

	for (size_t i = 0; i < count; i++)
		fds[i] = process->fds[i] >= 0 ? process->fds[i] : k->null_fd;
	return count;
}

/* -- inventory --------------------------------------------------------------- */

static int
have_listener(struct keeper *k, const struct listener *row)
{
	struct keeper_packet packet;
	struct keeper_msg_have_listener *body = &packet.body.have_listener;

	if (row->fd < 0)
		return 0;
	keeper_begin(&packet, KEEPER_HAVE_LISTENER, 0);
	body->listener = row->id;
	body->port = listener_port(row);
	body->address_len = row->address_len;
	body->flags = row->flags;
	memcpy(body->address, row->address, sizeof(body->address));
	k->link.listeners++;
	return send_packet(&k->link, &packet, keeper_end(&packet, 0, 1),
	    &row->fd, 1);
}

static int
have_kept(struct keeper *k, const struct kept *row)
{
	struct keeper_packet packet;

	if (row->fd < 0)
		return 0;
	keeper_begin(&packet, KEEPER_HAVE_KEPT, 0);
	packet.body.have_kept.number = row->number;
	packet.body.have_kept.kind = row->kind;
	k->link.kept++;
	return send_packet(&k->link, &packet, keeper_end(&packet, 0, 1),
	    &row->fd, 1);
}

static int
have_process(struct keeper *k, struct process *row)
{
	struct keeper_packet packet;
	int fds[PF_WORKER_COUNT], rc;
	size_t count;

	if (row->state == PROCESS_FREE || row->failed || row->announced)
		return 0;
	keeper_begin(&packet, KEEPER_HAVE_WORKER, 0);
	process_tell_have(row, &packet.body.have_worker);
	count = fds_of(k, row, fds);
	rc = send_packet(&k->link, &packet, keeper_end(&packet, 0, count),
	    fds, count);
	if (rc == 0) {
		row->announced = 1;
		if (row->state == PROCESS_EXITED)
			row->due &= (uint8_t)~DUE_EXITED;
	}
	k->link.processes++;
	return rc;
}

static int
have_end(struct keeper *k)
{
	struct keeper_packet packet;

	keeper_begin(&packet, KEEPER_HAVE_END, 0);
	packet.body.have_end.listeners = k->link.listeners;
	packet.body.have_end.kept = k->link.kept;
	packet.body.have_end.workers = k->link.processes;
	return send_packet(&k->link, &packet, keeper_end(&packet, 0, 0), NULL,
	    0);
}

/* Tell row `cursor` of the present table; a row that is not sent is not
 * counted. */
static int
inventory_row(struct keeper *k, unsigned *rows)
{
	struct link *link = &k->link, before = *link;
	int rc = 0;

	switch (link->inventory) {
	case INVENTORY_DONE:
		break;
	case INVENTORY_LISTENERS:
		*rows = KEEPER_LISTENERS_MAX;
		rc = have_listener(k, &k->listeners[link->cursor]);
		break;
	case INVENTORY_KEPT:
		*rows = KEEPER_KEPT_MAX;
		rc = have_kept(k, &k->kept[link->cursor]);
		break;
	case INVENTORY_PROCESSES:
		*rows = k->table.used;
		if (link->cursor < *rows)
			rc = have_process(k, &k->table.rows[link->cursor]);
		break;
	case INVENTORY_END:
		(void)FP("keeper.before_have_end");
		*rows = 1;
		rc = have_end(k);
		break;
	}
	if (rc != 0) {
		link->listeners = before.listeners;
		link->kept = before.kept;
		link->processes = before.processes;
	}
	return rc;
}

static int
send_inventory(struct keeper *k)
{
	struct link *link = &k->link;

	while (link->inventory != INVENTORY_DONE) {
		unsigned rows = 0;
		int rc = inventory_row(k, &rows);

		if (rc != 0)
			return rc;
		if (++link->cursor < rows)
			continue;
		link->cursor = 0;
		link->inventory = link->inventory == INVENTORY_END ?
		    INVENTORY_DONE : link->inventory + 1;
	}
	return 0;
}

/* -- events and late answers --------------------------------------------------- */

static int
send_spawned(struct keeper *k, struct process *row)
{
	struct keeper_packet packet;
	int fds[PF_WORKER_COUNT], rc;
	size_t count = fds_of(k, row, fds);

	keeper_begin(&packet, KEEPER_SPAWNED, row->ref);
	process_tell_spawned(row, 0, &packet.body.spawned);
	rc = send_packet(&k->link, &packet, keeper_end(&packet, 0, count), fds,
	    count);
	if (rc == 0) {
		row->due &= (uint8_t)~DUE_SPAWNED;
		row->announced = 1;
		k->link.open--;
	}
	return rc;
}

static int
send_failed(struct keeper *k, struct process *row)
{
	struct keeper_msg_spawn_failed *body;
	struct keeper_packet packet;
	int rc;

	keeper_begin(&packet, KEEPER_SPAWN_FAILED, row->ref);
	body = &packet.body.spawn_failed;
	body->id = row->id;
	body->step = row->failed_step;
	record_put_text(body->step_name, sizeof(body->step_name),
	    child_step_name(row->failed_step));
	rc = send_packet(&k->link, &packet, keeper_end(&packet,
	    row->failed_error, 0), NULL, 0);
	if (rc == 0) {
		row->due &= (uint8_t)~DUE_FAILED;
		row->id = 0;	/* may be tried again before we have reaped */
		k->link.open--;
	}
	return rc;
}

static int
send_exited(struct keeper *k, struct process *row)
{
	struct keeper_packet packet;
	int rc;

	keeper_begin(&packet, KEEPER_EXITED, 0);
	process_tell_exited(row, &packet.body.exited);
	rc = send_packet(&k->link, &packet, keeper_end(&packet, 0, 0), NULL, 0);
	if (rc == 0)
		row->due &= (uint8_t)~DUE_EXITED;
	return rc;
}

static int
send_due_row(struct keeper *k, struct process *row)
{
	int rc = 0;

	if (row->due & DUE_SPAWNED)
		rc = send_spawned(k, row);
	if (rc == 0 && row->due & DUE_FAILED)
		rc = send_failed(k, row);
	if (rc == 0 && row->due & DUE_EXITED && row->announced)
		rc = send_exited(k, row);
	/* Nobody will release what never started. */
	if (rc == 0 && row->failed && row->state == PROCESS_EXITED)
		process_free(row);
	return rc;
}

static int
send_order(struct keeper *k, uint32_t number)
{
	struct keeper_packet packet;
	int rc;

	keeper_begin(&packet, KEEPER_ORDER, 0);
	packet.body.order.order = number;
	rc = send_packet(&k->link, &packet, keeper_end(&packet, 0, 0), NULL, 0);
	if (rc == 0) {
		k->orders[number].due = 0;
		k->orders[number].open = 1;
	}
	return rc;
}

static int
send_due(struct keeper *k)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < k->table.used; i++)
		if (k->table.rows[i].state != PROCESS_FREE &&
		    (k->table.rows[i].due != 0 || k->table.rows[i].failed))
			rc = send_due_row(k, &k->table.rows[i]);
	for (uint32_t i = 1; rc == 0 && i <= ORDER__LAST; i++)
		if (k->orders[i].due && !k->orders[i].open)
			rc = send_order(k, i);
	return rc;
}

int
link_flush(struct keeper *k)
{
	struct link *link = &k->link;
	int rc;

	if (link->fd < 0 || link->blocked || !link->attached)
		return 0;
	if (link->retry_ns > clock_now_ns())
		return 0;
	link->retry_ns = 0;
	if (link->answer_waits) {
		rc = send_packet(link, &link->answer, link->answer_len,
		    link->answer_fds, link->answer_count);
		if (rc != 0)
			return rc == -EAGAIN ? 0 : rc;
		link->answer_waits = 0;
	}
	rc = send_inventory(k);
	if (rc == 0)
		rc = send_due(k);
	return rc == -EAGAIN ? 0 : rc;
}
