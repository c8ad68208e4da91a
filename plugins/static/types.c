/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* types.c: the Content-Type of a file; see types.h. */
#include "types.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *ending, *type;
} rows[] = {
#define TYPE(ending, type) { ending, type },
#include "types.def"
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

struct types_extra {
	char *ending, *type;
};

/* Text with the charset, where it is a text that has none. */
static char *
types_complete(const char *type, const char *charset)
{
	char *text = NULL;

	if (charset[0] == '\0' || strncmp(type, "text/", 5) != 0 ||
	    strstr(type, "charset=") != NULL)
		return strdup(type);
	return asprintf(&text, "%s; charset=%s", type, charset) < 0 ? NULL :
	    text;
}

/* "md text/markdown" */
static int
types_add(struct types *types, char *text, const char *charset)
{
	struct types_extra *extra = realloc(types->extra,
	    (types->extra_count + 1) * sizeof(*extra));
	char *ending, *type;

	if (extra == NULL)
		return -ENOMEM;
	types->extra = extra;
	text += strspn(text, " ");
	ending = strsep(&text, " ");
	if (text == NULL || ending[0] == '\0')
		return -EINVAL;
	type = text + strspn(text, " ");
	if (strchr(type, '/') == NULL)
		return -EINVAL;
	extra += types->extra_count++;
	extra->ending = strdup(ending);
	extra->type = types_complete(type, charset);
	return extra->ending == NULL || extra->type == NULL ? -ENOMEM : 0;
}

static int
types_add_all(struct types *types, const char *list, const char *charset)
{
	char *copy = strdup(list), *rest = copy, *text;
	int rc = copy == NULL ? -ENOMEM : 0;

	while (rc == 0 && (text = strsep(&rest, ",")) != NULL)
		if (text[strspn(text, " ")] != '\0')
			rc = types_add(types, text, charset);
	free(copy);
	return rc;
}

int
types_init(struct types *types, const char *extra, const char *charset,
    const char *fallback)
{
	*types = (struct types){ .texts = calloc(ROWS, sizeof(char *)),
	    .fallback = types_complete(fallback, charset) };
	if (types->texts == NULL || types->fallback == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < ROWS; i++) {
		types->texts[i] = types_complete(rows[i].type, charset);
		if (types->texts[i] == NULL)
			return -ENOMEM;
	}
	return types_add_all(types, extra, charset);
}

void
types_done(struct types *types)
{
	for (unsigned i = 0; i < types->extra_count; i++) {
		free(types->extra[i].ending);
		free(types->extra[i].type);
	}
	for (unsigned i = 0; types->texts != NULL && i < ROWS; i++)
		free(types->texts[i]);
	free(types->extra);
	free(types->texts);
	free(types->fallback);
	*types = (struct types){ 0 };
}

const char *
types_find(const struct types *types, const char *name)
{
	const char *slash = strrchr(name, '/'), *dot = strrchr(name, '.');
	unsigned low = 0, high = ROWS;

	if (dot == NULL || (slash != NULL && dot < slash))
		return types->fallback;
	dot++;
	for (unsigned i = 0; i < types->extra_count; i++)
		if (strcasecmp(types->extra[i].ending, dot) == 0)
			return types->extra[i].type;
	while (low < high) {
		unsigned middle = (low + high) / 2;
		int order = strcasecmp(dot, rows[middle].ending);

		if (order == 0)
			return types->texts[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return types->fallback;
}
