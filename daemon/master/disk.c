/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * disk.c: files written by a thread; see disk.h.
 * There is one thread, started with the first job, and jobs run one after the
 * other, so that two never write the same file.  While it is stuck in a system
 * call the loop gives up the job at its limit and goes on; the next job waits
 * for the same disk, with a limit of its own.
 */
#include "daemon/master/disk.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/digest.h"
#include "common/base/failpoint.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "daemon/master/master.h"
#include "daemon/master/sweep.h"
#include "daemon/master/tick.h"

enum { LIMIT_MS = 10000 };

struct item {
	struct item *next;
	char path[400];
	mode_t mode;
	int fd;				/* -1: a folder */
	uint64_t size;
	char sha256[SHA256_HEX];	/* "": not compared */
	char name[48];
	bool optional;
};

struct disk_job {
	struct item *first, **end;
	disk_done done;
	uint64_t began_ms;
	bool late;			/* given up at its limit */
	bool dropped;			/* under the lock */
	struct errmsg err;		/* the thread's until it has finished */
	struct errmsg missed;		/* the last failure of an optional one */
};

struct disk {
	struct master *m;
	struct disk_job *awaited;	/* its result is wanted; NULL: none */
	struct event *readable, *limit;
	uint64_t limit_ns;		/* by tick_awake_ns() */
	int wake_fd;
	bool has_thread;
	pthread_mutex_t lock;
	pthread_cond_t work;
	/* under the lock */
	struct disk_job *next;		/* to be begun */
	struct disk_job *finished;	/* to be taken by the loop */
	const struct item *at;		/* of the one that runs; NULL: none */
	struct sweep *sweep;		/* to be begun, before the next job */
	struct errmsg swept;		/* the failure of the last, not yet said */
};

/* -- a job is put together ----------------------------------------------------- */

struct disk_job *
disk_job_new(void)
{
	struct disk_job *job = memory_new(sizeof(*job));

	job->end = &job->first;
	return job;
}

void
disk_job_free(struct disk_job *job)
{
	struct item *next;

	if (job == NULL)
		return;
	for (struct item *item = job->first; item != NULL; item = next) {
		next = item->next;
		fd_close(&item->fd);
		memory_free(item);
	}
	memory_free(job);
}

static struct item *
add_item(struct disk_job *job, const char *path, mode_t mode)
{
	struct item *item = memory_new(sizeof(*item));

	snprintf(item->path, sizeof(item->path), "%s", path);
	item->mode = mode;
	item->fd = -1;
	*job->end = item;
	job->end = &item->next;
	return item;
}

void
disk_add_folder(struct disk_job *job, const char *path, mode_t mode)
{
	add_item(job, path, mode);
}

int
disk_add_file(struct disk_job *job, const struct disk_file *file,
    struct errmsg *err)
{
	int fd = fcntl(file->fd, F_DUPFD_CLOEXEC, 3);
	struct item *item;

	if (fd < 0)
		return errmsg_errno(err, "cannot write %s", file->path);
	item = add_item(job, file->path, file->mode);
	item->fd = fd;
	item->size = file->size;
	if (file->sha256 != NULL)
		snprintf(item->sha256, sizeof(item->sha256), "%s",
		    file->sha256);
	snprintf(item->name, sizeof(item->name), "%s", file->name);
	item->optional = file->optional;
	return 0;
}

/* -- the thread's side: nothing of the master, no log ------------------------------ */

static int
make_folder(const struct item *item, struct errmsg *err)
{
	if (mkdir(item->path, item->mode) != 0 && errno != EEXIST)
		return errmsg_errno(err, "cannot make %s", item->path);
	chmod(item->path, item->mode);	/* whatever our umask is */
	return 0;
}

static int
compare(const struct item *item, const void *data, struct errmsg *err)
{
	uint8_t digest[SHA256_SIZE];
	char hex[SHA256_HEX];
	struct sha256 sha;

	if (item->sha256[0] == '\0')
		return 0;
	sha256_init(&sha);
	sha256_add(&sha, data, item->size);
	sha256_end(&sha, digest);
	sha256_hex(digest, hex);
	if (strcmp(hex, item->sha256) == 0)
		return 0;
	return errmsg_set(err, ERR_FAILED, "%s is not what was checked",
	    item->name);
}

