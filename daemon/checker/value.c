/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* value.c: quotes of a value, off and on; see value.h. */
#include "daemon/checker/value.h"

#include <string.h>

#include "common/base/buf.h"

static const char escapes[] = "\"\"\\\\n\nt\t";	/* letter, what it means */

static char
escape_meaning(char letter)
{
	for (const char *at = escapes; *at != '\0'; at += 2)
		if (at[0] == letter)
			return at[1];
	return '\0';
}

const char *
value_unquote(char *value)
{
	const char *from = value;
	char *to = value;

	if (value[0] != '"') {
		unsigned quotes = 0;

		for (; *from != '\0'; from++)
			quotes += *from == '"';
		return quotes % 2 == 0 ? NULL : "a quote without its end";
	}
	for (from++; *from != '"'; from++) {
		if (*from == '\0')
			return "a quote without its end";
		if (*from != '\\') {
			*to++ = *from;
			continue;
		}
		from++;
		*to = escape_meaning(*from);
		if (*from == '\0' || *to == '\0')
			return "an escape that is none of \\\" \\\\ \\n \\t";
		to++;
	}
	if (from[1] != '\0')
		return "text after the end of a quote";
	*to = '\0';
	return NULL;
}

static int
needs_quotes(const char *value)
{
	size_t len = strlen(value);

	if (len == 0)
		return 0;
	if (value[0] == ' ' || value[0] == '\t' || value[len - 1] == ' ' ||
	    value[len - 1] == '\t')
		return 1;
	return strpbrk(value, "\";\\\n\t#") != NULL;
}

void
value_quote(struct buf *out, const char *value)
{
	if (!needs_quotes(value)) {
		buf_add_text(out, value);
		return;
	}
	buf_add(out, "\"", 1);
	for (; *value != '\0'; value++) {
		const char *at = escapes;

		while (*at != '\0' && at[1] != *value)
			at += 2;
		if (*at != '\0') {
			buf_add(out, "\\", 1);
			buf_add(out, at, 1);
		} else {
			buf_add(out, value, 1);
		}
	}
	buf_add(out, "\"", 1);
}
