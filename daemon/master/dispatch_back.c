/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * dispatch_back.c: connections that a dead or stalled worker had not taken, and
 * the one in hand: they come before what is new.
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/failpoint.h"
#include "common/base/fd.h"
#include "daemon/master/dispatch.h"
#include "daemon/master/dispatch_parts.h"
#include "daemon/master/life.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/turn.h"
#include "daemon/proto/connection.h"

/* Not poll(): of a socket that its worker has shut, that is readable for ever. */
static bool
has_message(int fd)
{
	char byte;

	return fd >= 0 && recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static void
count_taken_back(struct master *m, struct process *from)
{
	from->taken_back++;
	m->pool[from->pool].taken_back++;
}

static void
drop_message(int end)
{
	struct connection_passed message;
	int fds[FD_PASS_MAX];
	size_t count = 0;

	if (fd_recv(end, &message, sizeof(message), fds, &count) > 0)
		fd_close_all(fds, count);
}

/*
 * One from a dead worker.  Nobody else reads there, so it is sent on first and
 * taken out then, and a master that dies in between loses nothing: its number
 * in our page tells the next one what was sent on already.  It goes on under
 * another number, as its next worker may die before it takes it, too.  Returns
 * as take_back_one().
 */
static int
give_away_one(struct master *m, struct process *from)
{
	uint64_t *given_away = &m->page->beat.given_away;
	struct connection_passed message;
	int end = from->fd[PFD_CONNECTIONS_END], fds[FD_PASS_MAX], rc = 1;
	size_t count = 0;
	ssize_t len = fd_peek(end, &message, sizeof(message), fds, &count);

	if (len <= 0)
		return 0;
	if (len == sizeof(message) && count == 1 && message.number !=
	    __atomic_load_n(given_away, __ATOMIC_RELAXED)) {
		uint64_t number = message.number;

		(void)FP("dispatch.take_back");
		message.flags |= CONNECTION_TAKEN_BACK;
		message.number = m->connection_number++;
		__atomic_store_n(given_away, number, __ATOMIC_RELAXED);
		rc = dispatch_pass(m, from->pool, &message, fds[0]) ? 1 : -1;
		(void)FP("dispatch.taken_back");
		if (rc < 0)
			__atomic_store_n(given_away, UINT64_MAX,
			    __ATOMIC_RELAXED);
		else
			count_taken_back(m, from);
	}
	fd_close_all(fds, count);
	if (rc > 0)
		drop_message(end);
	return rc;
}

/* One from a worker that may wake up and read as well: a message has exactly
 * one reader, so it is taken out first.  Returns as take_back_one(). */
static int
read_back_one(struct master *m, struct process *from)
{
	struct connection_passed message;
	int fds[FD_PASS_MAX];
	size_t count = 0;
	ssize_t len = fd_recv(from->fd[PFD_CONNECTIONS_END], &message,
	    sizeof(message), fds, &count);

	if (len <= 0)
		return 0;
	(void)FP("dispatch.read_back");
	if (len == sizeof(message) && count == 1) {
		message.flags |= CONNECTION_TAKEN_BACK;
		count_taken_back(m, from);
		if (!dispatch_pass(m, from->pool, &message, fds[0])) {
			/* In hand, sent before anything else. */
			m->pool[from->pool].hand_fd = fds[0];
			m->pool[from->pool].hand = message;
			return -1;
		}
	}
	fd_close_all(fds, count);
	return 1;
}

bool
dispatch_hold_number(struct master *m)
{
	int fd;

	if (m->back_fd == 0 && (fd = fcntl(MASTER_FD_KEEPER, F_DUPFD_CLOEXEC,
	    MASTER_FD_KEEPER)) > 0)
		m->back_fd = fd;
	return m->back_fd != 0;
}

bool
dispatch_lend_number(struct master *m)
{
	if (m->back_fd == 0)
		return false;
	close(m->back_fd);
	m->back_fd = 0;
	return true;
}

/* One connection from the queue of `from' to another worker.  1: moved; 0: its
 * queue is empty; -1: nobody has room, or we have no number to take it with: the
 * descriptor of what is received without one is lost. */
static int
take_back_one(struct master *m, struct process *from)
{
	int rc;

	if (!has_message(from->fd[PFD_CONNECTIONS_END]))
		return 0;
	dispatch_collect(m, from->pool, from);
	if (dispatch_choose(m, from->pool) < 0 || !dispatch_hold_number(m))
		return -1;
	(void)dispatch_lend_number(m);
	rc = from->exited ? give_away_one(m, from) : read_back_one(m, from);
	(void)dispatch_hold_number(m);
	return rc;
}

bool
dispatch_take_back(struct master *m, uint16_t pool)
{
	const struct memo_copy *copy = turn_look(m);
	int rc = 1;

	for (struct process *p = m->graves; p != NULL; p = p->next) {
		while (p->pool == pool && (rc = take_back_one(m, p)) == 1)
			;
		if (rc < 0)
			return false;
	}
	for (uint16_t i = 0; i < copy->workers; i++) {
		struct process *p = m->process[i];

		while (p != NULL && p->pool == pool &&
		    (p->stalled || p->deaf) &&
		    (rc = take_back_one(m, p)) == 1)
			;
		if (rc < 0)
			return false;
	}
	return true;
}

/* The next one in its queue that was not sent on yet; -1: none. */
static int
take_out_one(struct master *m, struct process *from)
{
	struct connection_passed message;
	int fds[FD_PASS_MAX];

	while (has_message(from->fd[PFD_CONNECTIONS_END])) {
		size_t count = 0;
		ssize_t len = fd_recv(from->fd[PFD_CONNECTIONS_END], &message,
		    sizeof(message), fds, &count);

		if (len == sizeof(message) && count == 1 && message.number !=
		    __atomic_load_n(&m->page->beat.given_away,
		    __ATOMIC_RELAXED))
			return fds[0];
		fd_close_all(fds, count);
	}
	return -1;
}

int
dispatch_take_waiting(struct master *m, uint16_t pool)
{
	int fd = m->pool[pool].hand_fd;

	m->pool[pool].hand_fd = -1;
	for (struct process *p = m->graves; p != NULL && fd < 0; p = p->next)
		if (p->pool == pool)
			fd = take_out_one(m, p);
	return fd;
}

void
dispatch_forget_pool(struct master *m, uint16_t pool)
{
	for (struct process *p = m->graves; p != NULL; p = p->next)
		if (p->pool == pool)
			p->pool = MEMO_NONE;
}

/* Dead and empty: the keeper may forget it. */
void
dispatch_release_empty(struct master *m)
{
	struct process **at = &m->graves, *process;

	while ((process = *at) != NULL) {
		if (!process->exited || has_message(process->fd[PFD_CONNECTIONS_END])) {
			at = &process->next;
			continue;
		}
		*at = process->next;
		life_release(m, process->id);
		process_free(process);
	}
}

bool
dispatch_send_hand(struct master *m, uint16_t pool)
{
	struct pool_run *run = &m->pool[pool];

	if (run->hand_fd < 0)
		return true;
	dispatch_collect(m, pool, NULL);
	if (!dispatch_pass(m, pool, &run->hand, run->hand_fd))
		return false;
	fd_close(&run->hand_fd);
	return true;
}
