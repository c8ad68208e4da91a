/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* path.h: from the path of a request to a name below the root.  Pure. */
#ifndef PLUGINS_STATIC_PATH_H
#define PLUGINS_STATIC_PATH_H

#include <stdbool.h>
#include <stddef.h>

enum { STATIC_NAME_MAX = 4096 };	/* with its NUL */

/*
 * What is left of path behind prefix, NULL if it is not below it.  prefix has
 * no slash at its end; what is left begins with one, or is "".
 */
const char *path_strip(const char *path, const char *prefix);

/*
 * Write the name, relative to the root, that path stands for, and its length;
 * one that ends in a slash, or is empty, names a directory.  Percent-encoding
 * is undone, once.  -ENOENT: no file has that name: an encoded slash, an empty
 * or a dot segment, or a hidden one where those are not served (.well-known at
 * the top always is); -EINVAL: no path, a bad escape, or NUL; -ENAMETOOLONG.
 */
int path_decode(const char *path, bool hidden, char out[STATIC_NAME_MAX],
    size_t *len);

#endif
