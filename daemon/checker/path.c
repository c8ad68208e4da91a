/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* path.c: opens a file by walking its path; see path.h. */
#include "daemon/checker/path.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"

enum { LINKS_MAX = 40 };

struct walk {
	const char *path;		/* as asked, for words */
	char rest[2 * PATH_MAX];	/* what is still to be walked */
	char done[2 * PATH_MAX];	/* what was, for words */
	const struct path_owners *owners;
	int dir;			/* where rest begins */
	int links;
	struct errmsg *breach, *err;
};

/* Is this group only another name for its owner? */
static int
is_private_group(gid_t gid, uid_t owner)
{
	const struct passwd *passwd = getpwuid(owner);
	const struct group *group;

	if (gid == 0 && owner == 0)
		return 1;
	if (passwd == NULL || passwd->pw_gid != gid)
		return 0;
	group = getgrgid(gid);
	return group != NULL && strcmp(group->gr_name, passwd->pw_name) == 0 &&
	    group->gr_mem[0] == NULL;
}

/* The first breach is the one that is told. */
static void
judge(struct walk *walk, const struct stat *status)
{
	int sticky = S_ISDIR(status->st_mode) && status->st_uid == 0 &&
	    (status->st_mode & S_ISVTX) != 0;
	unsigned mode = status->st_mode & 07777;

	if (walk->breach->code != 0)
		return;
	if (status->st_uid != 0 && status->st_uid != walk->owners->keeper &&
	    status->st_uid != walk->owners->user)
		errmsg_set(walk->breach, ERR_DENIED, "%s belongs to uid %u, "
		    "who could change it (mode %04o)", walk->done,
		    (unsigned)status->st_uid, mode);
	else if (S_ISLNK(status->st_mode) || sticky)
		return;
	else if (status->st_mode & S_IWOTH)
		errmsg_set(walk->breach, ERR_DENIED,
		    "%s is writable by everybody (mode %04o)", walk->done,
		    mode);
	else if ((status->st_mode & S_IWGRP) &&
	    !is_private_group(status->st_gid, status->st_uid))
		errmsg_set(walk->breach, ERR_DENIED,
		    "%s is writable by group %u (mode %04o)", walk->done,
		    (unsigned)status->st_gid, mode);
	else if (S_ISREG(status->st_mode) &&
	    (status->st_mode & (S_ISUID | S_ISGID)))
		errmsg_set(walk->breach, ERR_DENIED,
		    "%s is setuid or setgid (mode %04o)", walk->done,
		    mode);
}

/* The checker is another account than the one that wrote the file. */
static int
cannot_open(struct walk *walk)
{
	const struct passwd *passwd;

	if (errno != EACCES)
		return errmsg_errno(walk->err, "cannot open %s", walk->path);
	passwd = getpwuid(geteuid());
	if (passwd == NULL)
		return errmsg_set(walk->err, ERR_SYSTEM,
		    "cannot open %s: uid %u may not read it", walk->path,
		    (unsigned)geteuid());
	return errmsg_set(walk->err, ERR_SYSTEM,
	    "cannot open %s: %s may not read it", walk->path, passwd->pw_name);
}

static int
back_to_root(struct walk *walk)
{
	struct stat status;

	fd_close(&walk->dir);
	walk->dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (walk->dir < 0 || fstat(walk->dir, &status) != 0)
		return errmsg_errno(walk->err, "cannot open /");
	snprintf(walk->done, sizeof(walk->done), "/");
	judge(walk, &status);
	return 0;
}

/* A link takes the place of its own name at the front of the rest. */
static int
follow(struct walk *walk, int link)
{
	char target[PATH_MAX], rest[2 * PATH_MAX];
	ssize_t len = readlinkat(link, "", target, sizeof(target) - 1);
	char *name;

	if (len < 0)
		return errmsg_errno(walk->err, "cannot read the link %s",
		    walk->done);
	target[len] = '\0';
	if (++walk->links > LINKS_MAX || (size_t)len + strlen(walk->rest) + 2 >
	    sizeof(rest))
		return errmsg_set(walk->err, ERR_SYSTEM,
		    "%s: too many links", walk->path);
	memcpy(rest, walk->rest, sizeof(rest));
	snprintf(walk->rest, sizeof(walk->rest), "%s/%.*s", target,
	    (int)(sizeof(rest) - (size_t)len - 2), rest);
	if (target[0] == '/')
		return back_to_root(walk);
	name = strrchr(walk->done, '/');
	name[name == walk->done] = '\0';
	return 0;
}

/* The file itself: opened through what was looked at. */
static int
open_last(struct walk *walk, int found, const struct stat *status)
{
	char name[64];
	int fd;

	if (!S_ISREG(status->st_mode))
		return errmsg_set(walk->err, ERR_SYSTEM,
		    "%s is not a regular file", walk->path);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", found);
	fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	return fd >= 0 ? fd : cannot_open(walk);
}

/* The next component's name, off the front of the rest.  0: there is none. */
static int
next_name(struct walk *walk, char name[NAME_MAX + 1])
{
	size_t slashes = strspn(walk->rest, "/");
	size_t len = strcspn(walk->rest + slashes, "/");

	if (len > NAME_MAX)
		len = NAME_MAX;		/* openat() will not find it */
	memcpy(name, walk->rest + slashes, len);
	name[len] = '\0';
	memmove(walk->rest, walk->rest + slashes + len,
	    strlen(walk->rest + slashes + len) + 1);
	return len > 0;
}

static void
append_done(struct walk *walk, const char *name)
{
	size_t used = strlen(walk->done);

	snprintf(walk->done + used, sizeof(walk->done) - used, "%s%s",
	    used > 1 ? "/" : "", name);
}

static int
is_last(const struct walk *walk)
{
	return walk->rest[strspn(walk->rest, "/")] == '\0';
}

/* One component.  Returns 0: go on, the descriptor, or an ERR_ code. */
static int
step(struct walk *walk, const char *name)
{
	int found = openat(walk->dir, name,
	    O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat status;
	int rc = 0;

	if (found < 0)
		return cannot_open(walk);
	append_done(walk, name);
	if (fstat(found, &status) != 0) {
		rc = errmsg_errno(walk->err, "cannot look at %s", walk->done);
		fd_close(&found);
		return rc;
	}
	judge(walk, &status);
	if (S_ISLNK(status.st_mode)) {
		rc = follow(walk, found);
		fd_close(&found);
	} else if (is_last(walk)) {
		rc = open_last(walk, found, &status);
		fd_close(&found);
	} else {
		fd_close(&walk->dir);
		walk->dir = found;
	}
	return rc;
}

int
path_open(const char *path, const struct path_owners *owners,
    struct errmsg *breach, struct errmsg *err)
{
	struct walk walk = { .path = path, .owners = owners, .dir = -1,
	    .breach = breach, .err = err };
	char name[NAME_MAX + 1];
	int rc;

	breach->code = 0;
	if (path[0] != '/' || strlen(path) >= PATH_MAX)
		return errmsg_set(err, ERR_BAD_ARGUMENT,
		    "%s is not an absolute path", path);
	snprintf(walk.rest, sizeof(walk.rest), "%s", path);
	rc = back_to_root(&walk);
	while (rc == 0 && next_name(&walk, name))
		rc = step(&walk, name);
	if (rc == 0)
		rc = errmsg_set(err, ERR_SYSTEM, "%s is a directory", path);
	fd_close(&walk.dir);
	return rc;
}
