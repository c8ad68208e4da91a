/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* conditional.h: conditional requests (RFC 9110 13).  Pure. */
#ifndef PLUGINS_STATIC_CONDITIONAL_H
#define PLUGINS_STATIC_CONDITIONAL_H

#include <stdbool.h>
#include <stdint.h>

/* The fields of a request; NULL: it has none. */
struct conditions {
	const char *if_match, *if_unmodified_since;
	const char *if_none_match, *if_modified_since;
	const char *if_range;
};

/* What they are compared with. */
struct validators {
	const char *etag;		/* with its quotes, and W/ if it is weak */
	int64_t modified;		/* seconds since 1970 */
};

enum condition {
	CONDITION_HOLDS,		/* go on */
	CONDITION_NOT_MODIFIED,		/* 304 */
	CONDITION_FAILED,		/* 412 */
};

/* Of a GET or HEAD, in the order of 13.2.2, without If-Range. */
enum condition conditional_test(const struct conditions *conditions,
    const struct validators *validators);

/* Whether a Range field is to be heeded: there is no If-Range, or it holds. */
bool conditional_allows_range(const struct conditions *conditions,
    const struct validators *validators);

#endif
