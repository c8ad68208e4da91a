/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* types.h: the Content-Type of a file, by the ending of its name. */
#ifndef PLUGINS_STATIC_TYPES_H
#define PLUGINS_STATIC_TYPES_H

struct types {
	struct types_extra *extra;	/* of the options: they come first */
	unsigned extra_count;
	char **texts;			/* of types.def, with their charset */
	char *fallback;
};

/*
 * extra: "md text/markdown, woff3 font/woff3"; charset: added to each text/...
 * that has none, "" for nothing; fallback: of all other names.  0, -ENOMEM,
 * or -EINVAL: extra is no such list.
 */
int types_init(struct types *types, const char *extra, const char *charset,
    const char *fallback);
void types_done(struct types *types);

/* Without regard to case.  Lives as long as types. */
const char *types_find(const struct types *types, const char *name);

#endif
