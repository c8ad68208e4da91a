/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* errmsg.c: an error with its words; see errmsg.h. */
#include "common/base/errmsg.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int
errmsg_vset(struct errmsg *err, int code, const char *fmt, va_list args)
{
	int saved = errno;

	if (err != NULL) {
		err->code = code;
		vsnprintf(err->text, sizeof(err->text), fmt, args);
	}
	errno = saved;
	return code;
}

int
errmsg_set(struct errmsg *err, int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	errmsg_vset(err, code, fmt, args);
	va_end(args);
	return code;
}

int
errmsg_errno(struct errmsg *err, const char *fmt, ...)
{
	int saved = errno;
	va_list args;
	size_t used;

	if (err == NULL)
		return ERR_SYSTEM;
	va_start(args, fmt);
	errmsg_vset(err, ERR_SYSTEM, fmt, args);
	va_end(args);
	used = strlen(err->text);
	snprintf(err->text + used, sizeof(err->text) - used, ": %s",
	    strerror(saved));
	errno = saved;
	return ERR_SYSTEM;
}

int
errmsg_prefix(struct errmsg *err, const char *fmt, ...)
{
	char old[sizeof(err->text)];
	va_list args;
	size_t used;

	if (err == NULL)
		return ERR_FAILED;
	memcpy(old, err->text, sizeof(old));
	va_start(args, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
	used = strlen(err->text);
	snprintf(err->text + used, sizeof(err->text) - used, "%s", old);
	return err->code;
}

const char *
err_name(int code)
{
	static const struct { int code; const char *name; } names[] = {
#define ERROR(id, name) { ERR_##id, #name },
#include "common/base/errors.def"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].code == code)
			return names[i].name;
	return "internal";
}
