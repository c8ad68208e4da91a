/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* image.c: snapshot and modules of a process; see image.h. */
#include "daemon/worker/image.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/base/fd.h"
#include "daemon/conf/snapshot.h"

int
image_read_snapshot(int fd, struct conf **out, struct errmsg *err)
{
	struct stat status;
	struct conf *conf = NULL;
	void *data;
	int rc;

	if (fstat(fd, &status) != 0 || status.st_size <= 0)
		return errmsg_set(err, ERR_FORMAT, "there is no snapshot");
	if (!fd_is_sealed(fd))
		return errmsg_set(err, ERR_FORMAT,
		    "the snapshot is not sealed");
	data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (data == MAP_FAILED)
		return errmsg_errno(err, "snapshot");
	rc = snapshot_decode(data, (size_t)status.st_size, &conf, err);
	munmap(data, (size_t)status.st_size);
	if (rc != 0)
		return rc;
	if (conf->pool_count != 1) {
		conf_unref(conf);
		return errmsg_set(err, ERR_FORMAT,
		    "the snapshot is not that of a worker");
	}
	*out = conf;
	return 0;
}

enum fatal_class
image_open_plugin(const struct conf *conf, const struct conf_plugin *row,
    const struct cluster_api *api, struct plugin *plugin, struct errmsg *err)
{
	struct option_text given[CONF_OPTIONS_MAX];
	enum fatal_class class;
	char path[4096];

	snprintf(path, sizeof(path), "%s/store/%s.so", conf->daemon.state_dir,
	    row->sha256);
	class = plugin_open(plugin, row->name, path, api, err);
	if (class != FATAL_NONE) {
		errmsg_prefix(err, "%s: ", path);
		return class;
	}
	for (size_t i = 0; i < row->option_count; i++)
		given[i] = (struct option_text){ row->options[i].name,
		    row->options[i].value };
	return plugin_fill(plugin, given, row->option_count, err);
}
