/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* images.c: the executables of the other roles; see images.h. */
#include "daemon/keeper/images.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/paths.h"
#include "common/base/stamp.h"

int
image_read_stamp(int fd, char *stamp, unsigned size, struct errmsg *err)
{
	const size_t mark = strlen(STAMP_MARK);
	const char *file, *at, *end;
	struct stat st;
	size_t len = 0;

	if (fstat(fd, &st) < 0)
		return errmsg_errno(err, "fstat");
	if (!S_ISREG(st.st_mode) || st.st_size <= 0)
		return errmsg_set(err, ERR_FORMAT, "not a program");
	file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file == MAP_FAILED)
		return errmsg_errno(err, "mmap");
	end = file + st.st_size;
	at = memmem(file, (size_t)st.st_size, STAMP_MARK, mark);
	for (at = at != NULL ? at + mark : end; at + len < end &&
	    at[len] != '\0' && len + 1 < size; len++)
		stamp[len] = at[len];
	stamp[len] = '\0';
	munmap((void *)(size_t)file, (size_t)st.st_size);
	return len > 0 ? 0 :
	    errmsg_set(err, ERR_FORMAT, "it carries no build stamp");
}

static int
open_image(struct image *image, const char *dir, const char *name)
{
	int n = snprintf(image->path, sizeof(image->path), "%s/%s", dir, name);

	if (n < 0 || (size_t)n >= sizeof(image->path))
		return -1;
	image->fd = open(image->path, O_RDONLY | O_CLOEXEC);
	return image->fd;
}

static int
find_image(struct image *image, const char *own_dir, const char *here,
    const char *installed, struct errmsg *err)
{
	char stamp[64];
	struct stat st;

	if ((own_dir[0] == '\0' || open_image(image, own_dir, here) < 0) &&
	    open_image(image, LIBEXECDIR, installed) < 0)
		return errmsg_errno(err, "neither %s/%s nor %s/%s can be opened",
		    own_dir, here, LIBEXECDIR, installed);
	if (image_read_stamp(image->fd, stamp, sizeof(stamp), err) != 0)
		return errmsg_prefix(err, "%s: ", image->path);
	if (fstat(image->fd, &st) < 0 || (st.st_mode & 0111) == 0)
		return errmsg_set(err, ERR_DENIED, "%s is not executable",
		    image->path);
	if (strcmp(stamp, build_stamp) != 0)
		return errmsg_set(err, ERR_VERSION, "%s is of another build "
		    "(%s, this is %s)", image->path, stamp, build_stamp);
	return 0;
}

/* A test's own program in place of the built one. */
static int
take_override(struct image *image, const char *variable)
{
#ifdef CLUSTERD_FAILPOINTS
	const char *path = getenv(variable);

	if (path == NULL || *path != '/')
		return 0;
	snprintf(image->path, sizeof(image->path), "%s", path);
	image->fd = open(path, O_RDONLY | O_CLOEXEC);
	image->by_path = 1;
	return image->fd >= 0;
#else
	(void)image;
	(void)variable;
	return 0;
#endif
}

int
images_open(struct images *images, struct errmsg *err)
{
	char own[512];
	ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);
	char *slash;
	int rc;

	memset(images, 0, sizeof(*images));
	own[n > 0 ? n : 0] = '\0';
	if ((slash = strrchr(own, '/')) != NULL)
		*slash = '\0';
	if (!take_override(&images->master, "CLUSTERD_MASTER") &&
	    (rc = find_image(&images->master, own, NAME_MASTER,
	    PROGRAM_MASTER, err)) != 0)
		return rc;
	if (!take_override(&images->worker, "CLUSTERD_WORKER_IMAGE") &&
	    (rc = find_image(&images->worker, own, NAME_WORKER,
	    PROGRAM_WORKER, err)) != 0)
		return rc;
	return 0;
}
