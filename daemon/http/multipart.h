/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * multipart.h: multipart/form-data (RFC 7578) in a body that is there as a whole.
 * What two readers might read in two ways is refused.  Pure; allocates nothing.
 */
#ifndef DAEMON_HTTP_MULTIPART_H
#define DAEMON_HTTP_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

enum {
	MULTIPART_BOUNDARY_MAX = 70,
	MULTIPART_HEADER_MAX = 4096,	/* bytes of the head of a part */
};

/* Borrowed from the input; at NULL: not there. */
struct multipart_text {
	const char *at;
	size_t len;
};

struct multipart_part {
	struct multipart_text name, filename;	/* see multipart_copy() */
	struct multipart_text type;	/* its Content-Type */
	struct multipart_text data;
};

/* Private. */
struct multipart {
	char mark[4 + MULTIPART_BOUNDARY_MAX];	/* "\r\n--" and the boundary */
	size_t mark_len;
	const char *at, *end;
	bool begun, over;
};

/* Does the value of a Content-Type name this type ("multipart/form-data")? */
bool multipart_is_type(const char *value, size_t len, const char *type);

/* Begin with the value of the Content-Type and the body.  0, or -EBADMSG: it
 * has no boundary of 1 to 70 legal bytes, or two. */
int multipart_init(struct multipart *multipart, const char *value,
    size_t value_len, const char *body, size_t len);

/*
 * The next part.  1; 0: that was the last one; -EBADMSG: this is not such a
 * body, or one cut short; -E2BIG: a head over MULTIPART_HEADER_MAX.  Refused:
 * anything before the first boundary or behind the last one but a line end, a
 * line that only begins with the boundary, LF without CR, a part without a name
 * or with two, "filename*", an encoding such as base64.
 */
int multipart_next(struct multipart *multipart, struct multipart_part *part);

/* Copy name or filename to out, of text.len + 1 bytes, and terminate it: a
 * backslash before '"' or '\\' is taken off, as others stand in names of files.
 * Returns the length. */
size_t multipart_copy(char *out, struct multipart_text text);

#endif
