/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* files.c: the cache of files; see files.h. */
#include "files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "beneath.h"
#include "file.h"

/* ---- the table --------------------------------------------------------------------- */

/* FNV-1a.  Only names that exist get in, so no client can choose them. */
static uint32_t
files_hash(const char *name, size_t len)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)name[i]) * 16777619u;
	return hash;
}

static struct file *
files_find(const struct files *files, const char *name, size_t len,
    uint32_t hash)
{
	struct file *file = files->buckets[hash & files->mask];

	while (file != NULL && (file->hash != hash || file->name_len != len ||
	    memcmp(file->name, name, len) != 0))
		file = file->next;
	return file;
}

static void
files_link_newest(struct files *files, struct file *file)
{
	file->newer = NULL;
	file->older = files->newest;
	if (files->newest != NULL)
		files->newest->newer = file;
	else
		files->oldest = file;
	files->newest = file;
}

static void
files_unlink_use(struct files *files, struct file *file)
{
	if (file->newer != NULL)
		file->newer->older = file->older;
	else
		files->newest = file->older;
	if (file->older != NULL)
		file->older->newer = file->newer;
	else
		files->oldest = file->newer;
}

static void
files_touch(struct files *files, struct file *file, uint64_t now_ms)
{
	file->used_ms = now_ms;
	if (files->newest == file)
		return;
	files_unlink_use(files, file);
	files_link_newest(files, file);
}

static void
files_drop(struct files *files, struct file *file)
{
	struct file **at = &files->buckets[file->hash & files->mask];

	while (*at != file)
		at = &(*at)->next;
	*at = file->next;
	files_unlink_use(files, file);
	files->count--;
	files->bytes -= file->data == NULL ? 0 : file->size;
	file->cached = false;
	files_put(file);
}

/* Into the cache, which holds it too; the oldest make way. */
static void
files_keep(struct files *files, struct file *file, uint64_t now_ms)
{
	uint64_t bytes = file->data == NULL ? 0 : file->size;

	if (files->max_count == 0 || bytes > files->max_bytes)
		return;
	while (files->count >= files->max_count ||
	    files->bytes + bytes > files->max_bytes)
		files_drop(files, files->oldest);
	file->next = files->buckets[file->hash & files->mask];
	files->buckets[file->hash & files->mask] = file;
	file->used_ms = file->checked_ms = now_ms;
	file->cached = true;
	file->refs++;
	files_link_newest(files, file);
	files->count++;
	files->bytes += bytes;
}

/* ---- opening ------------------------------------------------------------------------ */

static int
files_open(const struct files *files, const char *name, struct stat *st)
{
	int fd = beneath_open(files->root, name, files->links, false), rc = 0;

	if (fd < 0)		/* ENXIO: a socket */
		return fd == -ENXIO || fd == -ENODEV ? -ENOENT : fd;
	if (fstat(fd, st) != 0)
		rc = -errno;
	else if (S_ISDIR(st->st_mode))
		rc = -EISDIR;
	else if (!S_ISREG(st->st_mode))
		rc = -ENOENT;
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

int
files_find_directory(const struct files *files, const char *name)
{
	int fd = beneath_open(files->root, name, files->links, true), rc = 0;
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) != 0)
		rc = -errno;
	else if (!S_ISDIR(st.st_mode))
		rc = -ENOTDIR;
	close(fd);
	return rc;
}

int
files_get(struct files *files, const char *name, size_t len, uint64_t now_ms,
    struct file **out)
{
	uint32_t hash = files_hash(name, len);
	struct file *file = files_find(files, name, len, hash), *fresh;
	struct stat st;
	int fd, rc;

	if (file != NULL && now_ms - file->checked_ms < files->ttl_ms) {
		files_touch(files, file, now_ms);
		file->refs++;
		*out = file;
		return 0;
	}
	fd = files_open(files, name, &st);
	if ((fd == -EMFILE || fd == -ENFILE) && files->count > 0) {
		files_forget_idle(files, now_ms, 0);	/* what is kept is ours */
		file = NULL;
		fd = files_open(files, name, &st);
	}
	if (file != NULL && (fd < 0 || !file_is_same(file, &st))) {
		files_drop(files, file);
		file = NULL;
	}
	if (fd < 0)
		return fd;
	if (file != NULL) {
		close(fd);
		file->checked_ms = now_ms;
		file->absent = 0;
		files_touch(files, file, now_ms);
		file->refs++;
		*out = file;
		return 0;
	}
	rc = file_new(name, len, fd, &st, files->types, &fresh);
	if (rc != 0)
		return rc;
	fresh->hash = hash;
	files_keep(files, fresh, now_ms);
	*out = fresh;
	return 0;
}

void
files_put(struct file *file)
{
	if (file != NULL && --file->refs == 0)
		file_free(file);
}

void
files_forget(struct files *files, struct file *file)
{
	if (file->cached)
		files_drop(files, file);
}

void
files_forget_idle(struct files *files, uint64_t now_ms, uint64_t idle_ms)
{
	while (files->oldest != NULL &&
	    now_ms - files->oldest->used_ms >= idle_ms)
		files_drop(files, files->oldest);
}

int
files_init(struct files *files)
{
	uint32_t size = 64;

	while (size < 2 * files->max_count)
		size *= 2;
	files->mask = size - 1;
	files->buckets = calloc(size, sizeof(struct file *));
	return files->buckets == NULL ? -ENOMEM : 0;
}

void
files_done(struct files *files)
{
	while (files->oldest != NULL)
		files_drop(files, files->oldest);
	free(files->buckets);
	files->buckets = NULL;
}
