/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* first.c: the checker of the first start; see first.h. */
#include "daemon/keeper/first.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "daemon/keeper/orders.h"
#include "daemon/keeper/reap.h"
#include "daemon/keeper/spawn.h"

enum { HEADER_LIMIT_MS = 60000 };

/* -- the header ------------------------------------------------------------------ */

static int
is_path(const char path[CHECKER_PATH])
{
	return path[0] == '/' && memchr(path, '\0', CHECKER_PATH) != NULL;
}

static int
check_account(const struct checker_header *header, uint32_t number,
    struct errmsg *err)
{
	const struct checker_account *account = &header->accounts[number];
	uint32_t groups = account->ngroups < CHECKER_GROUPS ?
	    account->ngroups : CHECKER_GROUPS;

	if (account->uid == 0 || account->gid == 0)
		return errmsg_set(err, ERR_DENIED, "account %s is uid or gid 0",
		    account->name);
	for (uint32_t i = 0; i < groups; i++)
		if (account->groups[i] == 0)
			return errmsg_set(err, ERR_DENIED, "account %s is in "
			    "group 0", account->name);
	if (number != header->user &&
	    account->uid == header->accounts[header->user].uid)
		return errmsg_set(err, ERR_DENIED, "account %s is that of the "
		    "master: workers need another", account->name);
	return 0;
}

int
first_check_header(const struct checker_header *header, int privileged,
    struct errmsg *err)
{
	int rc = 0;

	if (header->magic != CHECKER_MAGIC ||
	    header->version != CHECKER_VERSION ||
	    header->size != sizeof(*header))
		return errmsg_set(err, ERR_FORMAT, "the checker's header is "
		    "of another version");
	if (header->count == 0 || header->count > CHECKER_ACCOUNTS ||
	    header->user >= header->count ||
	    header->worker_user >= header->count ||
	    !is_path(header->run_dir) || !is_path(header->state_dir))
		return errmsg_set(err, ERR_FORMAT, "the checker's header is "
		    "not valid");
	for (uint32_t i = 0; i < header->count; i++)
		if (header->accounts[i].ngroups > CHECKER_GROUPS ||
		    memchr(header->accounts[i].name, '\0',
		    sizeof(header->accounts[i].name)) == NULL)
			return errmsg_set(err, ERR_FORMAT, "account %u of the "
			    "checker's header is not valid", i);
	for (uint32_t i = 0; rc == 0 && privileged && i < header->count; i++)
		rc = check_account(header, i, err);
	if (rc == 0 && privileged && header->user == header->worker_user)
		rc = errmsg_set(err, ERR_DENIED, "user and worker_user must "
		    "be two accounts");
	return rc;
}

/* -- waiting for it ---------------------------------------------------------------- */

/* 1: complete; 0: not yet; -1: closed. */
static int
read_header(struct keeper *k, size_t *have)
{
	char *at = (char *)&k->first.header;
	ssize_t n = recv(k->first.keeper_fd, at + *have,
	    sizeof(k->first.header) - *have, MSG_DONTWAIT);

	if (n < 0 && errno != ECONNRESET)
		return 0;	/* not yet, or not now: poll says so again */
	if (n <= 0)
		return -1;
	*have += (size_t)n;
	return *have == sizeof(k->first.header);
}

/* The status of the keeper when the checker left without a header. */
static int
explain_exit(const struct process *checker, struct errmsg *err)
{
	if (checker->failed) {
		errmsg_set(err, ERR_FAILED, "cannot start the checker: %s: %s",
		    child_step_name(checker->failed_step),
		    strerror((int)checker->failed_error));
		return EXIT_FAILED;
	}
	if (WIFEXITED(checker->status) &&
	    WEXITSTATUS(checker->status) == EXIT_CONFIG)
		return EXIT_CONFIG;	/* it has said what is wrong */
	errmsg_set(err, ERR_FAILED, "the checker ended with %s %d",
	    WIFEXITED(checker->status) ? "status" : "signal",
	    WIFEXITED(checker->status) ? WEXITSTATUS(checker->status) :
	    WTERMSIG(checker->status));
	return EXIT_FAILED;
}

/* 0: the header is complete; else an exit status. */
static int
await_header(struct keeper *k, struct process *checker, struct errmsg *err)
{
	uint64_t end = clock_now_ms() + clock_scaled_ms(HEADER_LIMIT_MS);
	size_t have = 0;
	int got = 0;

	for (;;) {
		struct pollfd fds[] = {
			{ .fd = got < 0 ? -1 : k->first.keeper_fd,
			    .events = POLLIN },
			{ .fd = k->signal_fd, .events = POLLIN },
		};
		uint64_t now = clock_now_ms();

		if (now >= end) {
			errmsg_set(err, ERR_TIMEOUT, "the checker does not "
			    "come to an end with %s", k->options.file);
			return EXIT_FAILED;
		}
		poll(fds, 2, (int)(end - now));
		if (orders_read_signals(k))
			reap_all(k);
		if (k->stop_asked != 0)
			return EXIT_DONE - 1;
		got = got < 0 ? got : read_header(k, &have);
		if (got > 0)
			return 0;
		if (checker->state == PROCESS_EXITED)
			return explain_exit(checker, err);
	}
}

