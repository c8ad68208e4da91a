/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * sweep.c: files that nobody needs any more; see sweep.h.
 * Snapshots first, as those that stay say which plugins do.  One that cannot
 * be read may name any plugin, so the plugin store is left alone then.  What
 * has another kind of name was not made by us, and stays.
 */
#include "daemon/master/sweep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/check.h"
#include "common/base/digest.h"
#include "common/base/errmsg.h"
#include "common/base/memory.h"
#include "daemon/conf/conf.h"
#include "daemon/master/generations.h"

struct sweep {
	char state_dir[300];
	unsigned keep;
	struct buf used;	/* uint64_t: stay, whatever their age */
	struct buf found;	/* uint64_t: those that have a file */
	struct buf plugins;	/* char[SHA256_HEX]: stay */
};

/* -- what must stay ------------------------------------------------------------- */

struct sweep *
sweep_new(const char *state_dir, unsigned keep)
{
	struct sweep *sweep = memory_new(sizeof(*sweep));

	snprintf(sweep->state_dir, sizeof(sweep->state_dir), "%s", state_dir);
	sweep->keep = keep;
	buf_init(&sweep->used, 0);
	buf_init(&sweep->found, 0);
	buf_init(&sweep->plugins, 0);
	return sweep;
}

void
sweep_free(struct sweep *sweep)
{
	if (sweep == NULL)
		return;
	buf_done(&sweep->used);
	buf_done(&sweep->found);
	buf_done(&sweep->plugins);
	memory_free(sweep);
}

/* Lists of records of one size. */
static bool
has(const struct buf *list, const void *record, size_t size)
{
	for (size_t at = 0; at < buf_len(list); at += size)
		if (memcmp(buf_at(list) + at, record, size) == 0)
			return true;
	return false;
}

static void
add(struct buf *list, const void *record, size_t size)
{
	/* in vain: the list says that it failed */
	if (!has(list, record, size))
		(void)buf_add(list, record, size);
}

static void
keep_plugins(struct sweep *sweep, const struct conf *conf)
{
	char hex[SHA256_HEX];

	for (size_t i = 0; i < conf->plugin_count; i++) {
		memset(hex, 0, sizeof(hex));
		snprintf(hex, sizeof(hex), "%s", conf->plugins[i].sha256);
		add(&sweep->plugins, hex, sizeof(hex));
	}
}

void
sweep_keep(struct sweep *sweep, uint64_t number, const struct conf *conf)
{
	add(&sweep->used, &number, sizeof(number));
	if (conf != NULL)
		keep_plugins(sweep, conf);
}

/* -- the thread's side: nothing of the master, no log ------------------------------ */

/* Call with each name of a folder, until one says so; one that is not there is
 * empty. */
static int
each_name(struct sweep *sweep, const char *folder,
    int (*call)(struct sweep *, int dir, const char *name),
    struct errmsg *err)
{
	char path[400];
	struct dirent *entry;
	int failed = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%s", sweep->state_dir, folder);
	dir = opendir(path);
	if (dir == NULL)
		return errno == ENOENT ? 0 : errmsg_errno(err,
		    "cannot read %s", path);
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.' &&
		    call(sweep, dirfd(dir), entry->d_name) != 0) {
			failed = 1;
			errmsg_errno(err, "cannot remove %s/%s", path,
			    entry->d_name);
		}
	closedir(dir);
	return failed ? err->code : 0;
}

static int
remove_one(int dir, const char *name)
{
	return unlinkat(dir, name, 0) == 0 || errno == ENOENT ? 0 : -1;
}

static bool
is_half_written(const char *name)
{
	size_t len = strlen(name);

	return len > 4 && strcmp(name + len - 4, ".new") == 0;
}

/* "12" and "12.txt" are files of generation 12.  0: no such name. */
static uint64_t
number_of(const char *name)
{
	char *end;
	uint64_t number;

	if (name[0] < '1' || name[0] > '9')
		return 0;
	errno = 0;
	number = strtoull(name, &end, 10);
	if (errno != 0 || (*end != '\0' && strcmp(end, ".txt") != 0))
		return 0;
	return number;
}

static int
note_snapshot(struct sweep *sweep, int dir, const char *name)
{
	uint64_t number = number_of(name);

	if (is_half_written(name))
		return remove_one(dir, name);
	if (number != 0)
		add(&sweep->found, &number, sizeof(number));
	return 0;
}

static bool
is_kept(const struct sweep *sweep, uint64_t number)
{
	unsigned newer = 0;
	uint64_t other;

	if (has(&sweep->used, &number, sizeof(number)))
		return true;
	for (size_t at = 0; at < buf_len(&sweep->found); at += sizeof(other)) {
		memcpy(&other, buf_at(&sweep->found) + at, sizeof(other));
		newer += other > number;
	}
	return newer < sweep->keep;
}

static int
remove_snapshot(struct sweep *sweep, int dir, const char *name)
{
	uint64_t number = number_of(name);

	return number == 0 || is_kept(sweep, number) ? 0 :
	    remove_one(dir, name);
}

/* What those that stay name of the plugin store. */
static int
read_snapshot(struct sweep *sweep, uint64_t number, struct errmsg *err)
{
	char path[400];
	struct conf *conf;
	int fd;

	snprintf(path, sizeof(path), "%s/snapshots/%llu", sweep->state_dir,
	    (unsigned long long)number);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : errmsg_errno(err,
		    "cannot read %s", path);
	conf = generations_decode(fd, err);
	close(fd);
	if (conf == NULL)
		return errmsg_prefix(err, "%s/store is not cleaned, as %s "
		    "cannot be read: ", sweep->state_dir, path);
	keep_plugins(sweep, conf);
	conf_unref(conf);
	return 0;
}

static int
read_kept(struct sweep *sweep, struct errmsg *err)
{
	uint64_t number;
	int rc = 0;

	for (size_t at = 0; at < buf_len(&sweep->found) && rc == 0;
	    at += sizeof(number)) {
		memcpy(&number, buf_at(&sweep->found) + at, sizeof(number));
		if (is_kept(sweep, number))
			rc = read_snapshot(sweep, number, err);
	}
	return rc;
}

static int
remove_plugin(struct sweep *sweep, int dir, const char *name)
{
	char hex[SHA256_HEX] = "";

	if (is_half_written(name))
		return remove_one(dir, name);
	if (strlen(name) != SHA256_HEX - 1 + 3 ||
	    strcmp(name + SHA256_HEX - 1, ".so") != 0)
		return 0;
	memcpy(hex, name, SHA256_HEX - 1);
	return has(&sweep->plugins, hex, sizeof(hex)) ? 0 :
	    remove_one(dir, name);
}

/* Whoever is not on a list is removed: so nothing is, unless they are whole. */
static int
check_lists(const struct sweep *sweep, struct errmsg *err)
{
	return sweep->used.failed || sweep->found.failed ||
	    sweep->plugins.failed ? errmsg_set(err, ERR_MEMORY,
	    "nothing is removed: out of memory") : 0;
}

int
sweep_run(struct sweep *sweep, struct errmsg *err)
{
	int rc = each_name(sweep, "snapshots", note_snapshot, err);

	if (rc == 0)
		rc = check_lists(sweep, err);
	if (rc == 0)
		rc = each_name(sweep, "snapshots", remove_snapshot, err);
	if (rc == 0)
		rc = read_kept(sweep, err);
	if (rc == 0)
		rc = check_lists(sweep, err);
	return rc != 0 ? rc : each_name(sweep, "store", remove_plugin, err);
}
