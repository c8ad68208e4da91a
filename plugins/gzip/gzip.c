/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* gzip.c: a filter that compresses answers; see README. */
#include <clusterd/plugin.h>

#include <stdio.h>
#include <strings.h>

#include "../accept/accept.h"
#include "deflater.h"
#include "mediatypes.h"

struct gzip {
	const char *types;
	uint64_t min_size, max_size;
	int64_t level, max_active;
	struct deflater_pool pool;
};

static const struct cluster_option options[] = {
	CLUSTER_OPTION_STRING(struct gzip, types,
	    "text/html text/plain text/css text/csv text/markdown text/xml "
	    "text/javascript application/javascript application/json "
	    "application/ld+json application/manifest+json application/xml "
	    "application/xhtml+xml application/rss+xml application/atom+xml "
	    "image/svg+xml",
	    "Types that are compressed; TYPE/* is all of them"),
	CLUSTER_OPTION_SIZE(struct gzip, min_size, "1k", 0, 1 << 30,
	    "Smaller answers are left alone"),
	CLUSTER_OPTION_SIZE(struct gzip, max_size, "2M", 0, INT64_MAX,
	    "Larger ones, too, where the size is known"),
	CLUSTER_OPTION_NUMBER(struct gzip, level, "1", 1, 9,
	    "1 is the fastest, 9 the smallest"),
	CLUSTER_OPTION_NUMBER(struct gzip, max_active, "64", 1, 65536,
	    "Answers compressed at once; others are sent as they are"),
	CLUSTER_OPTION_END
};

/* ---- the body --------------------------------------------------------------------- */

static int
sink(const void *data, size_t len, void *req)
{
	return cluster_filter_write(req, data, len);
}

static int
on_piece(struct cluster_request *req, const void *data, size_t len, void *arg)
{
	return deflater_write(arg, data, len, sink, req);
}

static int
on_flush(struct cluster_request *req, void *arg)
{
	return deflater_flush(arg, sink, req);
}

static int
on_end(struct cluster_request *req, void *arg)
{
	return deflater_end(arg, sink, req);
}

static void
on_free(void *arg)
{
	deflater_put(arg);
}

static const struct cluster_transform transform = {
	.size = sizeof(transform), .piece = on_piece, .flush = on_flush,
	.end = on_end, .free = on_free,
};

/* ---- the head --------------------------------------------------------------------- */

/* Is that word in a list between commas? */
static bool
list_has(const char *list, const char *word)
{
	size_t len = strlen(word);

	while (list != NULL && *list != '\0') {
		list += strspn(list, " \t,");
		if (strncasecmp(list, word, len) == 0 &&
		    strchr(" \t,;=", list[len]) != NULL)
			return true;
		list += strcspn(list, ",");
	}
	return false;
}

/* Would an answer of this kind be compressed for somebody? */
static bool
is_eligible(const struct gzip *gzip, struct cluster_request *req)
{
	int status = cluster_response_status(req);
	int64_t length = cluster_response_length(req);

	/* of a part nobody could make a part of the whole */
	if (status == 204 || status == 205 || status == 206 || status == 304)
		return false;
	if (length >= 0 && ((uint64_t)length < gzip->min_size ||
	    (uint64_t)length > gzip->max_size))
		return false;
	return mediatypes_have(gzip->types, cluster_response_type(req)) &&
	    cluster_response_header(req, "Content-Encoding") == NULL &&
	    !list_has(cluster_response_header(req, "Cache-Control"),
	    "no-transform");
}

static void
tell_that_it_varies(struct cluster_request *req)
{
	const char *vary = cluster_response_header(req, "Vary");

	if (!list_has(vary, "Accept-Encoding") && !list_has(vary, "*"))
		cluster_set_header(req, "Vary", "Accept-Encoding");
}

/* Two states of zlib need not give the same bytes: the tag is weak. */
static void
weaken_tag(struct cluster_request *req)
{
	const char *tag = cluster_response_header(req, "ETag");
	size_t size;
	char *weak;

	if (tag == NULL || tag[0] != '"')
		return;
	size = strlen(tag) + 3;
	weak = cluster_alloc(req, size);
	if (weak != NULL)
		snprintf(weak, size, "W/%s", tag);
	if (weak == NULL ||
	    cluster_response_set_header(req, "ETag", weak) != 0)
		cluster_response_remove_header(req, "ETag");
}

/* Whatever cannot be had: it is sent as it is, then. */
static void
begin(struct gzip *gzip, struct cluster_request *req)
{
	struct deflater *deflater = deflater_get(&gzip->pool);

	if (deflater == NULL)
		return;
	if (cluster_response_set_header(req, "Content-Encoding", "gzip") != 0) {
		deflater_put(deflater);
		return;
	}
	if (cluster_response_transform(req, &transform, deflater) != 0) {
		cluster_response_remove_header(req, "Content-Encoding");
		deflater_put(deflater);
		return;
	}
	cluster_response_remove_header(req, "Accept-Ranges");
	weaken_tag(req);
}

/* The list may come in several lines. */
static bool
is_accepted(struct cluster_request *req)
{
	unsigned index = 0;
	const char *value;

	while ((value = cluster_header_next(req, "Accept-Encoding",
	    &index)) != NULL)
		if (accept_weight(value, "gzip") > 0)
			return true;
	return false;
}

static void
on_response(struct cluster_request *req, void *self)
{
	struct gzip *gzip = self;

	if (!is_eligible(gzip, req))
		return;
	tell_that_it_varies(req);
	if (is_accepted(req))
		begin(gzip, req);
}

/* ---- start and stop ------------------------------------------------------------------ */

static int
start(void *self)
{
	struct gzip *gzip = self;

	if (!mediatypes_are_valid(gzip->types)) {
		cluster_fatal(CLUSTER_FATAL_CONFIG,
		    "types: not a list of types");
		return -1;
	}
	gzip->pool.level = (int)gzip->level;
	gzip->pool.max = (unsigned)gzip->max_active;
	return 0;
}

static void
stop(void *self)
{
	struct gzip *gzip = self;

	deflater_pool_done(&gzip->pool);
}

CLUSTER_PLUGIN(gzip,
	.summary = "Compresses answers",
	.options = options, .size = sizeof(struct gzip),
	.start = start, .stop = stop, .on_response = on_response);
