/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* static.c: answers with files: the options, start and stop; see README. */
#include "static.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "beneath.h"

enum { IDLE_MS = 60000, SWEEP_MS = 10000, MESSAGE_MAX = 512 };

static const struct cluster_option options[] = {
	CLUSTER_OPTION_STRING(struct site, root, NULL,
	    "Directory of the files"),
	CLUSTER_OPTION_STRING(struct site, prefix, "",
	    "Beginning of the path that is not part of the name: /files"),
	CLUSTER_OPTION_STRING(struct site, index, "index.html",
	    "File that stands for its directory; empty: none does"),
	CLUSTER_OPTION_STRING(struct site, types, "",
	    "More types by the ending of the name: md text/markdown, ..."),
	CLUSTER_OPTION_STRING(struct site, default_type,
	    "application/octet-stream", "Type of all other files"),
	CLUSTER_OPTION_STRING(struct site, charset, "utf-8",
	    "Charset of each text/... type; empty: none is told"),
	CLUSTER_OPTION_DURATION(struct site, max_age, "0s", 0,
	    INT64_C(31536000000), "Cache-Control: max-age; 0s: not told"),
	CLUSTER_OPTION_SWITCH(struct site, precompressed, "no",
	    "Send NAME.br or NAME.gz to whom accepts it"),
	CLUSTER_OPTION_SWITCH(struct site, hidden, "no",
	    "Serve names that begin with a dot"),
	CLUSTER_OPTION_SWITCH(struct site, symlinks, "yes",
	    "Follow symbolic links that stay below the root"),
	CLUSTER_OPTION_NUMBER(struct site, cache_files, "512", 0, 65536,
	    "Files that are kept open, or in memory; 0: none"),
	CLUSTER_OPTION_SIZE(struct site, cache_memory, "4M", 0, 1 << 30,
	    "Bytes of small files (up to 16k) that are kept in memory"),
	CLUSTER_OPTION_DURATION(struct site, cache_ttl, "1s", 0, 3600000,
	    "How long a file is not looked at again"),
	CLUSTER_OPTION_END
};

/* ---- start and stop ---------------------------------------------------------------------- */

static void
sweep(void *self)
{
	struct site *site = self;

	files_forget_idle(&site->files, cluster_now_ms(), IDLE_MS);
}

static int
refuse_start(const char *key, const char *value, const char *words)
{
	char text[MESSAGE_MAX];

	snprintf(text, sizeof(text), "%s: %s: %s", key, value, words);
	cluster_fatal(CLUSTER_FATAL_CONFIG, text);
	return -1;
}

static int
start_prefix(struct site *site)
{
	size_t len = strlen(site->prefix);

	if (len > 0 && site->prefix[0] != '/')
		return refuse_start("prefix", site->prefix, "begins with no /");
	while (len > 0 && site->prefix[len - 1] == '/')
		len--;
	site->strip = strndup(site->prefix, len);
	return site->strip == NULL ? -1 : 0;
}

static int
start_root(struct site *site)
{
	int root;

	if (site->root[0] != '/')
		return refuse_start("root", site->root, "is no absolute path");
	root = beneath_open_root(site->root);
	site->files.root = root;
	if (root == -ENOSYS)
		return refuse_start("root", site->root,
		    "this kernel has no openat2 (Linux 5.6)");
	if (root < 0)
		return refuse_start("root", site->root, strerror(-root));
	return 0;
}

static int
start(void *self)
{
	struct site *site = self;
	int rc;

	site->files.root = -1;
	if (strchr(site->index, '/') != NULL)
		return refuse_start("index", site->index, "is no name");
	if (start_prefix(site) != 0 || start_root(site) != 0)
		return -1;
	rc = types_init(&site->table, site->types, site->charset,
	    site->default_type);
	if (rc == -EINVAL)
		return refuse_start("types", site->types,
		    "is no list of endings and types");
	site->files.types = &site->table;
	site->files.links = site->symlinks;
	site->files.ttl_ms = site->cache_ttl;
	site->files.max_count = (unsigned)site->cache_files;
	site->files.max_bytes = site->cache_memory;
	if (rc != 0 || files_init(&site->files) != 0)
		return -1;
	if (site->max_age > 0)
		snprintf(site->cache_control, sizeof(site->cache_control),
		    "max-age=%" PRIu64, site->max_age / 1000);
	if (getrandom(&site->seed, sizeof(site->seed), 0) !=
	    sizeof(site->seed))
		return -1;
	return cluster_timer_every(SWEEP_MS, sweep, site, 0, &site->sweep);
}

static void
stop(void *self)
{
	struct site *site = self;

	cluster_timer_free(site->sweep);
	files_done(&site->files);
	types_done(&site->table);
	free(site->strip);
	if (site->files.root >= 0)
		close(site->files.root);
}

CLUSTER_PLUGIN(static,
	.summary = "Answers with files",
	.options = options, .size = sizeof(struct site),
	.start = start, .stop = stop, .handle = serve_request);
