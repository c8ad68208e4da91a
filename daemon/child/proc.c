/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* proc.c: what /proc says of processes; see proc.h. */
#include "daemon/child/proc.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/parse.h"

/* "pid (name) state ppid pgrp session ..., the 22nd is the start"; the name may
 * hold anything. */
static bool
parse(char *text, struct proc *proc)
{
	char *rest = strrchr(text, ')');
	char state;
	int parent, group, session;

	if (rest == NULL || sscanf(rest + 1, " %c %d %d %d %*d %*d %*u %*u "
	    "%*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &state,
	    &parent, &group, &session, &proc->start) != 5)
		return false;
	proc->parent = parent;
	proc->group = group;
	proc->session = session;
	proc->ended = state == 'Z' || state == 'X';
	return true;
}

bool
proc_read(pid_t pid, struct proc *proc)
{
	char path[32], text[1024];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = fd_read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	proc->pid = pid;
	return parse(text, proc);
}

static int
by_pid(const void *a, const void *b)
{
	pid_t left = ((const struct proc *)a)->pid;
	pid_t right = ((const struct proc *)b)->pid;

	return (left > right) - (left < right);
}

static bool
add(struct proc **all, size_t *count, size_t *size, pid_t pid)
{
	if (*count == *size) {
		size_t more = *size == 0 ? 256 : *size * 2;
		struct proc *rows = realloc(*all, more * sizeof(rows[0]));

		if (rows == NULL)
			return false;
		*all = rows;
		*size = more;
	}
	if (proc_read(pid, &(*all)[*count]))
		(*count)++;
	return true;
}

struct proc *
proc_read_all(size_t *count)
{
	DIR *dir = opendir("/proc");
	struct proc *all = NULL;
	struct dirent *entry;
	size_t size = 0;

	*count = 0;
	if (dir == NULL)
		return NULL;
	while (*count < PROC_MOST && (entry = readdir(dir)) != NULL) {
		uint64_t pid;

		if (parse_number(entry->d_name, strlen(entry->d_name),
		    &pid) != 0 || pid > INT32_MAX)
			continue;
		if (!add(&all, count, &size, (pid_t)pid))
			break;
	}
	closedir(dir);
	if (all != NULL)
		qsort(all, *count, sizeof(all[0]), by_pid);
	return all;
}

struct proc *
proc_find(struct proc *all, size_t count, pid_t pid)
{
	struct proc key = { .pid = pid };

	return bsearch(&key, all, count, sizeof(all[0]), by_pid);
}
