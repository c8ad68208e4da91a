/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* options.c: values of a plugin's own keys; see options.h. */
#include "daemon/plugin/options.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/parse.h"

union value {
	const char *text;
	int64_t number;
	uint64_t size;
	int word;
};

static size_t
type_width(uint32_t type)
{
	switch ((enum cluster_option_type)type) {
	case CLUSTER_TYPE_STRING:
	case CLUSTER_TYPE_SECRET:
		return sizeof(const char *);
	case CLUSTER_TYPE_NUMBER:
		return sizeof(int64_t);
	case CLUSTER_TYPE_SIZE:
	case CLUSTER_TYPE_DURATION:
		return sizeof(uint64_t);
	case CLUSTER_TYPE_SWITCH:
	case CLUSTER_TYPE_WORD:
		return sizeof(int);
	case CLUSTER_TYPE_END:
		break;
	}
	return 0;
}

/* Index of value in "low|middle|high", or -1. */
static int
word_index(const char *words, const char *value)
{
	size_t len = strlen(value);

	for (int index = 0;; index++) {
		size_t word = strcspn(words, "|");

		if (word == len && memcmp(words, value, len) == 0)
			return index;
		if (words[word] == '\0')
			return -1;
		words += word + 1;
	}
}

static int
out_of_range(const struct cluster_option *row, struct errmsg *err)
{
	return errmsg_set(err, ERR_BAD_ARGUMENT,
	    "%s: outside %lld to %lld", row->name, (long long)row->min,
	    (long long)row->max);
}

/* A number in the range of the row; kind says what was expected. */
static int
take_number(const struct cluster_option *row, int rc, int64_t number,
    const char *kind, struct errmsg *err)
{
	if (rc == ERR_UNIT)
		return errmsg_set(err, ERR_BAD_ARGUMENT,
		    "%s: %s needs its unit", row->name, kind);
	if (rc != 0)
		return errmsg_set(err, ERR_BAD_ARGUMENT, "%s: is not %s",
		    row->name, kind);
	if (number < row->min || number > row->max)
		return out_of_range(row, err);
	return 0;
}

static int
parse_value(const struct cluster_option *row, const char *text,
    union value *value, struct errmsg *err)
{
	size_t len = strlen(text);
	uint64_t size = 0;
	int rc;

	switch ((enum cluster_option_type)row->type) {
	case CLUSTER_TYPE_STRING:
	case CLUSTER_TYPE_SECRET:
		if ((int64_t)len < row->min || (int64_t)len > row->max)
			return out_of_range(row, err);
		value->text = text;
		return 0;
	case CLUSTER_TYPE_NUMBER:
		rc = parse_signed(text, len, &value->number);
		return take_number(row, rc, rc == 0 ? value->number : 0,
		    "a number", err);
	case CLUSTER_TYPE_SIZE:
		rc = parse_size(text, len, &size);
		value->size = size;
		return take_number(row, rc, (int64_t)(size & INT64_MAX),
		    "a size", err);
	case CLUSTER_TYPE_DURATION:
		rc = parse_duration(text, len, &size);
		value->size = size;
		return take_number(row, rc, (int64_t)(size & INT64_MAX),
		    "a duration", err);
	case CLUSTER_TYPE_SWITCH:
		value->word = word_index("no|yes|off|on", text);
		if (value->word < 0)
			return errmsg_set(err, ERR_BAD_ARGUMENT,
			    "%s: is neither yes nor no", row->name);
		value->word &= 1;
		return 0;
	case CLUSTER_TYPE_WORD:
		value->word = word_index(row->words, text);
		if (value->word < 0)
			return errmsg_set(err, ERR_BAD_ARGUMENT,
			    "%s: is not one of %s", row->name, row->words);
		return 0;
	case CLUSTER_TYPE_END:
		break;
	}
	return errmsg_set(err, ERR_FORMAT, "%s: of an unknown type", row->name);
}

