/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* evil_attack.c: against the host: its descriptors, its relatives. */
#include "evil.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

enum cluster_verdict
do_closefd(struct cluster_request *req, struct evil *evil, const char *arg)
{
	return say_result(req, close((int)strtol(arg, NULL, 10)));
}

/* Take what brings connections out of the worker's poll set, whichever it is:
 * the socket of those that are passed, and all that listen. */
enum cluster_verdict
do_deafen(struct cluster_request *req, struct evil *evil, const char *arg)
{
	int done = 0;

	for (int fd = 4; fd < 64; fd++) {
		int on = 0;
		socklen_t len = sizeof(on);

		if (fd != 4 && (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on,
		    &len) != 0 || !on))
			continue;
		for (int set = 3; set < 64; set++)
			done += epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL) == 0;
	}
	return say_result(req, done);
}

/* Each descriptor that listens is shut down, or made blocking. */
enum cluster_verdict
do_listener(struct cluster_request *req, struct evil *evil, const char *arg)
{
	int done = 0;

	for (int fd = 3; fd < 64; fd++) {
		int on = 0;
		socklen_t len = sizeof(on);

		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) != 0 ||
		    !on)
			continue;
		if (strcmp(arg, "block") == 0)
			done += fcntl(fd, F_SETFL, 0) == 0;
		else
			done += shutdown(fd, SHUT_RDWR) == 0;
	}
	return say_result(req, done);
}

/* ---- calls aimed at others ---------------------------------------------------- */

static char stolen[64];

static long
attack_memory(long call, pid_t pid)
{
	struct iovec here = { stolen, sizeof(stolen) }, there = { stolen, 8 };

	return syscall(call, pid, &here, 1, &there, 1, 0);
}

static long
attack_queue(long call, pid_t pid, int number)
{
	siginfo_t info = { .si_code = SI_QUEUE, .si_pid = getpid(),
	    .si_uid = getuid() };

	info.si_signo = number;
	return call == SYS_rt_sigqueueinfo ?
	    syscall(call, pid, number, &info) :
	    syscall(call, pid, pid, number, &info);
}

/* A descriptor of the target, and what can be done with it. */
static long
attack_pidfd(long call, pid_t pid, int number)
{
	int error, pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	long rc;

	if (pidfd < 0)
		return -1;
	rc = call == SYS_pidfd_getfd ? syscall(call, pidfd, 3, 0) :
	    syscall(call, pidfd, number, NULL, 0);
	error = errno;
	close(pidfd);
	errno = error;
	return rc;
}

static long
attack_ptrace(pid_t pid)
{
	long rc = syscall(SYS_ptrace, PTRACE_SEIZE, pid, 0, 0);

	return rc != 0 ? rc : syscall(SYS_ptrace, PTRACE_DETACH, pid, 0, 0);
}

static long
attack(const char *call, pid_t pid, int number)
{
	if (strcmp(call, "kill") == 0)
		return syscall(SYS_kill, pid, number);
	if (strcmp(call, "tkill") == 0)
		return syscall(SYS_tkill, pid, number);
	if (strcmp(call, "tgkill") == 0)
		return syscall(SYS_tgkill, pid, pid, number);
	if (strcmp(call, "rt_sigqueueinfo") == 0)
		return attack_queue(SYS_rt_sigqueueinfo, pid, number);
	if (strcmp(call, "rt_tgsigqueueinfo") == 0)
		return attack_queue(SYS_rt_tgsigqueueinfo, pid, number);
	if (strcmp(call, "pidfd_send_signal") == 0)
		return attack_pidfd(SYS_pidfd_send_signal, pid, number);
	if (strcmp(call, "pidfd_getfd") == 0)
		return attack_pidfd(SYS_pidfd_getfd, pid, 0);
	if (strcmp(call, "ptrace") == 0)
		return attack_ptrace(pid);
	if (strcmp(call, "process_vm_readv") == 0)
		return attack_memory(SYS_process_vm_readv, pid);
	if (strcmp(call, "process_vm_writev") == 0)
		return attack_memory(SYS_process_vm_writev, pid);
	errno = EINVAL;
	return -1;
}

/* /attack?CALL,TARGET,SIGNAL: what comes back, an errno below zero.  TARGET is a
 * number as for kill(2), or "child": one of our own, which is ended by it. */
enum cluster_verdict
do_attack(struct cluster_request *req, struct evil *evil, const char *arg)
{
	char call[32] = "", target[32] = "";
	int number = 0, rc;
	pid_t pid, child = 0;

	if (sscanf(arg, "%31[^,],%31[^,],%d", call, target, &number) < 2)
		return CLUSTER_FAIL;
	pid = (pid_t)strtol(target, NULL, 10);
	if (strcmp(target, "child") == 0) {
		pid = child = fork();
		while (child == 0)
			pause();
	}
	rc = attack(call, pid, number) < 0 ? -errno : 0;
	if (child > 0)
		waitpid(child, NULL, 0);
	return say_result(req, rc);
}

/* ---- the walls ------------------------------------------------------------------ */

enum cluster_verdict
do_disconnect(struct cluster_request *req, struct evil *evil, const char *arg)
{
	return say_result(req, cluster_disconnect(arg));
}
