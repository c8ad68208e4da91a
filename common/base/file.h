/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * file.h: what a file is, whatever its name, and whatever number its descriptor
 * has.  All roles; no state.
 */
#ifndef CLUSTERD_BASE_FILE_H
#define CLUSTERD_BASE_FILE_H

#include <stdbool.h>
#include <sys/stat.h>

/* While somebody holds it no other file is the same.  ino 0: none. */
struct file_id {
	dev_t dev;
	ino_t ino;
};

static inline struct file_id
file_id_of(const struct stat *st)
{
	return (struct file_id){ st->st_dev, st->st_ino };
}

static inline bool
file_is(const struct stat *st, const struct file_id *id)
{
	return st->st_dev == id->dev && st->st_ino == id->ino;
}

/* Is that number open, and this file? */
static inline bool
file_is_at(int fd, const struct file_id *id)
{
	struct stat st;

	return fstat(fd, &st) == 0 && file_is(&st, id);
}

/* A regular file or a character device.  Not so a pipe: what others write into it
 * comes between the lines of a long write. */
static inline bool
file_takes_lines(const struct stat *st)
{
	return S_ISREG(st->st_mode) || S_ISCHR(st->st_mode);
}

#endif
