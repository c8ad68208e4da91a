/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* master.c: the life of the master as the keeper sees it; see master.h. */
#include "daemon/keeper/master.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "daemon/keeper/first.h"
#include "daemon/keeper/link.h"
#include "daemon/keeper/orders.h"
#include "daemon/keeper/priority.h"
#include "daemon/keeper/spawn.h"
#include "daemon/keeper/stop.h"
#include "daemon/proto/memo.h"
#include "daemon/proto/messages.h"
#include "daemon/proto/roster.h"

enum { EARLY_LIFE_MS = 60000, SILENT_MS = 10000, FIRST_TRIES = 5 };

/* A memfd that neither shrinks nor grows, and that only the holder of this
 * description writes: others cannot open it again. */
static int
make_memory(const char *name, off_t size, int *made)
{
	int fd = fd_memfd(name), error;

	if (fd < 0)
		return fd;
	if (fchmod(fd, 0600) < 0 || ftruncate(fd, size) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW |
	    F_SEAL_SEAL) < 0) {
		error = errno;
		close(fd);
		return -error;
	}
	*made = fd;
	return 0;
}

int
master_init(struct keeper *k)
{
	struct page_head head = { .magic = PAGE_MAGIC,
	    .version = PAGE_VERSION, .head_size = sizeof(head),
	    .size = MASTER_PAGE_BYTES, .name = "master" };
	char path[40];
	void *page;
	int rc;

	if ((rc = make_memory("clusterd-memo", MEMO_SIZE, &k->memo_fd)) != 0 ||
	    (rc = make_memory("clusterd-master-page", MASTER_PAGE_BYTES,
	    &k->page_fd)) != 0)
		return rc;
	if ((rc = fd_put(k->page_fd, &head, sizeof(head))) != 0)
		return rc;
	page = mmap(NULL, PAGE_SIZE_BYTES, PROT_READ, MAP_SHARED, k->page_fd,
	    0);
	if (page == MAP_FAILED)
		return -errno;
	k->page = page;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", k->page_fd);
	k->page_read_fd = open(path, O_RDONLY | O_CLOEXEC);
	/* Without /proc workers get what they could write; they do not. */
	if (k->page_read_fd < 0)
		k->page_read_fd = fcntl(k->page_fd, F_DUPFD_CLOEXEC, 3);
	return k->page_read_fd < 0 ? -errno : 0;
}

/* -- start --------------------------------------------------------------------- */

static uint64_t
backoff_ms(uint32_t deaths)
{
	uint64_t ms;

	if (deaths <= 1)
		return 0;
	ms = deaths > 6 ? 5000 : 250ULL << (deaths - 2);
	return clock_scaled_ms(ms < 5000 ? (unsigned)ms : 5000);
}

/* It ended or never came to be: the next one after its back-off. */
static void
schedule(struct keeper *k)
{
	struct master *master = &k->master;

	master->state = MASTER_ABSENT;
	fd_close(&master->pidfd);
	fd_close(&master->failure);
	if (k->stop.phase != STOP_NONE) {
		master->deadline_ns = 0;
		return;
	}
	if (!k->first.done && master->early >= FIRST_TRIES) {
		log_error("the master ended %u times before it served, the "
		    "last time with %s", master->early, master->last);
		stop_failed(k, EXIT_FAILED);
		return;
	}
	master->deadline_ns = clock_now_ns() +
	    backoff_ms(master->early) * NS_PER_MS;
}

void
master_start(struct keeper *k)
{
	struct master *master = &k->master;
	struct child child;
	int pair[2], rc;

	master->number++;
	if ((rc = fd_seqpacket_pair(pair)) == 0) {
		rc = spawn_master(k, pair[1], &child);
		if (rc != 0)
			close(pair[0]);
	}
	if (rc != 0) {
		log_error("cannot start the master: %s", strerror(-rc));
		snprintf(master->last, sizeof(master->last), "no start: %s",
		    strerror(-rc));
		master->early++;
		schedule(k);
		return;
	}
	fd_close(&child.proc);
	k->link.fd = pair[0];
	master->pid = child.pid;
	master->pidfd = child.pidfd;
	master->failure = child.failure;
	master->state = MASTER_RUNNING;
	master->ahead = 0;
	master->started_ns = master->fresh_ns = clock_now_ns();
	master->deadline_ns = 0;
}

/* -- lost ---------------------------------------------------------------------- */

static int
send_signal(const struct master *master, int number)
{
	return (int)syscall(SYS_pidfd_send_signal, master->pidfd, number, NULL,
	    0);
}

/* Workers accept for themselves from now on.  What does not fit is skipped:
 * the stale beat says the same a second later. */
static void
tell_workers(struct keeper *k)
{
	struct {
		struct channel_header header;
		struct channel_msg_master_lost body;
	} message = { .header = { .type = CHANNEL_MASTER_LOST,
	    .length = sizeof(message.body) },
	    .body = { .number = k->master.number } };

	if (FP("keeper.master_lost") == FP_SKIP)
		return;
	for (unsigned i = 0; i < k->table.used; i++) {
		const struct process *process = &k->table.rows[i];

		if (process_is_alive(process) && process->role == ROLE_WORKER)
			(void)fd_send(process->fds[PF_CHANNEL], &message,
			    sizeof(message), NULL, 0);
	}
}

