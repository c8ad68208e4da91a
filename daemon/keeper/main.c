/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * main.c: clusterd, the keeper: parent of all, which must not die, so it does
 * almost nothing.  Here is the order of its start and its loop; after the
 * start nothing of it uses the heap.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/stamp.h"
#include "daemon/keeper/accounts.h"
#include "daemon/keeper/features.h"
#include "daemon/keeper/first.h"
#include "daemon/keeper/inherited.h"
#include "daemon/keeper/kept.h"
#include "daemon/keeper/left.h"
#include "daemon/keeper/link.h"
#include "daemon/keeper/listeners.h"
#include "daemon/keeper/master.h"
#include "daemon/keeper/notify.h"
#include "daemon/keeper/orders.h"
#include "daemon/keeper/privilege.h"
#include "daemon/keeper/reap.h"
#include "daemon/keeper/requests.h"
#include "daemon/keeper/rundir.h"
#include "daemon/keeper/spawn.h"
#include "daemon/keeper/state.h"
#include "daemon/keeper/stop.h"

static struct keeper keeper;

/* -- start ------------------------------------------------------------------------- */

static void
init_tables(struct keeper *k)
{
	k->null_fd = k->signal_fd = k->detach_fd = -1;
	k->lock_fd = k->workers_lock_fd = -1;
	k->memo_fd = k->page_fd = k->page_read_fd = -1;
	k->link.fd = k->first.keeper_fd = k->notify.fd = -1;
	k->master.pidfd = k->master.failure = -1;
	k->backstop_ms = 60000;
	k->started_wall_ms = clock_wall_ms();
	k->privileged = geteuid() == 0;
	listener_init(k);
	kept_init(k);
}

static int
open_basics(struct keeper *k, struct errmsg *err)
{
	int lifeline[2];
	sigset_t all;

	umask(027);
	signal(SIGPIPE, SIG_IGN);
	tzset();		/* loads what the log's time needs, once */
	sigfillset(&all);
	if (sigprocmask(SIG_SETMASK, &all, NULL) < 0)
		return errmsg_errno(err, "cannot block signals");
	k->signal_fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	k->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (k->signal_fd < 0 || k->null_fd < 0 ||
	    pipe2(lifeline, O_CLOEXEC) < 0)
		return errmsg_errno(err, "cannot open the first descriptors");
	k->lifeline_read = lifeline[0];
	k->lifeline_write = lifeline[1];	/* nobody else ever has it */
	return 0;
}

/* The caller waits for the byte that says how the start went; the keeper is
 * its child in a session of its own. */
