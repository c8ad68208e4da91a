/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * images.h: the executables of master and worker, found beside our own or in
 * the directory of the installation, opened once, and executed by descriptor.
 */
#ifndef CLUSTERD_KEEPER_IMAGES_H
#define CLUSTERD_KEEPER_IMAGES_H

#include "common/base/errmsg.h"

struct image {
	int fd;
	int by_path;		/* given by a test: perhaps a script */
	char path[512];
};

struct images {
	struct image master, worker;
};

/*
 * Open both and compare their build stamps with ours.  0, or an error that
 * names the file.  Test builds take CLUSTERD_MASTER and CLUSTERD_WORKER_IMAGE
 * instead, whose stamps are not looked at.
 */
int images_open(struct images *images, struct errmsg *err);

/* Copy the stamp of an executable into stamp; 0 or ERR_FORMAT, ERR_SYSTEM. */
int image_read_stamp(int fd, char *stamp, unsigned size, struct errmsg *err);

#endif
