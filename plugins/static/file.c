/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* file.c: one file in one state; see file.h. */
#include "file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Times of a file system may be this coarse: two changes have the same. */
enum { COARSE_S = 2 };

/* All size bytes; a file that has fewer by now is none that can be told. */
static int
file_read(int fd, char *data, size_t size)
{
	size_t at = 0;

	while (at < size) {
		ssize_t n = pread(fd, data + at, size - at, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EIO;
		at += (size_t)n;
	}
	return 0;
}

static void
file_describe(struct file *file)
{
	int64_t modified = file->is.modified.tv_sec < 0 ? 0 :
	    file->is.modified.tv_sec, now = time(NULL);

	snprintf(file->etag, sizeof(file->etag),
	    "W/\"%" PRIx64 "-%" PRIx64 "\"", (uint64_t)modified, file->size);
	/* Nothing may be told that lies in the future (RFC 9110 8.8.2.1). */
	file->modified = modified < now ? modified : now;
	httpdate_format(file->modified, file->modified_text);
}

static void
file_identify(struct file *file, const struct stat *st)
{
	file->is = (struct file_identity){ .dev = st->st_dev,
	    .ino = st->st_ino, .size = st->st_size, .modified = st->st_mtim,
	    .changed = st->st_ctim };
	file->young = time(NULL) - st->st_ctim.tv_sec < COARSE_S;
	file->size = (uint64_t)st->st_size;
}

int
file_new(const char *name, size_t len, int fd, const struct stat *st,
    const struct types *types, struct file **out)
{
	struct file *file = calloc(1, sizeof(*file) + len + 1);

	if (file == NULL) {
		close(fd);
		return -ENOMEM;
	}
	file->refs = 1;
	file->fd = fd;
	file_identify(file, st);
	file_describe(file);
	memcpy(file->name, name, len);
	file->name_len = len;
	file->type = types_find(types, file->name);
	if (file->size <= FILES_SMALL) {
		file->data = malloc(file->size + 1);
		if (file->data == NULL ||
		    file_read(fd, file->data, file->size) != 0) {
			int rc = file->data == NULL ? -ENOMEM : -EIO;

			file_free(file);
			return rc;
		}
		close(fd);
		file->fd = -1;
	}
	*out = file;
	return 0;
}

void
file_free(struct file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	free(file->data);
	free(file);
}

const char *
file_tag(const struct file *file)
{
	return file->etag + (time(NULL) > file->modified ? 2 : 0);
}

static bool
same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool
file_is_same(const struct file *file, const struct stat *st)
{
	const struct file_identity *is = &file->is;

	return !file->young && is->dev == st->st_dev && is->ino == st->st_ino &&
	    is->size == st->st_size &&
	    same_time(&is->modified, &st->st_mtim) &&
	    same_time(&is->changed, &st->st_ctim);
}