const struct cluster_option *
options_find(const struct cluster_option *rows, const char *name)
{
	for (; rows != NULL && rows->type != CLUSTER_TYPE_END; rows++)
		if (strcmp(rows->name, name) == 0)
			return rows;
	return NULL;
}

/* Letters both begin with and both end with: a cheap likeness. */
static size_t
likeness(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);
	size_t shorter = la < lb ? la : lb, front = 0, back = 0;

	while (front < shorter && a[front] == b[front])
		front++;
	while (back < shorter - front && a[la - 1 - back] == b[lb - 1 - back])
		back++;
	return front + back;
}

const struct cluster_option *
options_suggest(const struct cluster_option *rows, const char *name)
{
	const struct cluster_option *best = NULL;
	size_t most = strlen(name) / 2;

	for (; rows != NULL && rows->type != CLUSTER_TYPE_END; rows++) {
		size_t like = likeness(rows->name, name);

		if (like > most) {
			most = like;
			best = rows;
		}
	}
	return best;
}

int
options_check_rows(const struct cluster_option *rows, size_t self_size,
    struct errmsg *err)
{
	const struct cluster_option *row;
	union value value;
	int rc;

	for (row = rows; row != NULL && row->type != CLUSTER_TYPE_END; row++) {
		if (row->name == NULL || row->name[0] == '\0')
			return errmsg_set(err, ERR_FORMAT,
			    "an option has no name");
		if (row->width == 0 || row->width != type_width(row->type))
			return errmsg_set(err, ERR_FORMAT, "option %s: member "
			    "of %u bytes for its type", row->name, row->width);
		if (row->offset > self_size ||
		    self_size - row->offset < row->width)
			return errmsg_set(err, ERR_FORMAT,
			    "option %s: outside the plugin's struct", row->name);
		if (row->type == CLUSTER_TYPE_WORD && row->words == NULL)
			return errmsg_set(err, ERR_FORMAT,
			    "option %s: has no words", row->name);
		if (options_find(rows, row->name) != row)
			return errmsg_set(err, ERR_FORMAT,
			    "option %s: twice", row->name);
		if (row->fallback != NULL && (rc = parse_value(row,
		    row->fallback, &value, err)) != 0)
			return errmsg_prefix(err, "option's own default: ");
	}
	return 0;
}

int
options_check(const struct cluster_option *row, const char *text,
    struct errmsg *err)
{
	union value value;

	return parse_value(row, text, &value, err);
}

static int
fill_one(const struct cluster_option *row, void *self, const char *text,
    struct errmsg *err)
{
	union value value;
	int rc;

	if ((rc = parse_value(row, text, &value, err)) != 0)
		return rc;
	if (row->type == CLUSTER_TYPE_STRING ||
	    row->type == CLUSTER_TYPE_SECRET) {
		value.text = strdup(text);
		if (value.text == NULL)
			return errmsg_set(err, ERR_MEMORY, "out of memory");
	}
	memcpy((char *)self + row->offset, &value, row->width);
	return 0;
}

static const char *
given_value(const char *name, const struct option_text *given, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(given[i].name, name) == 0)
			return given[i].value;
	return NULL;
}

int
options_fill(const struct cluster_option *rows, void *self,
    const struct option_text *given, size_t count, struct errmsg *err)
{
	const struct cluster_option *row;
	int rc;

	for (size_t i = 0; i < count; i++)
		if (options_find(rows, given[i].name) == NULL)
			return errmsg_set(err, ERR_BAD_ARGUMENT,
			    "%s: unknown key", given[i].name);
	for (row = rows; row != NULL && row->type != CLUSTER_TYPE_END; row++) {
		const char *text = given_value(row->name, given, count);

		if (text == NULL)
			text = row->fallback;
		if (text == NULL)
			return errmsg_set(err, ERR_BAD_ARGUMENT,
			    "%s: is required", row->name);
		if ((rc = fill_one(row, self, text, err)) != 0)
			return rc;
	}
	return 0;
}
