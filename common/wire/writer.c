/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* writer.c: JSON appended to a buffer; see writer.h. */
#include "common/wire/writer.h"

#include <string.h>

static void
writer_add_name(struct writer *w, const char *name)
{
	if (w->comma)
		buf_add(w->buf, ",", 1);
	w->comma = true;
	if (name == NULL)
		return;
	buf_add_json(w->buf, name, strlen(name));
	buf_add(w->buf, ":", 1);
}

void
writer_open(struct writer *w, const char *name, char bracket)
{
	writer_add_name(w, name);
	buf_add(w->buf, &bracket, 1);
	w->comma = false;
}

void
writer_close(struct writer *w, char bracket)
{
	buf_add(w->buf, &bracket, 1);
	w->comma = true;
}

void
writer_add_json(struct writer *w, const char *name, const char *json)
{
	writer_add_name(w, name);
	buf_add_text(w->buf, json != NULL ? json : "null");
}

void
writer_add_text(struct writer *w, const char *name, const char *text)
{
	writer_add_name(w, name);
	if (text == NULL)
		buf_add_text(w->buf, "null");
	else
		buf_add_json(w->buf, text, strlen(text));
}

void
writer_add_number(struct writer *w, const char *name, int64_t number)
{
	writer_add_name(w, name);
	if (number < 0)
		buf_add(w->buf, "-", 1);
	buf_add_number(w->buf,
	    number < 0 ? -(uint64_t)number : (uint64_t)number);
}

void
writer_add_known(struct writer *w, const char *name, int64_t number)
{
	if (number < 0)
		writer_add_json(w, name, NULL);
	else
		writer_add_number(w, name, number);
}

void
writer_add_bool(struct writer *w, const char *name, bool value)
{
	writer_add_json(w, name, value ? "true" : "false");
}
