/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* rundir.c: directories and locks; see rundir.h. */
#include "daemon/keeper/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "daemon/keeper/orders.h"
#include "daemon/keeper/reap.h"

enum { NAME_SIZE = CHECKER_PATH + 32 };

/* Make dir with its parents; owner only for one that we made. */
static int
make_dir(const char *dir, mode_t mode, const struct checker_account *owner,
    struct errmsg *err)
{
	char path[CHECKER_PATH];
	int fd, rc = 0;

	snprintf(path, sizeof(path), "%s", dir);
	for (char *at = strchr(path + 1, '/'); at != NULL;
	    at = strchr(at + 1, '/')) {
		*at = '\0';
		if (mkdir(path, 0755) == 0)
			chmod(path, 0755);	/* whatever the umask */
		*at = '/';
	}
	if (mkdir(path, 0700) < 0) {
		struct stat st;

		if (errno == EEXIST && stat(path, &st) == 0 &&
		    S_ISDIR(st.st_mode))
			return 0;
		return errmsg_errno(err, "cannot make %s", dir);
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchmod(fd, mode) < 0 || (owner != NULL &&
	    fchown(fd, owner->uid, owner->gid) < 0))
		rc = errmsg_errno(err, "cannot set up %s", dir);
	fd_close(&fd);
	return rc;
}

static const char *
name_in(const struct keeper *k, const char *name, char path[NAME_SIZE])
{
	snprintf(path, NAME_SIZE, "%s/%s", k->first.header.run_dir, name);
	return path;
}

static int
open_lock(const struct keeper *k, const char *name, struct errmsg *err)
{
	char path[NAME_SIZE];
	int fd = open(name_in(k, name, path), O_RDWR | O_CREAT | O_NOFOLLOW |
	    O_CLOEXEC, 0644);

	if (fd < 0)
		errmsg_errno(err, "cannot open %s", path);
	return fd;
}

/* The lock file says who holds it: "PID SECONDS". */
static void
write_holder(const struct keeper *k)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%d %lld\n", (int)getpid(),
	    (long long)(k->started_wall_ms / 1000));

	if (ftruncate(k->lock_fd, 0) == 0)
		n = (int)pwrite(k->lock_fd, text, (size_t)n, 0);
}

static int
explain_holder(const struct keeper *k, struct errmsg *err)
{
	char text[64], since[32] = "?", *end;
	ssize_t n = pread(k->lock_fd, text, sizeof(text) - 1, 0);
	long pid = 0;
	struct tm tm;
	time_t at;

	text[n > 0 ? n : 0] = '\0';
	pid = strtol(text, &end, 10);
	at = (time_t)strtoll(end, NULL, 10);
	if (at > 0 && localtime_r(&at, &tm) != NULL)
		strftime(since, sizeof(since), "%Y-%m-%d %H:%M:%S", &tm);
	errmsg_set(err, ERR_CONFLICT, "already running: pid %ld since %s (%s)",
	    pid, since, k->first.header.run_dir);
	return EXIT_RUNNING;
}

/* Every worker inherits this lock, so it is busy while one of them lives. */
static int
await_workers(struct keeper *k, struct errmsg *err)
{
	uint64_t end = clock_now_ms() + k->first.header.orphan_grace_ms +
	    clock_scaled_ms(2000);

	while (flock(k->workers_lock_fd, LOCK_EX | LOCK_NB) < 0) {
		struct pollfd fd = { .fd = k->signal_fd, .events = POLLIN };

		if (errno != EWOULDBLOCK && errno != EINTR) {
			errmsg_errno(err, "cannot lock %s/workers.lock",
			    k->first.header.run_dir);
			return EXIT_FAILED;
		}
		if (clock_now_ms() >= end) {
			errmsg_set(err, ERR_CONFLICT, "already running: "
			    "workers of an earlier instance still hold "
			    "%s/workers.lock", k->first.header.run_dir);
			return EXIT_RUNNING;
		}
		poll(&fd, 1, 50);
		if (orders_read_signals(k))
			reap_all(k);
		if (k->stop_asked != 0)
			return EXIT_DONE - 1;
	}
	return 0;
}

static int
write_pid_file(const struct keeper *k, struct errmsg *err)
{
	char path[NAME_SIZE], text[16];
	int fd = open(name_in(k, "clusterd.pid", path), O_WRONLY | O_CREAT |
	    O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid()), rc = 0;

	if (fd < 0 || fchmod(fd, 0644) < 0 ||
	    fd_write_all(fd, text, (size_t)n) != 0)
		rc = errmsg_errno(err, "cannot write %s", path);
	fd_close(&fd);
	return rc;
}

/* Workers map their plugins from there. */
static int
refuse_noexec(const char *dir, struct errmsg *err)
{
	struct statvfs fs;

	if (statvfs(dir, &fs) < 0 || !(fs.f_flag & ST_NOEXEC))
		return 0;
	return errmsg_set(err, ERR_SYSTEM, "state_dir %s is mounted noexec: "
	    "no plugin can be run from there", dir);
}

int
rundir_prepare(struct keeper *k, struct errmsg *err)
{
	const struct checker_header *header = &k->first.header;
	int rc;

	if (make_dir(header->run_dir, 0755, NULL, err) != 0 ||
	    make_dir(header->state_dir, 0751,
	    keeper_account(k, header->user), err) != 0 ||
	    refuse_noexec(header->state_dir, err) != 0)
		return EXIT_FAILED;
	if ((k->lock_fd = open_lock(k, "lock", err)) < 0)
		return EXIT_FAILED;
	if (flock(k->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return explain_holder(k, err);
	write_holder(k);
	if ((k->workers_lock_fd = open_lock(k, "workers.lock", err)) < 0)
		return EXIT_FAILED;
	if ((rc = await_workers(k, err)) != 0)
		return rc;
	return write_pid_file(k, err) == 0 ? 0 : EXIT_FAILED;
}

void
rundir_leave(struct keeper *k)
{
	char path[NAME_SIZE];

	if (k->lock_fd >= 0 && k->workers_lock_fd >= 0)
		unlink(name_in(k, "clusterd.pid", path));
}
