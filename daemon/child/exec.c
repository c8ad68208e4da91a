/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* exec.c: from clone to exec; see exec.h. */
#include "daemon/child/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/failpoint.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif
#ifndef P_PIDFD
#define P_PIDFD 3
#endif

enum {
	STACK_SIZE = 65536,
	NO_CLOSE_RANGE_MAX = 65536,	/* descriptors looked at without it */
};

/* What child and worker share: the child writes, and the worker, which waits
 * for the exec, reads. */
struct start {
	const struct exec_plan *plan;
	pid_t parent;
	int error;			/* of `stage'; 0: none failed */
	enum cluster_stage stage;
};

/* ---- in the child: our memory, its own descriptors ------------------------------- */

/* It never returns from its functions, and its stack is used again: what a
 * sanitizer notes of one would be taken for that of the next. */
#define IN_CHILD __attribute__((no_sanitize_address, no_sanitize_thread))

IN_CHILD static _Noreturn void
fail(struct start *start, enum cluster_stage stage, int error)
{
	start->stage = stage;
	start->error = error;
	_exit(127);
}

/* A group, and for a child that stays behind a session; the others end with
 * the thread that started them, which may just have ended. */
IN_CHILD static void
set_process(struct start *start)
{
	if (start->plan->detached) {
		if (setsid() < 0)
			fail(start, CLUSTER_STAGE_FORK, errno);
		return;
	}
	if (setpgid(0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		fail(start, CLUSTER_STAGE_FORK, errno);
	if (getppid() != start->parent)
		_exit(127);
}

/* All signals are blocked: a handler would run in the worker's memory. */
IN_CHILD static void
reset_signals(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };

	for (int number = 1; number < NSIG; number++)
		sigaction(number, &action, NULL);
}

IN_CHILD static void
close_from(unsigned first)
{
	struct rlimit limit;

#ifdef SYS_close_range
	if (syscall(SYS_close_range, first, ~0U, 0) == 0)
		return;
#endif
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
	    limit.rlim_cur > NO_CLOSE_RANGE_MAX)
		limit.rlim_cur = NO_CLOSE_RANGE_MAX;
	for (unsigned fd = first; fd < limit.rlim_cur; fd++)
		close((int)fd);
}

/* All go up first, out of each other's way. */
IN_CHILD static void
place_fds(struct start *start)
{
	const struct exec_plan *plan = start->plan;
	int high[EXEC_FDS], count = (int)plan->fd_count;

	for (int i = 0; i < count; i++) {
		high[i] = plan->fds[i] < 0 ? -1 :
		    fcntl(plan->fds[i], F_DUPFD_CLOEXEC, EXEC_FDS);
		if (plan->fds[i] >= 0 && high[i] < 0)
			fail(start, CLUSTER_STAGE_STDIO, errno);
	}
	for (int i = 0; i < count; i++) {
		if (high[i] < 0)
			close(i);
		else if (dup2(high[i], i) < 0)
			fail(start, CLUSTER_STAGE_STDIO, errno);
	}
	close_from((unsigned)count);
}

IN_CHILD static void
set_limits(struct start *start)
{
	const struct cluster_rlimit *row = start->plan->rlimits;
	int priority;

	for (; row != NULL && row->resource >= 0; row++) {
		struct rlimit limit = { row->soft, row->hard };

		if (setrlimit(row->resource, &limit) < 0)
			fail(start, CLUSTER_STAGE_LIMITS, errno);
	}
	if (start->plan->nice == 0)
		return;
	priority = getpriority(PRIO_PROCESS, 0);
	if (setpriority(PRIO_PROCESS, 0, priority + start->plan->nice) < 0)
		fail(start, CLUSTER_STAGE_LIMITS, errno);
}

/* dir/file, or NULL: it is longer than a path may be.  dir "": here. */
IN_CHILD static const char *
join(char *out, const char *dir, size_t dir_len, const char *file)
{
	size_t file_len = strlen(file);

	if (dir_len + file_len + 2 > PATH_MAX)
		return NULL;
	memcpy(out, dir, dir_len);
	if (dir_len > 0)
		out[dir_len++] = '/';
	memcpy(out + dir_len, file, file_len + 1);
	return out;
}

IN_CHILD static bool
is_elsewhere(int error)
{
	return error == ENOENT || error == ENOTDIR || error == EACCES ||
	    error == ESTALE || error == ENODEV || error == ETIMEDOUT;
}

/* Comes back with the error: one that was found and may not be run is told
 * before one that is nowhere; a directory that we may not search has none. */
IN_CHILD static int
execute(const struct exec_plan *plan)
{
	char *const *argv = (char *const *)(uintptr_t)plan->argv;
	char *const *envp = (char *const *)(uintptr_t)plan->envp;
	char buffer[PATH_MAX];
	int error = ENOENT;

	if (plan->path == NULL) {
		execve(plan->file, argv, envp);
		return errno;
	}
	for (const char *dir = plan->path;; dir++) {
		size_t len = strcspn(dir, ":");
		const char *path = join(buffer, dir, len, plan->file);

		if (path != NULL) {
			execve(path, argv, envp);
			if (!is_elsewhere(errno))
				return errno;
			if (errno == EACCES && access(path, F_OK) == 0)
				error = EACCES;
		}
		dir += len;
		if (*dir == '\0')
			return error;
	}
}

IN_CHILD static int
run(void *arg)
{
	struct start *start = arg;
	const struct exec_plan *plan = start->plan;
	sigset_t none;

	set_process(start);
	reset_signals();
	place_fds(start);
	set_limits(start);
	if (plan->cwd != NULL && chdir(plan->cwd) < 0)
		fail(start, CLUSTER_STAGE_CHDIR, errno);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	fail(start, CLUSTER_STAGE_EXEC, execute(plan));
}

/* ---- in the worker ---------------------------------------------------------------- */

/* With a stack of its own, as ours is in use; we wait until it execs or ends. */
static pid_t
clone_child(struct start *start, int *pidfd)
{
	sigset_t all, before;
	char *stack;
	pid_t pid;
	int error;

	stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (stack == MAP_FAILED)
		return -errno;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = clone(run, stack + STACK_SIZE,
	    CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, start, pidfd);
	error = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	munmap(stack, STACK_SIZE);
	return pid < 0 ? -error : pid;
}

int
exec_start(const struct exec_plan *plan, pid_t *pid, int *pidfd,
    enum cluster_stage *stage)
{
	struct start start = { .plan = plan, .parent = getpid() };
	int fd = -1, injected = FP("child.clone");
	pid_t child;

	CHECK(plan->fd_count <= EXEC_FDS);
	*stage = CLUSTER_STAGE_FORK;
	child = injected > 0 ? -injected : clone_child(&start, &fd);
	if (child < 0)
		return child;
	if (start.error != 0) {
		siginfo_t info;
		struct rusage usage;

		(void)exec_reap(fd, true, &info, &usage);
		close(fd);
		*stage = start.stage;
		return -start.error;
	}
	*pid = child;
	*pidfd = fd;
	return 0;
}

int
exec_reap(int pidfd, bool wait, siginfo_t *info, struct rusage *usage)
{
	long rc;

	memset(info, 0, sizeof(*info));
	do {			/* the call of libc does not tell the usage */
		rc = syscall(SYS_waitid, P_PIDFD, pidfd, info,
		    WEXITED | (wait ? 0 : WNOHANG), usage);
	} while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return -errno;
	return info->si_pid == 0 ? -EAGAIN : 0;
}
