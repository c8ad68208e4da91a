/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* left.c: whom our processes leave behind when they end; see left.h. */
#include "daemon/keeper/left.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "daemon/keeper/child.h"
#include "daemon/keeper/proc.h"

/* -- sessions whose leader was ours and has ended ---------------------------------- */

static struct ended *
find_ended(struct keeper *k, pid_t session)
{
	for (unsigned i = 0; session > 0 && i < k->ended_count; i++)
		if (k->ended[i].session == session)
			return &k->ended[i];
	return NULL;
}

static void
forget(struct keeper *k, struct ended *ended)
{
	*ended = k->ended[--k->ended_count];
}

void
left_note(struct keeper *k, pid_t pid)
{
	if (pid <= 1)
		return;
	kill(-pid, SIGKILL);
	if (find_ended(k, pid) != NULL)
		return;
	/* More at a time than there are of ours: some cannot be ended. */
	if (k->ended_count == COUNT(k->ended))
		forget(k, &k->ended[0]);
	k->ended[k->ended_count++] = (struct ended){ .session = pid };
	k->ended_ns = clock_now_ns();
}

void
left_is_another(struct keeper *k, pid_t pid)
{
	struct ended *ended = find_ended(k, pid);

	if (ended != NULL)
		forget(k, ended);
}

int
left_is_over(const struct keeper *k)
{
	return k->ended_count == 0 || clock_now_ns() > k->ended_ns +
	    clock_scaled_ms(2000) * NS_PER_MS;
}

/* -- who is left ------------------------------------------------------------------ */

/* A leader is never one of them.  The session is asked once more when the
 * process is held: the number may have become another's in between. */
static void
kill_if_left(struct keeper *k, pid_t pid)
{
	struct ended *ended = find_ended(k, getsid(pid));
	int pidfd;

	if (ended == NULL || ended->session == pid ||
	    (pidfd = child_pidfd(pid)) < 0)
		return;
	if (getsid(pid) == ended->session) {
		ended->seen = 1;
		syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	}
	close(pidfd);
}

static int
look_at(const char *dir, const char *name, void *context)
{
	(void)dir;
	kill_if_left(context, (pid_t)strtol(name, NULL, 10));
	return 0;
}

/* Our children as the kernel lists them; returns how many there are, and looks
 * at each of them where that is wanted.  -1: it does not list them. */
static int
each_child(struct keeper *k, int look)
{
	char path[48], buffer[1024];
	int count = 0, fd;
	pid_t pid = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children",
	    (int)getpid());
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return -1;
	while ((n = read(fd, buffer, sizeof(buffer))) > 0)
		for (ssize_t i = 0; i < n; i++) {
			if (buffer[i] >= '0' && buffer[i] <= '9') {
				pid = pid * 10 + buffer[i] - '0';
				continue;
			}
			if (pid > 0 && look)
				kill_if_left(k, pid);
			count += pid > 0;
			pid = 0;
		}
	close(fd);
	return n < 0 ? -1 : count;
}

/* We are the subreaper: whoever is left is our child, or has an ancestor who
 * is.  Most of the time there are ours alone, and so nobody to look for. */
static int
has_strangers(struct keeper *k)
{
	int ours = (int)k->table.living +
	    (k->master.state != MASTER_ABSENT && k->master.pid > 0);
	int all = each_child(k, 0);

	return all < 0 || all > ours;
}

/* Of all processes: one may have a parent that has left the session.  Of our
 * children besides, as /proc may hide those of other accounts. */
void
left_kill(struct keeper *k)
{
	if (k->ended_count == 0)
		return;
	k->ended_looked_ns = clock_now_ns();
	if (!has_strangers(k)) {
		k->ended_count = 0;
		return;
	}
	for (unsigned i = 0; i < k->ended_count; i++)
		k->ended[i].seen = 0;
	(void)each_child(k, 1);
	(void)proc_each_number("/proc", look_at, k);
	for (unsigned i = k->ended_count; i-- > 0;)
		if (!k->ended[i].seen)
			forget(k, &k->ended[i]);
}

void
left_tick(struct keeper *k, uint64_t now_ns)
{
	if (k->ended_count > 0 && now_ns >= k->ended_looked_ns +
	    clock_scaled_ms(1000) * NS_PER_MS)
		left_kill(k);
}
