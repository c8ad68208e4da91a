/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* accounts.c: the built-in worker account; see accounts.h. */
#include "daemon/keeper/accounts.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "daemon/keeper/child.h"

enum { LIMIT_MS = 5000 };

static void
look_up(struct checker_account *account)
{
	struct passwd *entry = getpwnam(ACCOUNT_WORKER);
	gid_t groups[CHECKER_GROUPS];
	int count = CHECKER_GROUPS;

	memset(account, 0, sizeof(*account));
	if (entry == NULL) {
		account->uid = account->gid = 65534;
		account->ngroups = 1;
		account->groups[0] = 65534;
		snprintf(account->name, sizeof(account->name), "nobody");
		return;
	}
	account->uid = entry->pw_uid;
	account->gid = entry->pw_gid;
	snprintf(account->name, sizeof(account->name), "%s", ACCOUNT_WORKER);
	if (getgrouplist(ACCOUNT_WORKER, entry->pw_gid, groups, &count) < 0)
		count = 0;
	account->ngroups = (uint32_t)count;
	for (int i = 0; i < count; i++)
		account->groups[i] = groups[i];
}

static _Noreturn void
run(int pipe)
{
	struct checker_account account;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	alarm(LIMIT_MS / 1000 + 1);	/* where nobody can signal us */
	look_up(&account);
	_exit(fd_write_all(pipe, &account, sizeof(account)) == 0 ? 0 : 1);
}

/* Whatever it does, it is gone when this returns. */
static int
await(pid_t pid, int pipe, struct checker_account *account)
{
	struct pollfd fd = { .fd = pipe, .events = POLLIN };
	int pidfd = child_pidfd(pid), rc = -1;

	while ((rc = poll(&fd, 1, (int)clock_scaled_ms(LIMIT_MS))) < 0 &&
	    errno == EINTR)
		continue;
	rc = rc > 0 && fd_read(pipe, account, sizeof(*account)) ==
	    sizeof(*account) ? 0 : -1;
	if (pidfd >= 0)
		syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	fd_close(&pidfd);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	return rc;
}

int
accounts_look_up(struct checker_account *account, struct errmsg *err)
{
	int pair[2], rc;
	pid_t pid;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return errmsg_errno(err, "pipe");
	pid = fork();
	if (pid == 0)
		run(pair[1]);
	close(pair[1]);
	rc = pid < 0 ? -1 : await(pid, pair[0], account);
	close(pair[0]);
	if (rc != 0)
		return errmsg_set(err, ERR_FAILED, "the account "
		    ACCOUNT_WORKER " cannot be looked up");
	if (account->uid == 0 || account->gid == 0)
		return errmsg_set(err, ERR_DENIED, "the account "
		    ACCOUNT_WORKER " is uid or gid 0");
	return 0;
}
