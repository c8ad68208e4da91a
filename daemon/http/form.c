/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* form.c: see form.h. */
#include "daemon/http/form.h"

#include <errno.h>
#include <string.h>

#include "daemon/http/multipart.h"
#include "daemon/http/pairs.h"
#include "daemon/http/percent.h"
#include "daemon/http/request.h"
#include "daemon/http/said.h"

enum { FIRST_FIELDS = 16 };

/* ---- application/x-www-form-urlencoded ------------------------------------------- */

static int
read_pairs(struct conn *conn, struct form *form, const char *body, size_t len)
{
	size_t most = len == 0 ? 0 : pairs_count(body, len, '&');
	struct pair *pairs;
	char *out;
	int count;

	if (most > PAIRS_MAX)
		most = PAIRS_MAX;
	pairs = exchange_take(conn->exchange, most * sizeof(pairs[0]));
	out = exchange_take(conn->exchange, len + 2);
	form->fields = exchange_take(conn->exchange,
	    most * sizeof(form->fields[0]));
	if (pairs == NULL || out == NULL || form->fields == NULL)
		return -ENOMEM;
	count = pairs_decode(pairs, most, out, body, len);
	for (int i = 0; i < count; i++)
		form->fields[i] = (struct form_field){
			.name = pairs[i].name, .data = pairs[i].value,
			.len = pairs[i].len, .text = pairs[i].value,
		};
	return count;
}

/* ---- multipart/form-data ---------------------------------------------------------- */

/* A terminated copy; at NULL gives NULL.  0 or -errno. */
static int
copy_text(struct conn *conn, struct multipart_text text, const char **to)
{
	char *out;
	size_t len;

	*to = NULL;
	if (text.at == NULL)
		return 0;
	out = exchange_take(conn->exchange, text.len + 1);
	if (out == NULL)
		return -ENOMEM;
	len = multipart_copy(out, text);
	*to = out;
	return percent_is_utf8(out, len) ? 0 : -EILSEQ;
}

static int
take_part(struct conn *conn, struct form_field *field,
    const struct multipart_part *part)
{
	int rc;

	*field = (struct form_field){ .data = part->data.at,
	    .len = part->data.len };
	if ((rc = copy_text(conn, part->name, &field->name)) != 0 ||
	    (rc = copy_text(conn, part->filename, &field->filename)) != 0)
		return rc;
	return copy_text(conn, part->type, &field->type);
}

/* Room for one more.  What was outgrown stays with the request: at most as much
 * again. */
static int
make_room(struct conn *conn, struct form *form, size_t count, size_t *room)
{
	struct form_field *fields;
	size_t more = *room == 0 ? FIRST_FIELDS : 2 * *room;

	if (count == PAIRS_MAX)
		return -E2BIG;
	if (count < *room)
		return 0;
	fields = exchange_take(conn->exchange, more * sizeof(fields[0]));
	if (fields == NULL)
		return -ENOMEM;
	if (count > 0)
		memcpy(fields, form->fields, count * sizeof(fields[0]));
	form->fields = fields;
	*room = more;
	return 0;
}

static int
read_parts(struct conn *conn, struct form *form, const char *type,
    const char *body, size_t len)
{
	struct multipart multipart;
	struct multipart_part part;
	size_t count = 0, room = 0;
	int rc = multipart_init(&multipart, type, strlen(type), body, len);

	if (rc != 0)
		return rc;
	while ((rc = multipart_next(&multipart, &part)) > 0) {
		if ((rc = make_room(conn, form, count, &room)) != 0 ||
		    (rc = take_part(conn, &form->fields[count], &part)) != 0)
			return rc;
		count++;
	}
	return rc < 0 ? rc : (int)count;
}

/* ---- both ---------------------------------------------------------------------------- */

static int
read_form(struct conn *conn, struct form *form)
{
	unsigned index = 0;
	const char *type = said_header(conn, "content-type", &index), *body;
	bool pairs, parts;
	size_t len;

	/* one of two could be read by us, the other by who looked before us */
	if (type == NULL ||
	    said_header(conn, "content-type", &index) != NULL)
		return -EMEDIUMTYPE;
	pairs = multipart_is_type(type, strlen(type),
	    "application/x-www-form-urlencoded");
	parts = multipart_is_type(type, strlen(type), "multipart/form-data");
	if (!pairs && !parts)
		return -EMEDIUMTYPE;
	body = request_body(conn, &len);
	if (body == NULL)
		return -ENODATA;
	return pairs ? read_pairs(conn, form, body, len) :
	    read_parts(conn, form, type, body, len);
}

int
form_fields(struct conn *conn, struct form_field **fields)
{
	struct said *said = said_of(conn);

	if (said == NULL)
		return -ENOMEM;
	/* before the body is there one may ask, and again when it is */
	if (said->form.count == FORM_NOT || said->form.count == -ENODATA)
		said->form.count = read_form(conn, &said->form);
	*fields = said->form.fields;
	return said->form.count;
}

struct form_field *
form_find(struct form_field *fields, int count, const char *name)
{
	for (int i = 0; i < count; i++)
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
	return NULL;
}

const char *
form_text(struct conn *conn, struct form_field *field)
{
	char *out;

	if (field->text != NULL)
		return field->text;
	if (memchr(field->data, '\0', field->len) != NULL ||
	    !percent_is_utf8(field->data, field->len))
		return NULL;
	out = exchange_take(conn->exchange, field->len + 1);
	if (out == NULL)
		return NULL;
	memcpy(out, field->data, field->len);
	out[field->len] = '\0';
	return field->text = out;
}