/* Always anew: what lies there may have been damaged. */
static int
write_data(const struct item *item, const void *data, struct errmsg *err)
{
	char temporary[sizeof(item->path) + 4];
	int fd, fp, rc = 0;

	snprintf(temporary, sizeof(temporary), "%s.new", item->path);
	unlink(temporary);
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	    item->mode);
	if (fd >= 0 && (fp = FP("disk.before_write")) > 0) {
		fd_close(&fd);
		errno = fp;
	}
	if (fd < 0 || fchmod(fd, item->mode) != 0 ||
	    fd_write_all(fd, data, item->size) != 0 || fsync(fd) != 0 ||
	    rename(temporary, item->path) != 0)
		rc = errmsg_errno(err, "cannot write %s", item->path);
	fd_close(&fd);
	if (rc != 0)
		unlink(temporary);
	return rc;
}

static int
write_file(const struct item *item, struct errmsg *err)
{
	void *data = mmap(NULL, item->size, PROT_READ, MAP_SHARED, item->fd,
	    0);
	int rc;

	if (data == MAP_FAILED)
		return errmsg_errno(err, "cannot read %s", item->name);
	rc = compare(item, data, err);
	if (rc == 0)
		rc = write_data(item, data, err);
	munmap(data, item->size);
	return rc;
}

/* Lock held, given up while the disk works. */
static void
run_job(struct disk *disk, struct disk_job *job)
{
	struct errmsg err;
	int rc = 0;

	for (const struct item *item = job->first; item != NULL && rc == 0 &&
	    !job->dropped; item = item->next) {
		disk->at = item;
		pthread_mutex_unlock(&disk->lock);
		rc = item->fd < 0 ? make_folder(item, &err) :
		    write_file(item, &err);
		if (rc != 0)
			*(item->optional ? &job->missed : &job->err) = err;
		if (item->optional)
			rc = 0;
		pthread_mutex_lock(&disk->lock);
	}
	disk->at = NULL;
}

/* Lock held, as above. */
static void
run_sweep(struct disk *disk, struct sweep *sweep)
{
	struct errmsg err;
	int rc;

	pthread_mutex_unlock(&disk->lock);
	rc = sweep_run(sweep, &err);
	sweep_free(sweep);
	pthread_mutex_lock(&disk->lock);
	if (rc != 0)
		disk->swept = err;
}

static void *
disk_thread(void *arg)
{
	const uint64_t one = 1;
	struct disk *disk = arg;
	struct disk_job *job;
	struct sweep *sweep;
	ssize_t ignored;

	pthread_mutex_lock(&disk->lock);
	for (;;) {
		while ((disk->next == NULL && disk->sweep == NULL) ||
		    disk->finished != NULL)
			pthread_cond_wait(&disk->work, &disk->lock);
		if ((sweep = disk->sweep) != NULL) {
			/* First: it does not know what the job makes. */
			disk->sweep = NULL;
			run_sweep(disk, sweep);
		} else {
			job = disk->next;
			disk->next = NULL;
			run_job(disk, job);
			disk->finished = job;
		}
		ignored = write(disk->wake_fd, &one, sizeof(one));
		(void)ignored;
	}
	return NULL;
}

/* -- the loop's side ------------------------------------------------------------------ */

static void
end_awaited(struct disk *disk, const struct disk_job *job)
{
	if (job->missed.code != 0)
		log_warn("master: %s", job->missed.text);
	disk->awaited = NULL;
	event_del(disk->limit);
	job->done(disk->m, &job->err);
}

/* True: the job that is waited for was finished. */
static bool
take_finished(struct disk *disk)
{
	struct disk_job *job;
	struct errmsg swept;
	bool awaited;

	pthread_mutex_lock(&disk->lock);
	job = disk->finished;
	disk->finished = NULL;
	swept = disk->swept;
	disk->swept.code = 0;
	pthread_cond_signal(&disk->work);
	pthread_mutex_unlock(&disk->lock);
	if (swept.code != 0)
		log_warn("master: %s", swept.text);
	if (job == NULL)
		return false;
	awaited = job == disk->awaited;
	if (awaited)
		end_awaited(disk, job);
	else if (job->late)
		log_notice("master: the disk answers again, after %llu ms",
		    (unsigned long long)(clock_now_ms() - job->began_ms));
	disk_job_free(job);
	return awaited;
}

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
	uint64_t count;
	ssize_t ignored = read(fd, &count, sizeof(count));

	(void)ignored;
	(void)what;
	take_finished(arg);
}

