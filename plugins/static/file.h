/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* file.h: one file in one state, for files.c. */
#ifndef PLUGINS_STATIC_FILE_H
#define PLUGINS_STATIC_FILE_H

#include <sys/stat.h>

#include "files.h"

/* Takes fd over, also on failure; the bytes of a small file are read.  The one
 * reference is the caller's.  -ENOMEM; -EIO: it could not be read. */
int file_new(const char *name, size_t len, int fd, const struct stat *st,
    const struct types *types, struct file **out);
void file_free(struct file *file);

/* Still what was seen: the same file, untouched. */
bool file_is_same(const struct file *file, const struct stat *st);

#endif
