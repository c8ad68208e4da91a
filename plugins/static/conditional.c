/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* conditional.c: conditional requests; see conditional.h. */
#include "conditional.h"

#include <string.h>

#include "httpdate.h"

struct tag {
	const char *opaque;		/* with its quotes */
	size_t len;
	bool weak;
};

/* The entity-tag at text; returns what is behind it, NULL: it is none. */
static const char *
tag_read(const char *text, struct tag *tag)
{
	tag->weak = strncmp(text, "W/", 2) == 0;
	if (tag->weak)
		text += 2;
	tag->opaque = text;
	if (*text++ != '"')
		return NULL;
	while ((unsigned char)*text > 0x20 && *text != '"' && *text != 0x7f)
		text++;
	if (*text++ != '"')
		return NULL;
	tag->len = (size_t)(text - tag->opaque);
	return text;
}

static bool
tags_equal(const struct tag *a, const struct tag *b, bool strong)
{
	if (strong && (a->weak || b->weak))
		return false;
	return a->len == b->len && memcmp(a->opaque, b->opaque, a->len) == 0;
}

/* Is etag in the list?  What follows a bad member is not looked at. */
static bool
list_has(const char *list, const char *etag, bool strong)
{
	struct tag ours, theirs;

	tag_read(etag, &ours);
	while (*list != '\0') {
		list += strspn(list, " \t,");
		if (*list == '\0' || (list = tag_read(list, &theirs)) == NULL)
			return false;
		if (tags_equal(&ours, &theirs, strong))
			return true;
		list += strspn(list, " \t");
		if (*list != ',')
			return false;
	}
	return false;
}

static bool
matches(const char *list, const char *etag, bool strong)
{
	return strcmp(list, "*") == 0 || list_has(list, etag, strong);
}

/* Modified after that date?  One that is no date is not heeded. */
static bool
modified_after(const struct validators *validators, const char *date,
    bool otherwise)
{
	int64_t seconds = httpdate_parse(date);

	return seconds < 0 ? otherwise : validators->modified > seconds;
}

enum condition
conditional_test(const struct conditions *conditions,
    const struct validators *validators)
{
	if (conditions->if_match != NULL) {
		if (!matches(conditions->if_match, validators->etag, true))
			return CONDITION_FAILED;
	} else if (conditions->if_unmodified_since != NULL) {
		if (modified_after(validators, conditions->if_unmodified_since,
		    false))
			return CONDITION_FAILED;
	}
	if (conditions->if_none_match != NULL) {
		if (matches(conditions->if_none_match, validators->etag, false))
			return CONDITION_NOT_MODIFIED;
	} else if (conditions->if_modified_since != NULL) {
		if (!modified_after(validators, conditions->if_modified_since,
		    true))
			return CONDITION_NOT_MODIFIED;
	}
	return CONDITION_HOLDS;
}

bool
conditional_allows_range(const struct conditions *conditions,
    const struct validators *validators)
{
	const char *text = conditions->if_range, *end;
	struct tag ours, theirs;

	if (text == NULL)
		return true;
	if (*text == '"' || *text == 'W') {
		/* "Wed, ..." is a date */
		end = tag_read(text, &theirs);
		if (end != NULL) {
			tag_read(validators->etag, &ours);
			return *end == '\0' && tags_equal(&ours, &theirs, true);
		}
	}
	/* A date is strong only if the file was not of this second when it was
	 * told; then its tag is weak, too. */
	return validators->etag[0] == '"' &&
	    httpdate_parse(text) == validators->modified;
}
