/* SPDX-License-Identifier: MIT
 * Copyright (c) 2025 The clusterd authors */

/*
 * method.c: request methods by text and by id.  Pure.
 */

#include "daemon/http/method.h"

#include <string.h>

static const struct {
	const char *text;
	size_t len;
} methods[METHOD__COUNT] = {
	[METHOD_NONE] = { "-", 1 },
#define METHOD(name) [METHOD_##name] = { #name, sizeof(#name) - 1 },
#include "daemon/http/methods.def"
};

enum method_id
method_find(const char *text, size_t len)
{
	for (unsigned int id = METHOD_NONE + 1; id < METHOD__COUNT; id++)
		if (methods[id].len == len &&
		    memcmp(methods[id].text, text, len) == 0)
			return (enum method_id)id;
	return METHOD_NONE;
}

const char *
method_name(unsigned int id)
{
	return methods[id < METHOD__COUNT ? id : METHOD_NONE].text;
}