/* End a checker whose run does not count. */
static void
forget(struct keeper *k, struct process *checker)
{
	if (process_is_alive(checker)) {
		(void)process_signal(checker, SIGKILL);
		k->table.living--;	/* reaped as a stranger */
	}
	process_free(checker);
}

static int
run_as(struct keeper *k, const struct checker_account *account,
    struct process **checker, struct errmsg *err)
{
	int rc = spawn_first_checker(k, account, checker);

	if (rc != 0) {
		errmsg_set(err, ERR_SYSTEM, "cannot start the checker: %s",
		    strerror(-rc));
		return EXIT_FAILED;
	}
	if ((rc = await_header(k, *checker, err)) == 0 &&
	    first_check_header(&k->first.header, k->privileged, err) != 0)
		rc = EXIT_CONFIG;
	if (rc != 0)
		forget(k, *checker);
	return rc;
}

int
first_run(struct keeper *k, struct errmsg *err)
{
	struct checker_account as = k->builtin_worker;
	const struct checker_header *header = &k->first.header;
	struct process *checker;
	int rc = run_as(k, k->privileged ? &as : NULL, &checker, err);

	if (rc == 0 && k->privileged &&
	    header->accounts[header->worker_user].uid != as.uid) {
		as = header->accounts[header->worker_user];
		forget(k, checker);
		rc = run_as(k, &as, &checker, err);
		if (rc == 0 &&
		    header->accounts[header->worker_user].uid != as.uid) {
			errmsg_set(err, ERR_CONFLICT, "the configuration "
			    "changed while it was read");
			rc = EXIT_CONFIG;
		}
	}
	if (rc == 0)
		checker->account = header->worker_user;
	return rc;
}

void
first_go_on(struct keeper *k)
{
	char byte = CHECKER_GO_ON;

	if (k->first.keeper_fd >= 0)
		(void)send(k->first.keeper_fd, &byte, 1,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
}

void
first_again(struct keeper *k)
{
	struct process *checker = process_find(&k->table,
	    KEEPER_FIRST_CHECKER);
	const struct checker_header *header = &k->first.header;
	int rc;

	if (checker != NULL)
		forget(k, checker);
	rc = spawn_first_checker(k, keeper_account(k, header->worker_user),
	    &checker);
	if (rc != 0) {
		log_error("cannot start the checker: %s", strerror(-rc));
		return;
	}
	checker->account = header->worker_user;
	/* Its header is the one we have; nobody reads it again. */
	first_go_on(k);
}

/* -- runs that only check ---------------------------------------------------------- */

/* Run to its end; its exit status, or EXIT_FAILED.  Signals end it. */
static int
run_visible(struct keeper *k, const struct image *image, const char *const argv[],
    struct errmsg *err)
{
	struct child_failure failure;
	siginfo_t info = { .si_pid = 0 };
	struct child child;
	struct pollfd fds[2];
	int rc = spawn_visible(k, image, k->privileged ? &k->builtin_worker :
	    NULL, argv, &child);

	if (rc != 0) {
		errmsg_set(err, ERR_SYSTEM, "cannot start %s: %s", image->path,
		    strerror(-rc));
		return EXIT_FAILED;
	}
	fds[0] = (struct pollfd){ .fd = child.pidfd, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = k->signal_fd, .events = POLLIN };
	while (fds[0].revents == 0) {
		poll(fds, 2, -1);
		orders_read_signals(k);
		if (k->stop_asked != 0)
			syscall(SYS_pidfd_send_signal, child.pidfd, SIGKILL,
			    NULL, 0);
	}
	waitid(P_PIDFD, (id_t)child.pidfd, &info, WEXITED);
	if (fd_read(child.failure, &failure, sizeof(failure)) ==
	    sizeof(failure)) {
		errmsg_set(err, ERR_FAILED, "cannot start %s: %s: %s",
		    image->path, child_step_name(failure.step),
		    strerror((int)failure.error));
		return EXIT_FAILED;
	}
	if (info.si_code == CLD_EXITED)
		return info.si_status;
	errmsg_set(err, ERR_FAILED, "%s ended with signal %d", argv[0],
	    info.si_status);
	return EXIT_FAILED;
}

int
first_check_only(struct keeper *k, struct errmsg *err)
{
	const char *argv[] = { "clusterd: checker", "--check",
	    k->options.mode == RUN_CHECK ? "--print" : "--print-config",
	    k->options.file, NULL };

	return run_visible(k, &k->images.worker, argv, err);
}

int
first_show_versions(struct keeper *k)
{
	const char *master[] = { "clusterd-master", "--version", NULL };
	const char *worker[] = { "clusterd-worker", "--version", NULL };
	struct errmsg err = { 0 };
	int rc = run_visible(k, &k->images.master, master, &err);

	return rc != 0 ? rc : run_visible(k, &k->images.worker, worker, &err);
}
