/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* environment.c: the environment of a child; see environment.h. */
#include "daemon/child/environment.h"

#include <stdlib.h>
#include <string.h>

static const char *const channels[] = {
	"CLUSTERD_CHANNEL_FD", "CLUSTERD_CHANNEL_KIND",
	"NODE_CHANNEL_FD", "NODE_CHANNEL_SERIALIZATION_MODE", NULL,
};

static bool
has_name(const char *text, const char *name, size_t len)
{
	return strncmp(text, name, len) == 0 && text[len] == '=';
}

/* Is it in the list, or (named only there) taken out by it? */
static bool
is_named(const char *text, const char *const *list)
{
	size_t len = strcspn(text, "=");

	for (; list != NULL && *list != NULL; list++)
		if (strcspn(*list, "=") == len &&
		    strncmp(text, *list, len) == 0)
			return true;
	return false;
}

static size_t
count_of(const char *const *list)
{
	size_t count = 0;

	while (list != NULL && list[count] != NULL)
		count++;
	return count;
}

const char **
environment_make(const char *const *own, const char *const *given, bool add,
    const char *const *channel)
{
	size_t count = 0;
	const char **list = calloc(count_of(own) + count_of(given) +
	    count_of(channel) + 1, sizeof(list[0]));

	if (list == NULL)
		return NULL;
	if (given == NULL || add)
		for (size_t i = 0; own != NULL && own[i] != NULL; i++)
			if (!is_named(own[i], channels) &&
			    !is_named(own[i], given))
				list[count++] = own[i];
	for (size_t i = 0; given != NULL && given[i] != NULL; i++)
		if (strchr(given[i], '=') != NULL &&
		    !is_named(given[i], channels))
			list[count++] = given[i];
	for (size_t i = 0; channel != NULL && channel[i] != NULL; i++)
		list[count++] = channel[i];
	return list;
}

const char *
environment_get(const char *const *list, const char *name)
{
	size_t len = strlen(name);

	for (; list != NULL && *list != NULL; list++)
		if (has_name(*list, name, len))
			return *list + len + 1;
	return NULL;
}
