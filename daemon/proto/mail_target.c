/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* mail_target.c: whom a message is for; see mail_target.h. */
#include "daemon/proto/mail_target.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "common/base/parse.h"

/* As the configuration names pools and plugins. */
static bool
is_name(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && text[i] != '-' &&
		    text[i] != '_')
			return false;
	return len > 0 && text[0] != '-' && text[0] != '_';
}

/* Copy a name of len characters that fits size with its end. */
static int
take_name(const char *text, size_t len, char *out, size_t size)
{
	if (len >= size || !is_name(text, len))
		return -EINVAL;
	memcpy(out, text, len);
	out[len] = '\0';
	return 0;
}

static int
take_number(const char *text, size_t len, uint64_t max, uint64_t *out)
{
	/* "007" and "7" must not be two names of one worker */
	if (len == 0 || (text[0] == '0' && len > 1) ||
	    text[0] < '0' || text[0] > '9' ||
	    parse_number(text, len, out) != 0 || *out > max)
		return -EINVAL;
	return 0;
}

static bool
is(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && memcmp(text, word, len) == 0;
}

static int
take_workers(const char *text, size_t len, struct mail_target *out)
{
	const char *slash = memchr(text, '/', len);
	uint64_t number = 0;

	if (len > 3 && memcmp(text, "id:", 3) == 0) {
		out->kind = MAIL_TO_ID;
		return take_number(text + 3, len - 3, UINT64_MAX, &out->id) != 0
		    || out->id == 0 ? -EINVAL : 0;
	}
	if (slash == NULL) {
		out->kind = is(text, len, "all") ? MAIL_TO_ALL :
		    is(text, len, "master") ? MAIL_TO_MASTER : MAIL_TO_POOL;
		return out->kind != MAIL_TO_POOL ? 0 :
		    take_name(text, len, out->pool, sizeof(out->pool));
	}
	out->kind = MAIL_TO_SLOT;
	if (take_name(text, (size_t)(slash - text), out->pool,
	    sizeof(out->pool)) != 0 ||
	    take_number(slash + 1, (size_t)(text + len - slash - 1),
	    MAIL_SLOT_MAX, &number) != 0)
		return -EINVAL;
	out->slot = (uint32_t)number;
	return 0;
}

int
mail_target_parse(const char *text, struct mail_target *out)
{
	size_t len = strcspn(text, "@");
	struct mail_target target = { .kind = MAIL_TO_ALL };

	if (take_workers(text, len, &target) != 0)
		return -EINVAL;
	if (text[len] == '@' && take_name(text + len + 1, strlen(text + len + 1),
	    target.instance, sizeof(target.instance)) != 0)
		return -EINVAL;
	*out = target;
	return 0;
}

bool
mail_target_is_broadcast(const struct mail_target *target)
{
	return target->kind == MAIL_TO_POOL || target->kind == MAIL_TO_ALL;
}
