/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* mediatypes.h: is a Content-Type in a list?  Pure. */
#ifndef PLUGINS_GZIP_MEDIATYPES_H
#define PLUGINS_GZIP_MEDIATYPES_H

#include <stdbool.h>

/*
 * list: "text/html text/STAR application/json", between blanks or commas.  type:
 * a Content-Type, whose parameters do not matter; NULL is in no list.  Without
 * regard to case.
 */
bool mediatypes_have(const char *list, const char *type);

/* Each word of it is one: NAME/NAME or NAME/STAR. */
bool mediatypes_are_valid(const char *list);

#endif
