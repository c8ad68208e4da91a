/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* oom.c: kills for want of memory; see oom.h. */
#include "daemon/supervisor/oom.h"

#include <string.h>

#include "common/base/errmsg.h"

/* What follows such a beginning of a line; or NULL. */
static const char *
after(const char *text, const char *word)
{
	size_t len = strlen(word);

	while (text != NULL && strncmp(text, word, len) != 0) {
		text = strchr(text, '\n');
		text = text != NULL ? text + 1 : NULL;
	}
	return text != NULL ? text + len : NULL;
}

int
oom_parse(const char *text, uint64_t *count)
{
	const char *at = after(text, "oom_kill ");
	uint64_t n = 0;
	size_t digits = 0;

	while (at != NULL && at[digits] >= '0' && at[digits] <= '9' &&
	    digits < 20)
		n = n * 10 + (uint64_t)(at[digits++] - '0');
	if (digits == 0 || (at[digits] != '\n' && at[digits] != '\0'))
		return ERR_FORMAT;
	*count = n;
	return 0;
}

int
oom_parse_path(const char *text, char *out, size_t size)
{
	const char *at = after(text, "0::");
	size_t len = at != NULL ? strcspn(at, "\n") : 0;

	if (len == 0 || at[0] != '/' || len >= size)
		return ERR_FORMAT;
	memcpy(out, at, len);
	out[len] = '\0';
	return 0;
}

static void
count_kills(struct oom_watch *watch, uint64_t count)
{
	if (!watch->known || count < watch->seen)	/* another counter */
		watch->fresh = watch->stale = 0;
	else
		watch->fresh += count - watch->seen;
	watch->seen = count;
	watch->known = 1;
}

void
oom_look(struct oom_watch *watch, uint64_t count)
{
	count_kills(watch, count);
	watch->stale = watch->fresh;
	watch->fresh = 0;
}

int
oom_explains(struct oom_watch *watch, uint64_t count)
{
	count_kills(watch, count);
	if (watch->stale > 0)
		watch->stale--;
	else if (watch->fresh > 0)
		watch->fresh--;
	else
		return 0;
	return 1;
}