static void
detach(struct keeper *k)
{
	unsigned char status = EXIT_FAILED;
	int pair[2];
	pid_t pid;

	if (pipe2(pair, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		log_error("cannot detach: %s", strerror(errno));
		exit(EXIT_FAILED);
	}
	if (pid > 0) {
		close(pair[1]);
		while (read(pair[0], &status, 1) < 0 && errno == EINTR)
			continue;
		/* A start that failed is over when the caller hears of it. */
		while (status != EXIT_DONE && waitpid(pid, NULL, 0) < 0 &&
		    errno == EINTR)
			continue;
		_exit(status);
	}
	close(pair[0]);
	k->detach_fd = pair[1];
	setsid();
	dup2(k->null_fd, 0);
}

/* Steps 3 to 9 of the start.  0 or an exit status. */
static int
start(struct keeper *k, struct errmsg *err)
{
	int rc;

	if (features_need_proc(err) != 0 ||
	    (k->options.mode == RUN_SERVE && features_check(err) != 0) ||
	    images_open(&k->images, err) != 0 ||
	    privilege_reduce(k->privileged, err) != 0)
		return EXIT_FAILED;
	if (k->privileged &&
	    accounts_look_up(&k->builtin_worker, err) != 0)
		return EXIT_CONFIG;
	if (k->options.mode != RUN_SERVE)
		return 0;
	if ((rc = first_run(k, err)) != 0 ||
	    (rc = rundir_prepare(k, err)) != 0)
		return rc;
	if ((rc = master_init(k)) != 0) {
		errmsg_set(err, ERR_SYSTEM, "cannot make the memo: %s",
		    strerror(-rc));
		return EXIT_FAILED;
	}
	if (!k->privileged)
		log_notice("not started as root: master, workers and plugins "
		    "share the account of uid %d", (int)getuid());
	master_start(k);
	first_go_on(k);
	return 0;
}

/* -- loop -------------------------------------------------------------------------- */

struct turn {
	struct pollfd fds[2 + KEEPER_PROCESSES_MAX];
	struct process *starting[KEEPER_PROCESSES_MAX];
	unsigned count;
};

static void
prepare_poll(struct keeper *k, struct turn *turn)
{
	short events = (short)((link_may_read(k) ? POLLIN : 0) |
	    (k->link.blocked ? POLLOUT : 0));

	turn->fds[0] = (struct pollfd){ .fd = k->signal_fd, .events = POLLIN };
	turn->fds[1] = (struct pollfd){ .fd = k->link.fd, .events = events };
	turn->count = 2;
	for (unsigned i = 0; i < k->table.used; i++) {
		struct process *process = &k->table.rows[i];

		if (process->state != PROCESS_STARTING)
			continue;
		turn->starting[turn->count - 2] = process;
		turn->fds[turn->count++] = (struct pollfd){
		    .fd = process->failure, .events = POLLIN };
	}
}

static void
sooner(uint64_t *next, uint64_t other)
{
	if (other != 0 && other < *next)
		*next = other;
}

/* What is due by time; returns when the next turn is due at the latest. */
static uint64_t
tick(struct keeper *k, uint64_t now, int late)
{
	uint64_t next = now + clock_scaled_ms(1000) * NS_PER_MS;

	sooner(&next, orders_tick(k, now));
	sooner(&next, master_tick(k, now, late));
	sooner(&next, stop_tick(k, now));
	left_tick(k, now);
	sooner(&next, notify_tick(k, now));
	sooner(&next, k->link.retry_ns);
	return next;
}

static void
serve_link(struct keeper *k, short revents)
{
	struct errmsg err = { 0 };

	if (revents & POLLOUT)
		k->link.blocked = 0;
	if (revents & (POLLERR | POLLHUP | POLLIN) && link_may_read(k) &&
	    requests_read(k, &err) != 0)
		master_lost(k, err.text);
	else if (revents & (POLLERR | POLLHUP) && !link_may_read(k))
		master_lost(k, "closed its socket");
}

static int
wait_ms(uint64_t until)
{
	uint64_t now = clock_now_ns();

	return until <= now ? 0 : (int)((until - now) / NS_PER_MS) + 1;
}

static void
run(struct keeper *k)
{
	static struct turn turn;
	uint64_t due = clock_now_ns();

	while (!stop_is_complete(k)) {
		uint64_t now;

		prepare_poll(k, &turn);
		if (poll(turn.fds, turn.count, wait_ms(due)) < 0) {
			if (errno != EINTR)
				log_error("poll: %s", strerror(errno));
			continue;
		}
		for (unsigned i = 2; i < turn.count; i++)
			if (turn.fds[i].revents != 0)
				reap_started(k, turn.starting[i - 2]);
		if (turn.fds[0].revents != 0)
			orders_read_signals(k);
		reap_all(k);
		serve_link(k, turn.fds[1].revents);
		now = clock_now_ns();
		due = tick(k, now, now > due + clock_scaled_ms(1000) *
		    NS_PER_MS);
		if (link_flush(k) != 0)
			master_lost(k, "closed its socket");
	}
}

/* -- end --------------------------------------------------------------------------- */

static int
leave(struct keeper *k, int status)
{
	for (unsigned i = 0; i < KEEPER_LISTENERS_MAX; i++)
		if (k->listeners[i].fd >= 0)
			listener_close(&k->listeners[i]);
	rundir_leave(k);
	stop_tell_starter(k, status);
	return status;
}

static const char *
libc_version(void)
{
#ifdef __GLIBC__
	return gnu_get_libc_version();
#else
	return "not glibc";
#endif
}

static void
show_version(void)
{
	printf("clusterd %s\n  libc: %s\n", build_stamp, libc_version());
	features_show();
#ifdef CLUSTERD_FAILPOINTS
	printf("  test build: failpoints, time scale\n");
#endif
	fflush(stdout);
}

/* The runs that serve nothing, after a start that went well. */
static int
run_once(struct keeper *k, struct errmsg *err)
{
	if (k->options.mode == RUN_VERSION) {
		show_version();
		return first_show_versions(k);
	}
	return first_check_only(k, err);
}

static int
say(int status, const struct errmsg *err)
{
	if (err->text[0] != '\0')
		fprintf(stderr, "clusterd: %s\n", err->text);
	return status;
}

int
main(int argc, char **argv)
{
	struct keeper *k = &keeper;
	struct errmsg err = { 0 };
	int status;

	init_tables(k);
	inherited_init(k);
	if (options_parse(argc, argv, &k->options, &err) != 0) {
		say(EXIT_USAGE, &err);
		fputs(options_usage, stderr);
		return EXIT_USAGE;
	}
	if (k->options.mode == RUN_HELP)
		return fputs(options_usage, stdout) < 0;
	if (k->options.mode == RUN_FAILPOINTS) {
		failpoint_list();
		return 0;
	}
	log_set_name("keeper");
	if (open_basics(k, &err) != 0)
		return say(EXIT_FAILED, &err);
	if (k->options.mode == RUN_SERVE && k->options.detach)
		detach(k);
	notify_init(k);
	spawn_init_environment(k);
	status = start(k, &err);
	if (status == 0 && k->options.mode != RUN_SERVE) {
		status = run_once(k, &err);
		return say(status, &err);
	}
	if (status != 0) {
		/* Asked to stop before anything was there to be stopped. */
		status = k->stop_asked != 0 ? EXIT_DONE : status;
		say(status, &err);
		return leave(k, status);
	}
	run(k);
	return leave(k, k->stop.status);
}
