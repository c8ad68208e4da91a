/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* owner.c: who listens on a TCP port; see owner.h.  No heap: the raw calls. */
#include "daemon/keeper/owner.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/keeper/proc.h"

int
owner_parse_line(const char *line, uint32_t port, unsigned *uid,
    unsigned long *inode)
{
	unsigned local, state, owner;
	unsigned long node;

	/* sl local:port remote:port st tx:rx tr:when retrnsmt uid timeout inode */
	if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*x:%*x "
	    "%*x:%*x %*x %u %*u %lu", &local, &state, &owner, &node) != 4)
		return 0;
	if (local != port || state != 0x0a)
		return 0;
	*uid = owner;
	*inode = node;
	return 1;
}

static int
find_in_table(const char *path, uint32_t port, unsigned *uid,
    unsigned long *inode)
{
	char buffer[4096];
	size_t have = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC), found = 0;
	ssize_t n;

	if (fd < 0)
		return 0;
	while (!found && (n = read(fd, buffer + have,
	    sizeof(buffer) - 1 - have)) > 0) {
		char *line = buffer, *end;

		have += (size_t)n;
		buffer[have] = '\0';
		while (!found && (end = strchr(line, '\n')) != NULL) {
			*end = '\0';
			found = owner_parse_line(line, port, uid, inode);
			line = end + 1;
		}
		have = strlen(line);
		memmove(buffer, line, have);
	}
	close(fd);
	return found;
}

static int
is_socket(const char *dir, const char *name, void *wanted)
{
	char path[64], target[64];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%.16s", dir, name);
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return 0;
	target[n] = '\0';
	return strcmp(target, wanted) == 0;
}

static int
has_socket(const char *dir, const char *name, void *wanted)
{
	char path[48];

	snprintf(path, sizeof(path), "%s/%.16s/fd", dir, name);
	return proc_each_number(path, is_socket, wanted) ?
	    (int)strtol(name, NULL, 10) : 0;
}

static void
read_name(int pid, char *name, size_t size)
{
	char path[32];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) >= 0) {
		n = read(fd, name, size - 1);
		close(fd);
	}
	name[n > 0 ? n : 0] = '\0';
	name[strcspn(name, "\n")] = '\0';
}

void
owner_of_port(uint32_t port, char *text, size_t size)
{
	char wanted[40], name[32];
	unsigned long inode;
	unsigned uid;
	int pid;

	text[0] = '\0';
	if (!find_in_table("/proc/net/tcp", port, &uid, &inode) &&
	    !find_in_table("/proc/net/tcp6", port, &uid, &inode))
		return;
	snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
	pid = proc_each_number("/proc", has_socket, wanted);
	if (pid == 0) {
		snprintf(text, size, "uid %u", uid);
		return;
	}
	read_name(pid, name, sizeof(name));
	snprintf(text, size, "pid %d (%s)", pid, name);
}
