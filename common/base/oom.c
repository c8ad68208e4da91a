/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* oom.c: kills for want of memory; see oom.h. */
#include "common/base/oom.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/errmsg.h"

/* What follows such a beginning of a line; or NULL. */
static const char *
after(const char *text, const char *word)
{
	size_t len = strlen(word);

	while (text != NULL && strncmp(text, word, len) != 0) {
		text = strchr(text, '\n');
		text = text != NULL ? text + 1 : NULL;
	}
	return text != NULL ? text + len : NULL;
}

int
oom_parse(const char *text, uint64_t *count)
{
	const char *at = after(text, "oom_kill ");
	uint64_t n = 0;
	size_t digits = 0;

	while (at != NULL && at[digits] >= '0' && at[digits] <= '9' &&
	    digits < 20)
		n = n * 10 + (uint64_t)(at[digits++] - '0');
	if (digits == 0 || (at[digits] != '\n' && at[digits] != '\0'))
		return ERR_FORMAT;
	*count = n;
	return 0;
}

int
oom_parse_path(const char *text, char *out, size_t size)
{
	const char *at = after(text, "0::");
	size_t len = at != NULL ? strcspn(at, "\n") : 0;

	if (len == 0 || at[0] != '/' || len >= size)
		return ERR_FORMAT;
	memcpy(out, at, len);
	out[len] = '\0';
	return 0;
}

static void
count_kills(struct oom_watch *watch, uint64_t count)
{
	if (!watch->known || count < watch->seen)	/* another counter */
		watch->fresh = watch->stale = 0;
	else
		watch->fresh += count - watch->seen;
	watch->seen = count;
	watch->known = 1;
}

void
oom_look(struct oom_watch *watch, uint64_t count)
{
	count_kills(watch, count);
	watch->stale = watch->fresh;
	watch->fresh = 0;
}

int
oom_explains(struct oom_watch *watch, uint64_t count)
{
	count_kills(watch, count);
	if (watch->stale > 0)
		watch->stale--;
	else if (watch->fresh > 0)
		watch->fresh--;
	else
		return 0;
	return 1;
}

/* ---- what the kernel says now ----------------------------------------------------------- */

/* The beginning of a file of the kernel's. */
static int
read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len, used = 0;

	if (fd < 0)
		return 0;
	while ((size_t)used + 1 < size && (len = read(fd, buf + used,
	    size - 1 - (size_t)used)) > 0)
		used += len;
	close(fd);
	buf[used] = '\0';
	return used > 0;
}

static int
read_count(char *path, size_t size, uint64_t *count)
{
	char text[32768], own[512];

	if (read_file("/proc/self/cgroup", text, sizeof(text)) &&
	    oom_parse_path(text, own, sizeof(own)) == 0) {
		snprintf(path, size, "/sys/fs/cgroup%s/memory.events", own);
		if (read_file(path, text, sizeof(text)) &&
		    oom_parse(text, count) == 0)
			return 1;
	}
	snprintf(path, size, "/proc/vmstat");
	return read_file(path, text, sizeof(text)) &&
	    oom_parse(text, count) == 0;
}

/* A service manager may move us, so the path is looked at each time: counts of
 * two files say nothing. */
static int
read_now(struct oom_watch *watch, uint64_t *count)
{
	char path[sizeof(watch->path)];

	if (!read_count(path, sizeof(path), count))
		return 0;
	if (strcmp(path, watch->path) != 0)
		watch->known = 0;
	memcpy(watch->path, path, sizeof(path));
	return 1;
}

void
oom_look_now(struct oom_watch *watch)
{
	uint64_t count;

	if (read_now(watch, &count))
		oom_look(watch, count);
}

int
oom_explains_now(struct oom_watch *watch)
{
	uint64_t count;

	return read_now(watch, &count) && oom_explains(watch, count);
}