/* Where it stands: perhaps still at a file of the job before. */
static void
explain_limit(struct disk *disk, struct errmsg *err)
{
	const struct item *at;

	pthread_mutex_lock(&disk->lock);
	at = disk->at != NULL ? disk->at : disk->awaited->first;
	errmsg_set(err, ERR_TIMEOUT, "the disk does not answer: %s is not "
	    "written after %d s", at->path, LIMIT_MS / 1000);
	pthread_mutex_unlock(&disk->lock);
}

static void
on_limit(evutil_socket_t fd, short what, void *arg)
{
	struct disk *disk = arg;
	disk_done done = disk->awaited->done;
	struct errmsg err;

	(void)fd;
	(void)what;
	if (take_finished(disk) ||	/* both in the same turn */
	    tick_not_yet(disk->m, disk->limit, disk->limit_ns))
		return;
	explain_limit(disk, &err);
	disk->awaited->late = true;
	disk_cancel(disk);
	done(disk->m, &err);
}

struct disk *
disk_new(struct master *m)
{
	struct disk *disk = memory_new(sizeof(*disk));

	disk->m = m;
	pthread_mutex_init(&disk->lock, NULL);
	pthread_cond_init(&disk->work, NULL);
	disk->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (disk->wake_fd < 0)
		master_give_up("disk");
	disk->readable = event_new(m->base, disk->wake_fd,
	    EV_READ | EV_PERSIST, on_wake, disk);
	disk->limit = evtimer_new(m->base, on_limit, disk);
	CHECK(disk->readable != NULL && disk->limit != NULL);
	event_add(disk->readable, NULL);
	return disk;
}

static int
start_thread(struct disk *disk, struct errmsg *err)
{
	sigset_t all, before;
	pthread_t thread;
	int rc;

	if (disk->has_thread)
		return 0;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&thread, NULL, disk_thread, disk);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0) {
		errno = rc;
		return errmsg_errno(err, "cannot start the disk thread");
	}
	pthread_detach(thread);
	disk->has_thread = true;
	return 0;
}

int
disk_start(struct disk *disk, struct disk_job *job, disk_done done,
    struct errmsg *err)
{
	int rc = start_thread(disk, err);

	if (rc != 0) {
		disk_job_free(job);
		return rc;
	}
	CHECK(disk->awaited == NULL && job->first != NULL);
	job->done = done;
	job->began_ms = clock_now_ms();
	disk->awaited = job;
	disk->limit_ns = tick_awake_ns(disk->m) +
	    clock_scaled_ms(LIMIT_MS) * NS_PER_MS;
	(void)tick_not_yet(disk->m, disk->limit, disk->limit_ns);
	pthread_mutex_lock(&disk->lock);
	disk->next = job;
	pthread_cond_signal(&disk->work);
	pthread_mutex_unlock(&disk->lock);
	return 0;
}

void
disk_cancel(struct disk *disk)
{
	struct disk_job *job = disk->awaited, *unbegun = NULL;

	if (job == NULL)
		return;
	disk->awaited = NULL;
	event_del(disk->limit);
	pthread_mutex_lock(&disk->lock);
	job->dropped = true;
	if (disk->next == job) {
		unbegun = job;
		disk->next = NULL;
	}
	pthread_mutex_unlock(&disk->lock);
	disk_job_free(unbegun);
}

void
disk_sweep(struct disk *disk, struct sweep *sweep)
{
	struct sweep *before;
	struct errmsg err;

	if (start_thread(disk, &err) != 0) {
		log_warn("master: %s", err.text);
		sweep_free(sweep);
		return;
	}
	pthread_mutex_lock(&disk->lock);
	before = disk->sweep;
	disk->sweep = sweep;
	pthread_cond_signal(&disk->work);
	pthread_mutex_unlock(&disk->lock);
	sweep_free(before);
}
