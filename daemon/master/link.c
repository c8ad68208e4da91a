/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * link.c: requests to the keeper and what it says of itself.
 * Used by every part of the master that needs a descriptor, a process or a
 * signal.  Order is kept: SPAWN_FDS before its SPAWN.
 */
#include "daemon/master/link.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "daemon/master/master.h"

enum {
	LATER_MS = 100,
	PATIENCE_MS = 10000,		/* of a change that asks for something */
	FDS_OF_PROCESS = 8,		/* that come with SPAWNED */
	FDS_ALWAYS = 2,			/* numbers that are kept in any case */
	FDS_MAX = FDS_ALWAYS + KEEPER_OPEN_MAX * FDS_OF_PROCESS,
};

struct request {
	struct request *next;
	struct keeper_packet packet;
	size_t len, count;
	int fds[FD_PASS_MAX];
	bool refused;			/* they could not be kept */
	uint64_t until_ms;		/* then it is refused; or UINT64_MAX */
	link_answer answer;
	uint64_t about;
};

struct open_request {
	uint32_t ref;		/* 0: free */
	uint16_t type;
	link_answer answer;
	uint64_t about;
};

struct link {
	struct master *master;
	const struct link_handler *handler;
	int fd;
	struct event *readable, *writable;
	struct event *later;		/* the machine had no means */
	struct request *first, **last;
	size_t waiting, open;
	uint32_t next_ref;
	struct open_request requests[KEEPER_OPEN_MAX];
	/* Numbers for what is to come: a message without room for its
	 * descriptors loses them. */
	int spares[FDS_MAX];
	unsigned spare_count, starting;	/* processes that were reserved for */
};

static void link_flush(struct link *link);

static void
request_free(struct request *request)
{
	fd_close_all(request->fds, request->count);
	memory_free(request);
}

/* Until the machine has means again. */
static void
link_wait(struct link *link)
{
	const struct timeval pause = { 0,
		(suseconds_t)clock_scaled_ms(LATER_MS) * 1000 };

	event_add(link->later, &pause);
}

/* -- descriptors --------------------------------------------------------------------- */

/* Are there numbers for so many processes? */
static bool
link_hold(struct link *link, unsigned starting)
{
	unsigned wanted = FDS_ALWAYS + starting * FDS_OF_PROCESS;

	while (link->spare_count < wanted) {
		int fd = fcntl(link->fd, F_DUPFD_CLOEXEC, 0);

		if (fd < 0)
			return false;
		link->spares[link->spare_count++] = fd;
	}
	while (link->spare_count > wanted)
		fd_close(&link->spares[--link->spare_count]);
	return true;
}

/* For one message. */
static void
link_let_go(struct link *link)
{
	for (int i = 0; i < FDS_OF_PROCESS && link->spare_count > 0; i++)
		fd_close(&link->spares[--link->spare_count]);
}

bool
link_reserve(struct link *link)
{
	if (link->starting == KEEPER_OPEN_MAX ||
	    !link_hold(link, link->starting + 1)) {
		(void)link_hold(link, link->starting);
		return false;
	}
	link->starting++;
	return true;
}

static void
link_refuse_with(struct master *m, link_answer answer, uint64_t about, int code,
    const char *text)
{
	struct keeper_packet packet;
	const struct link_packet refusal = { .packet = &packet };

	keeper_begin(&packet, KEEPER_ERROR, 0);
	packet.header.code = (uint32_t)code;
	record_put_text(packet.body.error.text, sizeof(packet.body.error.text),
	    text);
	answer(m, about, &refusal);
}

void
link_refuse(struct master *m, link_answer answer, uint64_t about)
{
	if (answer == NULL)
		log_warn("keeper: no descriptors for a request");
	else
		link_refuse_with(m, answer, about, EMFILE,
		    "the master has no descriptors for it");
}

/* -- answers -------------------------------------------------------------------------- */

