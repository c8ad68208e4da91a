/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * image.h: what a process of plugins is made of, for workers and tasks: the
 * snapshot of a generation, and modules from the store.
 */
#ifndef DAEMON_WORKER_IMAGE_H
#define DAEMON_WORKER_IMAGE_H

#include "daemon/conf/conf.h"
#include "daemon/plugin/loader.h"

/* Of one pool, from a sealed memory file.  0, or ERR_ with words. */
int image_read_snapshot(int fd, struct conf **out, struct errmsg *err);

/* Open one of its plugins and fill the options.  FATAL_NONE, or the class with
 * words.  May block (disk). */
enum fatal_class image_open_plugin(const struct conf *conf,
    const struct conf_plugin *row, const struct cluster_api *api,
    struct plugin *plugin, struct errmsg *err);

#endif
