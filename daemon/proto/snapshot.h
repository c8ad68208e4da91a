/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * snapshot.h: an accepted configuration as bytes, version 1.
 *
 * A sealed memfd (and a file of state_dir/snapshots): the header, then records,
 * each padded with zeros to 8 bytes.  Order: DAEMON rows · ACCOUNTs · groups of
 * PLUGIN (opener, rows, OPTIONs) · groups of POOL (opener, rows, LISTENs,
 * ROUTEs, FILTERs, PAGEs).  Rows ascend by the permanent number of keys.def, which is `key';
 * one that is missing has its preset, one that is unknown is refused.
 * Equal configurations are equal bytes, but for the generation.
 */
#ifndef CLUSTERD_PROTO_SNAPSHOT_H
#define CLUSTERD_PROTO_SNAPSHOT_H

#include <stdint.h>

enum {
	SNAPSHOT_MAGIC = 0x73434c01, SNAPSHOT_VERSION = 1,
	SNAPSHOT_SIZE_MAX = 8 << 20,
	SNAPSHOT_OPENER = 0,		/* key of the record that opens a group */
};

enum snapshot_kind {
	SNAPSHOT_DAEMON = 1,	/* key: row; value */
	SNAPSHOT_POOL,		/* key: row; value; opener: snapshot_opener */
	SNAPSHOT_LISTEN,	/* key: 0; snapshot_listen */
	SNAPSHOT_ROUTE,		/* key: 0; snapshot_route */
	SNAPSHOT_PLUGIN,	/* as POOL */
	SNAPSHOT_OPTION,	/* key: 1 for a secret; name NUL value NUL */
	SNAPSHOT_ACCOUNT,	/* key: 0; snapshot_account */
	SNAPSHOT_FILTER,	/* key: 0; snapshot_route */
	SNAPSHOT_PAGE,		/* key: 0; "404,500 /FILE" NUL bytes */
};

/* A value is an int64_t, or a text with its NUL, as the row's kind says. */
struct snapshot_header {
	uint32_t magic;
	uint16_t version, head_size;
	uint32_t size;		/* of it all */
	uint32_t records;
	uint64_t generation;
	uint8_t sha256[32];	/* over all that follows */
};

struct snapshot_record {
	uint16_t kind, key;
	uint32_t length;	/* of the value, without padding */
};

struct snapshot_opener {
	uint32_t index;		/* place in the whole configuration */
	/* name NUL */
};

struct snapshot_listen {
	uint32_t type, family, len, inherited;
	uint8_t address[128];
	/* text NUL */
};

struct snapshot_route {
	uint32_t plugin;	/* how many PLUGIN groups come before its own */
	/* pattern NUL */
};

struct snapshot_account {
	uint32_t uid, gid, group_count;
	uint32_t groups[32];
	/* name NUL */
};

_Static_assert(sizeof(struct snapshot_header) == 56, "no padding");
_Static_assert(sizeof(struct snapshot_record) == 8, "no padding");
_Static_assert(sizeof(struct snapshot_listen) == 144, "no padding");
_Static_assert(sizeof(struct snapshot_account) == 140, "no padding");

#endif
