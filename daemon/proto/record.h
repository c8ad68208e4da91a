/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * record.h: fixed-layout records that cross a wall, described by rows.
 *
 * The rows of a .def file give each message its fields; here they become the
 * struct, its size (no padding: asserted) and the check that every receiver
 * makes before it looks at a single field.  Pure; keeper, master, worker.
 */
#ifndef CLUSTERD_PROTO_RECORD_H
#define CLUSTERD_PROTO_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/errmsg.h"

enum field_kind {
	FIELD_UINT,		/* at most max */
	FIELD_SINT,
	FIELD_TEXT,		/* terminated, zero from there to its end */
	FIELD_BYTES,		/* anything */
	FIELD_ZERO,		/* reserved: zero */
};

struct field {
	const char *name;
	uint64_t max;		/* FIELD_UINT: greatest legal value */
	uint16_t size;		/* bytes; a record's fields lie back to back */
	uint8_t kind;		/* enum field_kind */
};

struct record {
	const char *name;
	const struct field *fields;
	uint16_t count;
	uint16_t size;		/* bytes of the fixed part */
	uint16_t tail_max;	/* bytes that may follow it */
	uint8_t sender;		/* who may send it; the protocol's own enum */
	uint8_t fds_min, fds_max;
};

/*
 * Check the body of a message: its length, text ends, ranges, reserved bytes,
 * and the number of descriptors that came with it.
 * Returns 0, or ERR_FORMAT with record and field named.
 */
int record_check(const struct record *record, const void *body, size_t len,
    size_t fds, struct errmsg *err);

/* Copy text into a FIELD_TEXT of size bytes: cut to fit, zero-filled. */
void record_put_text(char *field, size_t size, const char *text);

/* What a row's fields become in a struct … */
#define RECORD_U8(name)			uint8_t name;
#define RECORD_U16(name)		uint16_t name;
#define RECORD_U32(name)		uint32_t name;
#define RECORD_U64(name)		uint64_t name;
#define RECORD_I64(name)		int64_t name;
#define RECORD_U8_MAX(name, max)	uint8_t name;
#define RECORD_U32_MAX(name, max)	uint32_t name;
#define RECORD_TEXT(name, size)		char name[size];
#define RECORD_BYTES(name, size)	uint8_t name[size];
#define RECORD_U32S(name, n)		uint32_t name[n];
#define RECORD_U64S(name, n)		uint64_t name[n];
#define RECORD_ZERO(name, size)		uint8_t name[size];

/* … and in the table of fields. */
#define ROW_U8(name)		{ #name, UINT8_MAX, 1, FIELD_UINT },
#define ROW_U16(name)		{ #name, UINT16_MAX, 2, FIELD_UINT },
#define ROW_U32(name)		{ #name, UINT32_MAX, 4, FIELD_UINT },
#define ROW_U64(name)		{ #name, UINT64_MAX, 8, FIELD_UINT },
#define ROW_I64(name)		{ #name, 0, 8, FIELD_SINT },
#define ROW_U8_MAX(name, max)	{ #name, max, 1, FIELD_UINT },
#define ROW_U32_MAX(name, max)	{ #name, max, 4, FIELD_UINT },
#define ROW_TEXT(name, size)	{ #name, 0, size, FIELD_TEXT },
#define ROW_BYTES(name, size)	{ #name, 0, size, FIELD_BYTES },
#define ROW_U32S(name, n)	{ #name, 0, 4 * (n), FIELD_BYTES },
#define ROW_U64S(name, n)	{ #name, 0, 8 * (n), FIELD_BYTES },
#define ROW_ZERO(name, size)	{ #name, 0, size, FIELD_ZERO },

#endif
