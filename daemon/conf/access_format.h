/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * access_format.h: the value of `access_log_format' as a list of parts: literal
 * text and fields of access_fields.def.  Read by the checker, which refuses what
 * is none, and by the worker, which writes lines by it.  Pure.
 */
#ifndef CLUSTERD_CONF_ACCESS_FORMAT_H
#define CLUSTERD_CONF_ACCESS_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct errmsg;

enum access_field {
#define ACCESS_FIELD(id, name, other, help) ACCESS_##id,
#include "common/table/access_fields.def"
	ACCESS_HEADER,		/* $http_NAME: a header of the request */
	ACCESS_LITERAL,
};

enum {
	ACCESS_PARTS_MAX = 100,		/* of one format */
	ACCESS_HEADER_NAME = 64,
};

struct access_part {
	enum access_field field;
	uint16_t len;			/* LITERAL */
	const char *text;		/* LITERAL; borrowed from the format */
	char header[ACCESS_HEADER_NAME];	/* HEADER: "user-agent" */
};

struct access_format {
	bool json;			/* values are JSON, an unknown one null */
	unsigned count;
	struct access_part parts[ACCESS_PARTS_MAX];
};

/*
 * Parse "combined", "json" or an own format.  `$name' or `${name}' is a field,
 * `$$' a dollar; a tab is the only control character.  text must outlive
 * *format.  0; or ERR_BAD_ARGUMENT with words, *format undefined.
 */
int access_format_parse(struct access_format *format, const char *text,
    struct errmsg *err);

/* Is the field in it? */
bool access_format_has(const struct access_format *format,
    enum access_field field);

#endif