static struct open_request *
link_find(struct link *link, uint32_t ref)
{
	for (size_t i = 0; i < KEEPER_OPEN_MAX; i++)
		if (link->requests[i].ref == ref)
			return &link->requests[i];
	return NULL;
}

static void
link_answered(struct link *link, const struct link_packet *packet)
{
	const struct keeper_packet *p = packet->packet;
	struct open_request *slot = link_find(link, p->header.ref);
	struct open_request done;

	if (slot == NULL) {
		log_warn("keeper: an answer to nothing, ref %u", p->header.ref);
		return;
	}
	done = *slot;
	slot->ref = 0;
	link->open--;
	if (done.type == KEEPER_SPAWN && link->starting > 0)
		link->starting--;
	if (done.answer != NULL)
		done.answer(link->master, done.about, packet);
	else if (p->header.type == KEEPER_ERROR)
		log_warn("keeper: %s refused: %s",
		    keeper_record(done.type)->name, p->body.error.text);
}

static void
link_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct link *link = arg;
	struct keeper_packet packet;
	struct link_packet it = { .packet = &packet };
	int fds[FD_PASS_MAX];
	struct errmsg err;
	ssize_t len;

	(void)what;
	/* Bounded: other descriptors have their turn too. */
	for (int i = 0; i < 256; i++) {
		it.count = 0;
		link_let_go(link);
		len = fd_recv(fd, &packet, sizeof(packet), fds, &it.count);
		if (len == -EAGAIN)
			break;
		if (len == -ENOMEM || len == -ENOBUFS) {
			event_del(link->readable);
			link_wait(link);
			break;
		}
		if (len <= 0) {
			link->handler->lost(link->master, len == 0 ? "closed" :
			    strerror((int)-len));
			return;
		}
		it.fds = fds;
		if (keeper_check(&packet, (size_t)len, it.count,
		    KEEPER_FROM_KEEPER, &err) != 0) {
			fd_close_all(fds, it.count);
			link->handler->lost(link->master, err.text);
			return;
		}
		if (packet.header.ref != 0)
			link_answered(link, &it);
		else
			link->handler->event(link->master, &it);
		fd_close_all(fds, it.count);
		(void)link_hold(link, link->starting);
	}
	(void)link_hold(link, link->starting);
	link_flush(link);
}

static void
link_on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	link_flush(arg);
}

/* What a change waits for, and its client with it.  All else is as good later: what
 * an adoption asks for must come, and a worker that is to start has a limit of its
 * own. */
static bool
link_has_end(const struct link *link, const struct keeper_packet *packet)
{
	if (packet->header.type == KEEPER_SPAWN)
		return packet->body.spawn.role == ROLE_CHECKER;
	return link->master->change != NULL &&
	    (packet->header.type == KEEPER_KEEP ||
	    packet->header.type == KEEPER_BIND);
}

/* Refusing one may bring others, so they are taken out of the line first. */
static void
link_refuse_late(struct link *link)
{
	struct request *late = NULL, **end = &late, **at = &link->first, *r;

	while ((r = *at) != NULL) {
		if (clock_now_ms() < r->until_ms) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		*end = r;
		end = &r->next;
		link->waiting--;
	}
	*end = NULL;
	link->last = at;
	while ((r = late) != NULL) {
		late = r->next;
		if (r->packet.header.type == KEEPER_SPAWN)
			link->starting--;
		link_refuse_with(link->master, r->answer, r->about, ENOBUFS,
		    "the keeper could not be asked in 10 s");
		request_free(r);
	}
}

static void
link_on_later(evutil_socket_t fd, short what, void *arg)
{
	struct link *link = arg;

	(void)fd;
	(void)what;
	event_add(link->readable, NULL);
	link_refuse_late(link);
	link_flush(link);
}

int
link_open(struct event_base *base, int fd, const struct link_handler *handler,
    struct master *master, struct link **out, struct errmsg *err)
{
	struct link *link = calloc(1, sizeof(*link));

