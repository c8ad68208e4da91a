/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * files.h: the files below the root as they are served, with a cache of those
 * that were asked for lately.  One for each instance of the plugin, used by the
 * loop alone.
 */
#ifndef PLUGINS_STATIC_FILES_H
#define PLUGINS_STATIC_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "httpdate.h"
#include "types.h"

enum {
	FILES_SMALL = 16384,		/* up to here it is kept in memory */
	FILES_ETAG_MAX = 40,
};

/* What tells one state of a file from another. */
struct file_identity {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec modified, changed;
};

/* One file in one state; does not change but in what the cache knows of it. */
struct file {
	struct file *next;		/* of its bucket */
	struct file *newer, *older;	/* by use */
	struct file_identity is;
	uint64_t checked_ms, used_ms;
	unsigned refs;			/* those who hold it, and the cache */
	uint32_t hash;
	int fd;				/* -1: its bytes are in data */
	char *data;
	uint64_t size;
	bool cached;
	bool young;			/* may have changed since unseen */
	uint8_t absent;			/* bits: these variants are not there */
	const char *type;
	int64_t modified;
	char etag[FILES_ETAG_MAX];	/* W/"time-size" */
	char modified_text[HTTPDATE_MAX];
	size_t name_len;
	char name[];
};

struct files {
	int root;
	bool links;
	const struct types *types;
	uint64_t ttl_ms;
	unsigned max_count;		/* 0: nothing is kept */
	uint64_t max_bytes;

	unsigned count;
	uint64_t bytes;
	struct file **buckets;
	uint32_t mask;
	struct file *newest, *oldest;
};

/* The members above count are set before.  0, or -ENOMEM. */
int files_init(struct files *files);
/* Nobody holds a file any more. */
void files_done(struct files *files);

/*
 * The file of that name, held until files_put().  now_ms: the loop's time.
 * What was looked at within ttl_ms is not looked at again.  -EISDIR;
 * -ENOENT, also where it is neither file nor directory; -EXDEV, -ELOOP,
 * -EACCES, -EMFILE, -ENOMEM ... as open().
 */
int files_get(struct files *files, const char *name, size_t len,
    uint64_t now_ms, struct file **out);
void files_put(struct file *file);

/* Its tag, which is weak as long as it may change again in the second that it has. */
const char *file_tag(const struct file *file);

/* It is found not to be what it was: the next who asks looks anew. */
void files_forget(struct files *files, struct file *file);

/* Let go of what nobody has asked for in that time. */
void files_forget_idle(struct files *files, uint64_t now_ms, uint64_t idle_ms);

/* 0: it is a directory; -errno. */
int files_find_directory(const struct files *files, const char *name);

#endif
