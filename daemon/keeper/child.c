/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* child.c: the way of a child from clone to exec; see child.h. */
#include "daemon/keeper/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/failpoint.h"
#include "common/base/fd.h"
#include "daemon/keeper/priority.h"

enum { CAPS_MAX = 64 };		/* bits of a set */

static const char *const step_names[STEP__COUNT] = {
	[STEP_NONE] = "none", [STEP_CLONE] = "clone",
	[STEP_SESSION] = "setsid", [STEP_FDS] = "descriptors",
	[STEP_SIGNALS] = "signals", [STEP_BOUNDING] = "bounding set",
	[STEP_GROUPS] = "setgroups", [STEP_GID] = "setresgid",
	[STEP_UID] = "setresuid", [STEP_DROPPED] = "root came back",
	[STEP_CAPABILITIES] = "capset",
	[STEP_CHDIR] = "chdir", [STEP_NO_NEW_PRIVS] = "no_new_privs",
	[STEP_EXEC] = "execveat",
};

const char *
child_step_name(unsigned step)
{
	return step < STEP__COUNT ? step_names[step] : "unknown";
}

static int
is_refused(int error)
{
	return error == ENOSYS || error == EPERM || error == EINVAL;
}

/* -- in the child ------------------------------------------------------------ */

static _Noreturn void
fail(int pipe, enum child_step step, int error)
{
	struct child_failure failure = { step, (uint32_t)error };
	ssize_t ignored = write(pipe, &failure, sizeof(failure));

	(void)ignored;
	_exit(127);
}

/*
 * Put the plan's descriptors at 0, 1, 2 …, image and pipe behind them, and
 * close the rest.  All go up first, out of each other's way.
 */
static int
place_fds(const struct child_plan *plan, int *image, int *pipe)
{
	int count = (int)plan->fd_count, high[CHILD_FDS_MAX + 2];

	for (int i = 0; i < count + 2; i++) {
		int fd = i < count ? plan->fds[i] : i == count ? *image : *pipe;

		high[i] = fcntl(fd, F_DUPFD_CLOEXEC, CHILD_FDS_MAX + 2);
		if (high[i] < 0)
			return -errno;
	}
	for (int i = 0; i < count + 2; i++)
		if (dup3(high[i], i, i < count ? 0 : O_CLOEXEC) < 0)
			return -errno;
	*image = count;
	*pipe = count + 1;
#ifdef SYS_close_range
	/* Where the kernel refuses: all that we hold is close-on-exec. */
	syscall(SYS_close_range, count + 2, ~0U, 0);
#endif
	return 0;
}

static int
reset_signals(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		sigaction(number, &action, NULL);
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? -errno : 0;
}

static void
limit(int resource, uint64_t value)
{
	struct rlimit now, wanted = { value, value };

	if (value == UINT64_MAX || getrlimit(resource, &now) < 0)
		return;
	if (setrlimit(resource, &wanted) == 0 || value <= now.rlim_max)
		return;
	now.rlim_cur = now.rlim_max;	/* as near as we may */
	setrlimit(resource, &now);
}

/* Not fatal: a worker with another niceness is better than none. */
static void
tune(const struct child_tuning *tuning)
{
	cpu_set_t cpus;
	char text[16];
	int fd, n, any = 0;

	limit(RLIMIT_NOFILE, tuning->rlimit_nofile);
	limit(RLIMIT_CORE, tuning->rlimit_core);
	limit(RLIMIT_AS, tuning->rlimit_as);
	if (tuning->nice != 0)
		setpriority(PRIO_PROCESS, 0, (int)tuning->nice);
	for (int i = 0; tuning->affinity != NULL && i < 16; i++)
		any |= tuning->affinity[i] != 0;
	if (any) {
		_Static_assert(sizeof(cpus) == 16 * sizeof(uint64_t), "cpus");
		memcpy(&cpus, tuning->affinity, sizeof(cpus));
		sched_setaffinity(0, sizeof(cpus), &cpus);
	}
	if (tuning->oom_score_adj == 0)
		return;
	if ((fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC)) < 0)
		return;
	n = snprintf(text, sizeof(text), "%d", tuning->oom_score_adj);
	n = (int)write(fd, text, (size_t)n);
	close(fd);
}

static void
drop_bounding_set(int pipe)
{
	for (int cap = 0; cap < CAPS_MAX; cap++) {
		int has = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);

		if (has < 0)
			return;		/* the kernel knows no more */
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			fail(pipe, STEP_BOUNDING, errno);
	}
}

