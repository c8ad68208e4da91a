/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * beat.c: every 250 ms: the page is written, the master's beat is looked at,
 * and so are our own descriptors, which a plugin may have closed.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdalign.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "daemon/scoreboard/read.h"
#include "daemon/worker/clients.h"
#include "daemon/worker/worker.h"

enum {
	BEAT_MS = 250,
	MASTER_STALE_MS = 1000, MASTER_FRESH_MS = 500,
	FDS_EVERY = 8,			/* beats between two counts of fds */
};

/* Without opendir(), which uses the heap: a warm worker does not. */
static uint32_t
count_fds(void)
{
	int fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	alignas(struct dirent64) char entries[4096];
	uint32_t count = 0;
	long got;

	if (fd < 0)
		return 0;
	while ((got = syscall(SYS_getdents64, fd, entries,
	    sizeof(entries))) > 0)
		for (long at = 0; at < got; count++)
			at += ((struct dirent64 *)(entries + at))->d_reclen;
	close(fd);
	return count > 3 ? count - 3 : 0;	/* ".", "..", the directory */
}

/* ---- the master ------------------------------------------------------------------------ */

/*
 * Without a master we accept for ourselves: told by the keeper, or its beat
 * is stale; until a beat has been fresh for a while, after MASTER_LOST that of
 * another master.
 */
static void
watch_master(struct worker *worker, uint64_t now_ns)
{
	uint64_t beat_ns = page_read_beat(&worker->master_page->page);
	uint32_t number = page_read_number(&worker->master_page->page);
	bool fresh = beat_ns + clock_scaled_ms(MASTER_STALE_MS) * NS_PER_MS >
	    now_ns;

	if (!worker->alone) {
		if (!fresh) {
			worker->alone = true;
			worker->fresh_since_ns = 0;
			worker->lost_number = 0;
			accept_update(worker);
		}
		return;
	}
	if (!fresh || number == worker->lost_number) {
		worker->fresh_since_ns = 0;
		return;
	}
	if (worker->fresh_since_ns == 0)
		worker->fresh_since_ns = now_ns;
	if (now_ns - worker->fresh_since_ns >=
	    clock_scaled_ms(MASTER_FRESH_MS) * NS_PER_MS) {
		worker->alone = false;
		accept_update(worker);
	}
}

/* ---- our own descriptors ------------------------------------------------------------------ */

static void
watch_descriptors(struct worker *worker)
{
	for (int fd = WORKER_FD_CHANNEL; fd < WORKER_FD_LISTENERS; fd++)
		if (worker->own[fd].ino != 0 &&
		    !file_is_at(fd, &worker->own[fd]))
			drain_leave(worker, LEAVING_LOST_FD);
	for (unsigned i = 0; i < WORKER_LISTENERS_MAX; i++) {
		const struct listener *listener = &worker->listeners[i];

		if (listener->fd >= 0 &&
		    !file_is_at(listener->fd, &listener->socket))
			drain_leave(worker, LEAVING_LOST_FD);
	}
}

static void
remember_descriptors(struct worker *worker)
{
	struct stat status;

	for (int fd = WORKER_FD_CHANNEL; fd < WORKER_FD_LISTENERS; fd++)
		if (fstat(fd, &status) == 0)
			worker->own[fd] = file_id_of(&status);
}

/* ---- the beat --------------------------------------------------------------------------------- */

void
beat_now(struct worker *worker)
{
	uint64_t now_ns = clock_now_ns();

	board_wake(&worker->board, now_ns);
	board_beat(&worker->board, now_ns, worker->loops);
	worker->loops = 0;
	clients_tick(worker, now_ns);
	lines_tick();
	if (worker->beats++ % FDS_EVERY == 0)
		WORD_SET(worker->board.page->gauges.fds, count_fds());
}

static void
on_beat(evutil_socket_t fd, short what, void *arg)
{
	struct worker *worker = arg;

	(void)fd;
	(void)what;
	beat_now(worker);
	if (!worker->keeper_lost) {
		watch_master(worker, clock_now_ns());
		mail_tick(worker);
	}
	if (worker->beats % 2 == 0 && !worker->keeper_lost)
		watch_descriptors(worker);
	host_tick(&worker->host, clock_now_ns());
	access_tick(worker, clock_now_ns());
	accept_update(worker);
	talk_flush(worker);
	drain_check(worker);
}

void
beat_init(struct worker *worker)
{
	unsigned ms = clock_scaled_ms(BEAT_MS);
	struct timeval time = { ms / 1000, ms % 1000 * 1000 };

	remember_descriptors(worker);
	event_assign(&worker->beat_event, worker->base, -1, EV_PERSIST,
	    on_beat, worker);
	event_add(&worker->beat_event, &time);
}
