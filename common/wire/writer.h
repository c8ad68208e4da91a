/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * writer.h: JSON appended to a buffer, member by member.  Foreign text is made
 * valid on the way, so nothing here can fail but memory, which buf->failed
 * tells at the end.  Pure.
 *
 *	struct writer w = { .buf = &buf };
 *	writer_open(&w, NULL, '{');
 *	writer_add_text(&w, "worker", name);
 *	writer_close(&w, '}');
 *
 * In an array, and for the outermost value, name is NULL.
 */
#ifndef CLUSTERD_WIRE_WRITER_H
#define CLUSTERD_WIRE_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"

struct writer {
	struct buf *buf;
	bool comma;		/* something precedes at this level */
};

void writer_open(struct writer *w, const char *name, char bracket);
void writer_close(struct writer *w, char bracket);

/* NULL is written as null. */
void writer_add_text(struct writer *w, const char *name, const char *text);
void writer_add_number(struct writer *w, const char *name, int64_t number);
/* A negative number is unknown, and written as null. */
void writer_add_known(struct writer *w, const char *name, int64_t number);
void writer_add_bool(struct writer *w, const char *name, bool value);
/* One JSON value as it is; NULL is written as null. */
void writer_add_json(struct writer *w, const char *name, const char *json);

#endif