/* What the change of the uid has taken, and what could be inherited. */
static void
drop_capabilities(int pipe)
{
	struct __user_cap_header_struct header = {
	    .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

	if (syscall(SYS_capset, &header, data) < 0)
		fail(pipe, STEP_CAPABILITIES, errno);
	data[0].inheritable = data[1].inheritable = ~0U;
	if (syscall(SYS_capget, &header, data) < 0)
		fail(pipe, STEP_CAPABILITIES, errno);
	for (int i = 0; i < 2; i++)
		if ((data[i].permitted | data[i].effective |
		    data[i].inheritable) != 0)
			fail(pipe, STEP_CAPABILITIES, EPERM);
}

/* Has each of them been set, and nothing else?  In any order. */
static int
has_groups(const struct checker_account *account)
{
	gid_t groups[CHECKER_GROUPS];
	int count = (int)syscall(SYS_getgroups, CHECKER_GROUPS, groups);

	if (count != (int)account->ngroups)
		return 0;
	for (int i = 0; i < count; i++) {
		uint32_t at = 0;

		while (at < account->ngroups &&
		    account->groups[at] != groups[i])
			at++;
		if (at == account->ngroups)
			return 0;
	}
	return 1;
}

/*
 * The raw calls: those of libc would speak to threads that are not here.  What
 * each of them says is not believed: it is read back.
 */
static void
become(const struct checker_account *account, int pipe)
{
	uid_t uid = account->uid, ids[6];
	gid_t gid = account->gid;

	drop_bounding_set(pipe);
	if (syscall(SYS_setgroups, (size_t)account->ngroups,
	    account->groups) < 0)
		fail(pipe, STEP_GROUPS, errno);
	if (!has_groups(account))
		fail(pipe, STEP_GROUPS, EPERM);
	if (syscall(SYS_setresgid, gid, gid, gid) < 0)
		fail(pipe, STEP_GID, errno);
	if (syscall(SYS_setresuid, uid, uid, uid) < 0)
		fail(pipe, STEP_UID, errno);
	if (getresuid(&ids[0], &ids[1], &ids[2]) < 0 ||
	    getresgid(&ids[3], &ids[4], &ids[5]) < 0)
		fail(pipe, STEP_DROPPED, errno);
	for (int i = 0; i < 6; i++)
		if (ids[i] != (i < 3 ? uid : gid))
			fail(pipe, STEP_DROPPED, EPERM);
	if (syscall(SYS_setresuid, -1, 0, -1) == 0)
		fail(pipe, STEP_DROPPED, EPERM);
	drop_capabilities(pipe);
}

/* The image by its descriptor.  Where the kernel refuses, by the name that /proc
 * has for that; it does not come back either. */
static void
execute(const struct child_plan *plan, int image)
{
	char path[32];
	int error;

	syscall(SYS_execveat, image, "", plan->argv, plan->envp,
	    AT_EMPTY_PATH);
	if (!is_refused(error = errno))
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", image);
	syscall(SYS_execve, path, plan->argv, plan->envp);
	errno = error;
}

static _Noreturn void
run(const struct child_plan *plan, int pipe)
{
	int image = plan->image->fd, rc;

	if (setsid() < 0)
		fail(pipe, STEP_SESSION, errno);
	if ((rc = place_fds(plan, &image, &pipe)) != 0)
		fail(pipe, STEP_FDS, -rc);
	if ((rc = reset_signals()) != 0)
		fail(pipe, STEP_SIGNALS, -rc);
	if (!plan->ahead)
		priority_leave();
	if (plan->tuning != NULL)
		tune(plan->tuning);
	if (plan->account != NULL)
		become(plan->account, pipe);
	if (chdir("/") < 0)
		fail(pipe, STEP_CHDIR, errno);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		fail(pipe, STEP_NO_NEW_PRIVS, errno);
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		fail(pipe, STEP_NO_NEW_PRIVS, EPERM);
	rc = FP("keeper.before_exec");
	if (rc > 0)
		fail(pipe, STEP_EXEC, rc);
	if (plan->image->by_path)
		syscall(SYS_execve, plan->image->path, plan->argv, plan->envp);
	else
		execute(plan, image);
	fail(pipe, STEP_EXEC, errno);
}

/* -- in the keeper ----------------------------------------------------------- */

int
child_pidfd(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	char path[32];

	if (fd >= 0 || !is_refused(errno))
		return fd;
	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* As fork(); pidfd is set in the parent.  Nobody else reaps, so the number of
 * a child cannot have been given away before child_pidfd(). */
static pid_t
clone_child(int *pidfd)
{
	struct clone_args args = { .flags = CLONE_PIDFD,
	    .pidfd = (uint64_t)(uintptr_t)pidfd, .exit_signal = SIGCHLD };
	pid_t pid;

	*pidfd = -1;
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0 && is_refused(errno))
		pid = (pid_t)syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, NULL,
		    pidfd, NULL, NULL);
	if (pid < 0 && is_refused(errno))
		pid = fork();
	/* A child without a pidfd is given up: it finds its sockets closed,
	 * leaves, and is reaped as a stranger. */
	if (pid > 0 && *pidfd < 0 && (*pidfd = child_pidfd(pid)) < 0)
		return -1;
	return pid;
}

static int
open_proc(pid_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int
child_start(const struct child_plan *plan, struct child *child)
{
	int failure[2], pidfd, saved;
	pid_t pid;

	CHECK(plan->fd_count <= CHILD_FDS_MAX);
	if (pipe2(failure, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	failpoint_set_slot(plan->name);
	pid = clone_child(&pidfd);
	if (pid == 0)
		run(plan, failure[1]);
	saved = errno;
	close(failure[1]);
	if (pid < 0) {
		close(failure[0]);
		return -saved;
	}
	(void)FP("keeper.after_clone");
	child->pid = pid;
	child->pidfd = pidfd;
	child->proc = open_proc(pid);
	child->failure = failure[0];
	return 0;
}
