/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* mediatypes.c: is a Content-Type in a list?  See mediatypes.h. */
#include "mediatypes.h"

#include <string.h>
#include <strings.h>

#define BETWEEN " \t,"

/* The next word of list, of *len bytes; NULL: there is none. */
static const char *
next_word(const char **list, size_t *len)
{
	const char *word = *list + strspn(*list, BETWEEN);

	*len = strcspn(word, BETWEEN);
	*list = word + *len;
	return *len > 0 ? word : NULL;
}

bool
mediatypes_have(const char *list, const char *type)
{
	const char *word;
	size_t len, type_len;

	if (type == NULL)
		return false;
	type_len = strcspn(type, "; \t");
	while ((word = next_word(&list, &len)) != NULL) {
		if (len > 2 && memcmp(word + len - 2, "/*", 2) == 0) {
			if (type_len >= len &&
			    strncasecmp(word, type, len - 1) == 0)
				return true;
		} else if (len == type_len &&
		    strncasecmp(word, type, len) == 0) {
			return true;
		}
	}
	return false;
}

bool
mediatypes_are_valid(const char *list)
{
	const char *word;
	size_t len;

	while ((word = next_word(&list, &len)) != NULL) {
		const char *slash = memchr(word, '/', len);

		if (slash == NULL || slash == word || slash == word + len - 1)
			return false;
	}
	return true;
}
