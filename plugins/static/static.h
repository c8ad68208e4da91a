/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* static.h: what the files of plugin static share. */
#ifndef PLUGINS_STATIC_STATIC_H
#define PLUGINS_STATIC_STATIC_H

#include <clusterd/plugin.h>

#include "conditional.h"
#include "files.h"
#include "range.h"

enum { STATIC_CACHE_CONTROL_MAX = 40 };

struct site {
	/* options */
	const char *root, *prefix, *index, *types, *charset, *default_type;
	int hidden, symlinks, precompressed;
	uint64_t max_age, cache_ttl, cache_memory;
	int64_t cache_files;

	struct types table;
	struct files files;
	char *strip;			/* prefix without a slash at its end */
	char cache_control[STATIC_CACHE_CONTROL_MAX];	/* "": none */
	unsigned boundary;		/* of the last answer in parts */
	uint64_t seed;			/* what makes it hard to guess */
	struct cluster_timer *sweep;
};

enum cluster_verdict serve_request(struct cluster_request *req, void *self);

/* The fields of a request that matter here. */
struct fields {
	struct conditions conditions;
	const char *range, *accept_encoding;
};
/* A list that comes in several lines is joined; of the others a second one
 * makes that nobody is heeded.  -ENOMEM. */
int fields_read(struct cluster_request *req, struct fields *fields);

/* What is sent, once it is known which file. */
struct answer {
	struct cluster_request *req;
	struct site *site;
	struct file *file;		/* the bytes */
	const char *type;
	const char *coding;		/* NULL: as it is */
	bool head;			/* the method is HEAD */
	bool varies;			/* others get another coding */
};
enum cluster_verdict answer_send(const struct answer *answer,
    const struct fields *fields);

/* The body.  0, or why there is no answer yet. */
int body_send_whole(const struct answer *answer);
int body_send_part(const struct answer *answer, struct range range);
int body_send_parts(const struct answer *answer, const struct range *ranges,
    unsigned count);

#endif