	if (link == NULL)
		return errmsg_set(err, ERR_MEMORY, "out of memory");
	link->master = master;
	link->handler = handler;
	link->fd = fd;
	link->last = &link->first;
	fd_set_nonblock(fd);
	link->readable = event_new(base, fd, EV_READ | EV_PERSIST,
	    link_on_readable, link);
	link->writable = event_new(base, fd, EV_WRITE, link_on_writable, link);
	link->later = evtimer_new(base, link_on_later, link);
	if (link->readable == NULL || link->writable == NULL ||
	    link->later == NULL ||
	    event_add(link->readable, NULL) != 0) {
		link_free(link);
		return errmsg_set(err, ERR_MEMORY, "out of memory");
	}
	(void)link_hold(link, 0);
	*out = link;
	return 0;
}

void
link_free(struct link *link)
{
	struct request *next;

	if (link == NULL)
		return;
	if (link->readable != NULL)
		event_free(link->readable);
	if (link->writable != NULL)
		event_free(link->writable);
	if (link->later != NULL)
		event_free(link->later);
	fd_close_all(link->spares, link->spare_count);
	for (struct request *r = link->first; r != NULL; r = next) {
		next = r->next;
		request_free(r);
	}
	free(link);
}

/* 1: sent; 0: it must wait. */
static int
link_send(struct link *link, struct keeper_packet *packet, size_t len,
    const int *fds, size_t count, link_answer answer, uint64_t about)
{
	struct open_request *slot = link_find(link, 0);
	int rc;

	if (slot == NULL)
		return 0;
	if (++link->next_ref == 0)
		link->next_ref = 1;
	packet->header.ref = link->next_ref;
	rc = fd_send(link->fd, packet, len, fds, count);
	if (rc == -EAGAIN) {
		event_add(link->writable, NULL);
		return 0;
	}
	/* It is writable, and waiting for that would end at once. */
	if (rc == -ENOBUFS || rc == -ENOMEM || rc == -ETOOMANYREFS) {
		link_wait(link);
		return 0;
	}
	if (rc != 0)		/* the reading side says that it is gone */
		return 1;
	slot->ref = packet->header.ref;
	slot->type = packet->header.type;
	slot->answer = answer;
	slot->about = about;
	link->open++;
	return 1;
}

static void
link_flush(struct link *link)
{
	struct request *r;

	while ((r = link->first) != NULL) {
		if (!r->refused && !link_send(link, &r->packet, r->len,
		    r->fds, r->count, r->answer, r->about))
			return;
		link->first = r->next;
		if (link->first == NULL)
			link->last = &link->first;
		link->waiting--;
		if (r->refused)
			link_refuse(link->master, r->answer, r->about);
		request_free(r);
	}
}

void
link_request(struct link *link, struct keeper_packet *packet, const int *fds,
    size_t count, link_answer answer, uint64_t about)
{
	size_t len = keeper_end(packet, 0, count);
	struct request *r;

	CHECK(count <= FD_PASS_MAX);
	if (link->first == NULL &&
	    link_send(link, packet, len, fds, count, answer, about))
		return;
	r = memory_new(sizeof(*r));
	memcpy(&r->packet, packet, len);
	r->len = len;
	r->answer = answer;
	r->about = about;
	r->until_ms = answer != NULL && link_has_end(link, packet) ?
	    clock_now_ms() + clock_scaled_ms(PATIENCE_MS) : UINT64_MAX;
	for (size_t i = 0; i < count && !r->refused; i++) {
		r->fds[i] = dup(fds[i]);
		if (r->fds[i] < 0)
			r->refused = true;
		else
			r->count++;
	}
	*link->last = r;
	link->last = &r->next;
	link->waiting++;
}

size_t
link_waiting(const struct link *link)
{
	return link->waiting + link->open;
}
