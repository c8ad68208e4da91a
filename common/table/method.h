/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * method.h: the table of request methods, expanded from methods.def.
 */

#ifndef CLUSTERD_TABLE_METHOD_H
#define CLUSTERD_TABLE_METHOD_H

#include <stddef.h>
#include <stdint.h>

enum method_id {
	METHOD_NONE,			/* not read yet, or not in the table */
#define METHOD(name) METHOD_##name,
#include "common/table/methods.def"
};
enum { METHOD__COUNT = 1
#define METHOD(name) + 1
#include "common/table/methods.def"
};

/* The id of len bytes at text, METHOD_NONE if they are not in the table. */
enum method_id method_find(const char *text, size_t len);

/* The name of an id, "-" for METHOD_NONE and for what is no id; never NULL. */
const char *method_name(unsigned int id);

#endif
