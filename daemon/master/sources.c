/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* sources.c: a thread that looks at the files of plugins; see sources.h. */
#include "daemon/master/sources.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/digest.h"
#include "common/base/fd.h"
#include "daemon/conf/conf.h"

enum { READ_MAX = 256 << 20 };		/* no plugin is larger */

struct source {
	char *path;
	char sha256[SHA256_HEX];
	bool is_changed;		/* the thread writes, atomically */
	/* the thread's own */
	struct stat seen;		/* as it was when it was last read */
	bool is_seen;
};

/* The loop makes the rows, but never while the thread looks. */
struct sources {
	struct source *rows;
	size_t count;
	bool has_thread;
	pthread_mutex_t lock;
	pthread_cond_t work;
	bool looking;			/* under the lock */
};

/* ---- the thread's side --------------------------------------------------------- */

static bool
is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	    a->st_size == b->st_size &&
	    a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	    a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	    a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	    a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* 0, or -1 with errno. */
static int
hash_file(int fd, char hex[SHA256_HEX])
{
	uint8_t digest[SHA256_SIZE];
	static char block[65536];
	struct sha256 sha;
	size_t len = 0;
	ssize_t got;

	sha256_init(&sha);
	while (len < READ_MAX && (got = read(fd, block, sizeof(block))) != 0) {
		if (got < 0)
			return -1;
		sha256_add(&sha, block, (size_t)got);
		len += (size_t)got;
	}
	sha256_end(&sha, digest);
	sha256_hex(digest, hex);
	return 0;
}

/* Its content, if we may read it: else nothing is known of it. */
static void
read_source(struct source *source)
{
	int fd = open(source->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char hex[SHA256_HEX];
	bool changed;

	source->is_seen = fd >= 0 && fstat(fd, &source->seen) == 0;
	if (fd < 0)
		changed = errno == ENOENT || errno == ENOTDIR;
	else if (source->is_seen && !S_ISREG(source->seen.st_mode))
		changed = true;
	else
		changed = hash_file(fd, hex) == 0 &&
		    strcmp(hex, source->sha256) != 0;
	fd_close(&fd);
	__atomic_store_n(&source->is_changed, changed, __ATOMIC_RELAXED);
}

static void
look_at(struct source *source)
{
	struct stat now;

	if (!source->is_seen || stat(source->path, &now) != 0 ||
	    !is_same_file(&now, &source->seen))
		read_source(source);
}

static void *
sources_thread(void *arg)
{
	struct sources *sources = arg;

	pthread_mutex_lock(&sources->lock);
	for (;;) {
		while (!sources->looking)
			pthread_cond_wait(&sources->work, &sources->lock);
		pthread_mutex_unlock(&sources->lock);
		for (size_t i = 0; i < sources->count; i++)
			look_at(&sources->rows[i]);
		pthread_mutex_lock(&sources->lock);
		sources->looking = false;
	}
	return NULL;
}

/* ---- the loop's side ------------------------------------------------------------ */

struct sources *
sources_new(void)
{
	/* not of the heap: a master that starts without memory is to serve */
	static struct sources the_sources;
	struct sources *sources = &the_sources;

	pthread_mutex_init(&sources->lock, NULL);
	pthread_cond_init(&sources->work, NULL);
	return sources;
}

static bool
is_looking(struct sources *sources)
{
	bool looking;

	pthread_mutex_lock(&sources->lock);
	looking = sources->looking;
	pthread_mutex_unlock(&sources->lock);
	return looking;
}

/* The row is of that plugin as it was accepted. */
static bool
is_row_of(const struct source *row, const struct conf_plugin *plugin)
{
	return strcmp(row->path, plugin->module) == 0 &&
	    strcmp(row->sha256, plugin->sha256) == 0;
}

static bool
is_list_of(const struct sources *sources, const struct conf *conf)
{
	if (sources->count != conf->plugin_count)
		return false;
	for (size_t i = 0; i < sources->count; i++)
		if (!is_row_of(&sources->rows[i], &conf->plugins[i]))
			return false;
	return true;
}

/* Memory short: the list ends early, and the next look makes it anew. */
static void
make_list(struct sources *sources, const struct conf *conf)
{
	for (size_t i = 0; i < sources->count; i++)
		free(sources->rows[i].path);
	free(sources->rows);
	sources->count = 0;
	sources->rows = calloc(conf->plugin_count + 1,
	    sizeof(sources->rows[0]));
	if (sources->rows == NULL)
		return;
	for (size_t i = 0; i < conf->plugin_count; i++) {
		struct source *row = &sources->rows[i];

		row->path = strdup(conf->plugins[i].module);
		if (row->path == NULL)
			return;
		snprintf(row->sha256, sizeof(row->sha256), "%s",
		    conf->plugins[i].sha256);
		sources->count++;
	}
}

/* Without a thread nothing is known: tried again at the next look. */
static void
start_thread(struct sources *sources)
{
	sigset_t all, before;
	pthread_t thread;

	if (sources->has_thread)
		return;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&thread, NULL, sources_thread, sources) == 0) {
		pthread_detach(thread);
		sources->has_thread = true;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void
sources_look(struct sources *sources, const struct conf *conf)
{
	start_thread(sources);
	if (!sources->has_thread || is_looking(sources))
		return;
	if (!is_list_of(sources, conf))
		make_list(sources, conf);
	pthread_mutex_lock(&sources->lock);
	sources->looking = true;
	pthread_cond_signal(&sources->work);
	pthread_mutex_unlock(&sources->lock);
}

bool
sources_is_changed(const struct sources *sources, const struct conf *conf,
    size_t plugin)
{
	return plugin < sources->count &&
	    is_row_of(&sources->rows[plugin], &conf->plugins[plugin]) &&
	    __atomic_load_n(&sources->rows[plugin].is_changed,
	    __ATOMIC_RELAXED);
}
