/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* children.c: the child processes of a worker; see children.h. */
#include "daemon/master/children.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "daemon/master/process.h"
#include "daemon/scoreboard/read.h"

/* -- who they are --------------------------------------------------------------- */

static size_t
list_of_kernel(const struct process *process, int *pids, size_t max)
{
	char path[48], buffer[1024];
	size_t count = 0;
	ssize_t n;
	int fd, pid = 0;

	snprintf(path, sizeof(path), "task/%d/children", process->pid);
	fd = process->fd[PFD_PROC] < 0 ? -1 :
	    openat(process->fd[PFD_PROC], path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	while (count < max && (n = read(fd, buffer, sizeof(buffer))) > 0)
		for (ssize_t i = 0; i < n && count < max; i++) {
			if (buffer[i] >= '0' && buffer[i] <= '9') {
				pid = pid * 10 + buffer[i] - '0';
				continue;
			}
			if (pid > 0)
				pids[count++] = pid;
			pid = 0;
		}
	close(fd);
	return count;
}

static bool
is_listed(const int *pids, size_t count, int pid)
{
	for (size_t i = 0; i < count; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

/* The kernel lists those of the loop's thread, and some kernels none. */
size_t
children_list(const struct process *process, int pids[CHILDREN_MAX])
{
	size_t count = list_of_kernel(process, pids, CHILDREN_MAX);
	struct page_child row;

	for (unsigned i = 0; process->page != NULL && i < PAGE_CHILDREN; i++)
		if (count < CHILDREN_MAX &&
		    page_read_child(process->page, i, &row) &&
		    row.pid <= INT32_MAX &&
		    !is_listed(pids, count, (int)row.pid))
			pids[count++] = (int)row.pid;
	return count;
}

/* -- what they are ---------------------------------------------------------------- */

static ssize_t
read_proc(int pid, const char *name, char *buf, size_t size)
{
	char path[48];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return -1;
	len = read(fd, buf, size - 1);
	close(fd);
	buf[len > 0 ? len : 0] = '\0';
	return len;
}

/* Its name is the command until a better one is known. */
static bool
read_stat(const struct process *process, int pid, struct children_row *child)
{
	unsigned long long started;
	unsigned long utime, stime;
	int parent, session;
	char buf[1024], state, *name, *end;
	long ticks = sysconf(_SC_CLK_TCK);
	uint64_t now_ms;
	long long pages;

	if (read_proc(pid, "stat", buf, sizeof(buf)) <= 0 ||
	    (name = strchr(buf, '(')) == NULL ||
	    (end = strrchr(name, ')')) == NULL ||
	    sscanf(end + 1, " %c %d %*d %d %*d %*d %*u %*u %*u %*u %*u %lu %lu "
	    "%*d %*d %*d %*d %*d %*d %llu %*u %lld", &state, &parent, &session,
	    &utime, &stime, &started, &pages) != 7)
		return false;
	if (parent != process->pid || state == 'Z')
		return false;
	now_ms = clock_boot_ms();
	started = started * 1000 / (unsigned long)ticks;
	child->age_ms = started < now_ms ? now_ms - started : 0;
	child->cpu_ms = (uint64_t)(utime + stime) * 1000 / (unsigned long)ticks;
	child->rss_kb = (uint64_t)pages * (unsigned long)
	    sysconf(_SC_PAGESIZE) / 1024;
	child->detached = session != process->pid;
	snprintf(child->command, sizeof(child->command), "[%.*s]",
	    (int)(end - name - 1), name + 1);
	return true;
}

static void
read_page(const struct process *process, int pid, struct children_row *child)
{
	struct page_child row;

	for (unsigned i = 0; process->page != NULL && i < PAGE_CHILDREN; i++) {
		if (!page_read_child(process->page, i, &row) ||
		    row.pid != (uint32_t)pid)
			continue;
		child->holds = (row.flags & CHILD_HOLDS) != 0;
		child->request = row.request;
		if (row.command[0] != '\0')
			snprintf(child->command, sizeof(child->command), "%s",
			    row.command);
		return;
	}
}

static void
read_arguments(int pid, struct children_row *child)
{
	char buf[CHILDREN_COMMAND];
	ssize_t len = read_proc(pid, "cmdline", buf, sizeof(buf));

	while (len > 0 && buf[len - 1] == '\0')
		len--;
	for (ssize_t i = 0; i < len; i++)
		if (buf[i] == '\0')
			buf[i] = ' ';
	if (len > 0)
		memcpy(child->command, buf, (size_t)len + 1);
}

bool
children_look(const struct process *process, int pid, struct children_row *child)
{
	memset(child, 0, sizeof(*child));
	if (!read_stat(process, pid, child))
		return false;
	read_page(process, pid, child);
	read_arguments(pid, child);
	return true;
}
