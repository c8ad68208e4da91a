/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* fields.c: the fields of a request that matter here; see static.h. */
#include "static.h"

#include <stdio.h>
#include <strings.h>

enum kind { KIND_LIST, KIND_SINGLE };

struct known {
	const char *name;
	size_t len;
	enum kind kind;
	size_t offset;			/* in struct fields */
};
#define ROW(text, kind_, member) { text, sizeof(text) - 1, kind_, \
	offsetof(struct fields, member) }

enum { IF_RANGE };			/* index */

static const struct known known[] = {
	[IF_RANGE] = ROW("If-Range", KIND_SINGLE, conditions.if_range),
	ROW("Range", KIND_SINGLE, range),
	ROW("If-Match", KIND_LIST, conditions.if_match),
	ROW("If-None-Match", KIND_LIST, conditions.if_none_match),
	ROW("Accept-Encoding", KIND_LIST, accept_encoding),
	ROW("If-Modified-Since", KIND_SINGLE, conditions.if_modified_since),
	ROW("If-Unmodified-Since", KIND_SINGLE, conditions.if_unmodified_since),
};
enum { KNOWN = sizeof(known) / sizeof(known[0]) };

static int
fields_join(struct cluster_request *req, const char **value, const char *more)
{
	size_t size = strlen(*value) + strlen(more) + 3;
	char *text = cluster_alloc(req, size);

	if (text == NULL)
		return -ENOMEM;
	snprintf(text, size, "%s, %s", *value, more);
	*value = text;
	return 0;
}

/* Which one it is; KNOWN: none.  Most fields of a browser are none, by their first
 * letter. */
static unsigned
fields_find(const char *name)
{
	char first = name[0] | 0x20;
	unsigned k = 0;
	size_t len;

	if (first != 'i' && first != 'r' && first != 'a')
		return KNOWN;
	len = strlen(name);
	while (k < KNOWN && (known[k].len != len ||
	    strcasecmp(known[k].name, name) != 0))
		k++;
	return k;
}

static const char **
member(struct fields *fields, unsigned k)
{
	return (const char **)((char *)fields + known[k].offset);
}

int
fields_read(struct cluster_request *req, struct fields *fields)
{
	const char *name, *value;
	unsigned twice = 0, k;
	int rc = 0;

	*fields = (struct fields){ .range = NULL };
	for (unsigned i = 0; rc == 0 &&
	    cluster_header_at(req, i, &name, &value) == 0; i++) {
		if ((k = fields_find(name)) == KNOWN)
			continue;
		if (*member(fields, k) == NULL)
			*member(fields, k) = value;
		else if (known[k].kind == KIND_LIST)
			rc = fields_join(req, member(fields, k), value);
		else
			twice |= 1u << k;
	}
	/* which of two If-Range a part would hold for is not known */
	if (twice & 1u << IF_RANGE)
		fields->range = NULL;
	for (k = 0; k < KNOWN; k++)
		if (twice & 1u << k)
			*member(fields, k) = NULL;
	return rc;
}
