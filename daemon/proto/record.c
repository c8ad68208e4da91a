/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* record.c: the check that every receiver of a record makes; see record.h. */
#include "daemon/proto/record.h"

#include <stdio.h>
#include <string.h>

static uint64_t
read_uint(const uint8_t *at, size_t size)
{
	uint64_t value = 0;

	memcpy(&value, at, size);	/* native order is little-endian */
	return value;
}

static int
all_zero(const uint8_t *at, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (at[i] != 0)
			return 0;
	return 1;
}

static const char *
field_fault(const struct field *field, const uint8_t *at)
{
	const uint8_t *end;

	switch ((enum field_kind)field->kind) {
	case FIELD_UINT:
		return read_uint(at, field->size) > field->max ?
		    "out of range" : NULL;
	case FIELD_TEXT:
		end = memchr(at, '\0', field->size);
		if (end == NULL)
			return "not terminated";
		return all_zero(end, (size_t)(at + field->size - end)) ?
		    NULL : "bytes after its end";
	case FIELD_ZERO:
		return all_zero(at, field->size) ? NULL : "not zero";
	case FIELD_SINT:
	case FIELD_BYTES:
		return NULL;
	}
	return "of an unknown kind";
}

int
record_check(const struct record *record, const void *body, size_t len,
    size_t fds, struct errmsg *err)
{
	const uint8_t *at = body;

	if (len < record->size || len - record->size > record->tail_max)
		return errmsg_set(err, ERR_FORMAT, "%s: %zu bytes, not %u",
		    record->name, len, record->size);
	if (fds < record->fds_min || fds > record->fds_max)
		return errmsg_set(err, ERR_FORMAT, "%s: %zu descriptors",
		    record->name, fds);
	for (size_t i = 0; i < record->count; i++) {
		const char *fault = field_fault(&record->fields[i], at);

		if (fault != NULL)
			return errmsg_set(err, ERR_FORMAT, "%s.%s: %s",
			    record->name, record->fields[i].name, fault);
		at += record->fields[i].size;
	}
	return 0;
}

void
record_put_text(char *field, size_t size, const char *text)
{
	size_t len = strnlen(text, size - 1);

	memcpy(field, text, len);
	memset(field + len, 0, size - len);
}
