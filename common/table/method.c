/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * method.c: request methods by text and by id.  Pure.
 */

#include "common/table/method.h"

#include <string.h>

enum method_id
method_find(const char *text, size_t len)
{
#define METHOD(name) \
	if (len == sizeof(#name) - 1 && memcmp(text, #name, len) == 0) \
		return METHOD_##name;
#include "common/table/methods.def"
	return METHOD_NONE;
}

const char *
method_name(unsigned int id)
{
	static const char *const names[METHOD__COUNT] = {
		[METHOD_NONE] = "-",
#define METHOD(name) [METHOD_##name] = #name,
#include "common/table/methods.def"
	};

	return names[id < METHOD__COUNT ? id : METHOD_NONE];
}