static void
cut_off(struct keeper *k, const char *why)
{
	struct master *master = &k->master;
	uint64_t life_ns = clock_now_ns() - master->started_ns;

	tell_workers(k);
	link_reset(k);
	orders_on_master_lost(k);
	master->early = life_ns < clock_scaled_ms(EARLY_LIFE_MS) * NS_PER_MS ?
	    master->early + 1 : 0;
	snprintf(master->last, sizeof(master->last), "%s", why);
	if (k->stop.phase == STOP_NONE)
		log_warn("master %d lost: %s", (int)master->pid, why);
}

void
master_lost(struct keeper *k, const char *why)
{
	struct master *master = &k->master;

	if (master->state != MASTER_RUNNING)
		return;
	cut_off(k, why);
	send_signal(master, SIGABRT);
	send_signal(master, SIGCONT);
	master->state = MASTER_ENDING;
	master->deadline_ns = clock_now_ns() +
	    clock_scaled_ms(2000) * NS_PER_MS;
}

static void
describe_status(int status, char *text, size_t size)
{
	static const struct { int number; const char *name; } signals[] = {
		{ SIGKILL, "SIGKILL" }, { SIGABRT, "SIGABRT" },
		{ SIGSEGV, "SIGSEGV" }, { SIGBUS, "SIGBUS" },
		{ SIGFPE, "SIGFPE" }, { SIGILL, "SIGILL" },
		{ SIGTERM, "SIGTERM" }, { SIGSYS, "SIGSYS" },
	};

	if (WIFEXITED(status)) {
		snprintf(text, size, "exit %d", WEXITSTATUS(status));
		return;
	}
	snprintf(text, size, "signal %d", WTERMSIG(status));
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (signals[i].number == WTERMSIG(status))
			snprintf(text, size, "%s", signals[i].name);
}

void
master_on_exit(struct keeper *k, int status)
{
	struct child_failure failure;
	char text[120];

	describe_status(status, text, sizeof(text));
	if (k->master.failure >= 0 && fd_read(k->master.failure, &failure,
	    sizeof(failure)) == sizeof(failure))
		snprintf(text, sizeof(text), "%s: %s",
		    child_step_name(failure.step),
		    strerror((int)failure.error));
	if (k->master.state == MASTER_RUNNING)
		cut_off(k, text);
	/* Its socket closes before its death is known: what it died of says
	 * more, unless that was our own SIGABRT. */
	else if (k->master.state == MASTER_ENDING && (!WIFSIGNALED(status) ||
	    WTERMSIG(status) != SIGABRT))
		snprintf(k->master.last, sizeof(k->master.last), "%s", text);
	schedule(k);
}

void
master_kill(struct keeper *k)
{
	struct master *master = &k->master;

	if (master->state == MASTER_ABSENT) {
		master->deadline_ns = 0;
		return;
	}
	if (master->state == MASTER_RUNNING)
		cut_off(k, "ended by the keeper");
	send_signal(master, SIGKILL);
	master->state = MASTER_KILLED;
	master->deadline_ns = 0;
}

/* -- time ---------------------------------------------------------------------- */

/* Last sign of life: the beat, if it is of this master, or its start. */
static uint64_t
last_beat(const struct keeper *k)
{
	const struct page_beat *beat = &k->page->beat;
	uint64_t at = __atomic_load_n(&beat->beat_ns, __ATOMIC_RELAXED);
	uint32_t number = __atomic_load_n(&beat->number, __ATOMIC_RELAXED);

	if (number != k->master.number || at < k->master.fresh_ns)
		return k->master.fresh_ns;
	return at;
}

static void
step(struct keeper *k)
{
	struct master *master = &k->master;

	switch (master->state) {
	case MASTER_ABSENT:
		if (!k->first.done)
			first_again(k);
		if (k->stop.phase == STOP_NONE)
			master_start(k);
		break;
	case MASTER_RUNNING:
		break;
	case MASTER_ENDING:
		send_signal(master, SIGKILL);
		master->state = MASTER_KILLED;
		master->deadline_ns = clock_now_ns() +
		    clock_scaled_ms(1000) * NS_PER_MS;
		break;
	case MASTER_KILLED:
		/* It does not go; it will be reaped as a stranger. */
		master->pid = 0;
		schedule(k);
		break;
	}
}

uint64_t
master_tick(struct keeper *k, uint64_t now_ns, int late)
{
	struct master *master = &k->master;
	uint64_t silent_ns = clock_scaled_ms(SILENT_MS) * NS_PER_MS;

	/* Whoever speaks to us leads its own session. */
	if (k->privileged && k->link.attached && !master->ahead)
		master->ahead = priority_raise_session(master->pid) == 0;
	if (master->state == MASTER_RUNNING) {
		if (late)
			master->fresh_ns = now_ns;
		if (now_ns > last_beat(k) + silent_ns)
			master_lost(k, "silent");
		else
			return last_beat(k) + silent_ns;
	}
	if (master->deadline_ns != 0 && now_ns >= master->deadline_ns)
		step(k);
	return master->deadline_ns;
}
