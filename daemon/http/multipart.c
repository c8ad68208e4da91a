/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* multipart.c: see multipart.h. */
#include "daemon/http/multipart.h"

#include <errno.h>
#include <string.h>

#include "daemon/http/scan.h"

/* ---- parameters: ; name=value ; name="value" ------------------------------------- */

struct param {
	struct multipart_text name, value;
};

static bool
is(struct multipart_text text, const char *word)
{
	return text.len == strlen(word) &&
	    scan_equal(text.at, word, text.len);
}

static const char *
skip_blanks(const char *at, const char *end)
{
	while (at < end && scan_is_blank(*at))
		at++;
	return at;
}

/* The inside of quotes; *at is behind the first one, then behind the last. */
static bool
take_quoted(const char **at, const char *end, struct multipart_text *value)
{
	const char *start = *at, *p = start;

	while (p < end && *p != '"')
		p += *p == '\\' && p + 1 < end &&
		    (p[1] == '"' || p[1] == '\\') ? 2 : 1;
	if (p >= end)
		return false;
	*value = (struct multipart_text){ start, (size_t)(p - start) };
	*at = p + 1;
	return true;
}

/* 1: one more; 0: no more; -1: this is no list of them. */
static int
next_param(const char **at, const char *end, struct param *param)
{
	const char *p = *at, *start;

	do {
		p = skip_blanks(p, end);
		if (p == end)
			return 0;
		if (*p++ != ';')
			return -1;
		p = skip_blanks(p, end);
	} while (p < end && *p == ';');
	if (p == end)
		return 0;
	start = p;
	p = scan_skip_bytes(p, end, SCAN_TOKEN);
	param->name = (struct multipart_text){ start, (size_t)(p - start) };
	if (param->name.len == 0 || p == end || *p++ != '=')
		return -1;
	if (p < end && *p == '"') {
		p++;
		if (!take_quoted(&p, end, &param->value))
			return -1;
	} else {
		start = p;
		p = scan_skip_bytes(p, end, SCAN_TOKEN);
		param->value = (struct multipart_text){ start,
		    (size_t)(p - start) };
		if (p == start)
			return -1;
	}
	*at = p;
	return 1;
}

size_t
multipart_copy(char *out, struct multipart_text text)
{
	size_t used = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] == '\\' && i + 1 < text.len &&
		    (text.at[i + 1] == '"' || text.at[i + 1] == '\\'))
			i++;
		out[used++] = text.at[i];
	}
	out[used] = '\0';
	return used;
}

/* ---- the boundary ---------------------------------------------------------------- */

/* The type in front of its parameters; *rest begins with them. */
static struct multipart_text
type_of(const char *value, const char *end, const char **rest)
{
	const char *p = value;

	while (p < end && !scan_is_blank(*p) && *p != ';')
		p++;
	*rest = p;
	return (struct multipart_text){ value, (size_t)(p - value) };
}

bool
multipart_is_type(const char *value, size_t len, const char *type)
{
	const char *rest;

	return is(type_of(value, value + len, &rest), type);
}

/* RFC 2046, 5.1.1 */
static bool
is_boundary(struct multipart_text text)
{
	static const char others[] = "'()+_,-./:=? ";

	if (text.len == 0 || text.len > MULTIPART_BOUNDARY_MAX ||
	    text.at[text.len - 1] == ' ')
		return false;
	for (size_t i = 0; i < text.len; i++) {
		char c = scan_lower(text.at[i]);

		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') &&
		    memchr(others, c, sizeof(others) - 1) == NULL)
			return false;
	}
	return true;
}

int
multipart_init(struct multipart *multipart, const char *value,
    size_t value_len, const char *body, size_t len)
{
	const char *end = value + value_len, *at;
	struct multipart_text boundary = { NULL, 0 };
	struct param param;
	int rc;

	type_of(value, end, &at);
	while ((rc = next_param(&at, end, &param)) > 0) {
		if (!is(param.name, "boundary"))
			continue;
		if (boundary.at != NULL)
			return -EBADMSG;
		boundary = param.value;
	}
	if (rc < 0 || !is_boundary(boundary))
		return -EBADMSG;
	memcpy(multipart->mark, "\r\n--", 4);
	memcpy(multipart->mark + 4, boundary.at, boundary.len);
	multipart->mark_len = 4 + boundary.len;
	multipart->at = body;
	multipart->end = body + len;
	multipart->begun = multipart->over = false;
	return 0;
}

/* ---- lines between parts ----------------------------------------------------------- */

static bool
starts_with(const char *at, const char *end, const char *text, size_t len)
{
	return (size_t)(end - at) >= len && memcmp(at, text, len) == 0;
}

/* At what follows a boundary: the end of its line, or "--" for the last one.
 * The next part begins at *at then.  0: it was the last; -EBADMSG. */
static int
pass_boundary(struct multipart *multipart)
{
	const char *at = multipart->at, *end = multipart->end;

	if (starts_with(at, end, "--", 2)) {
		at = skip_blanks(at + 2, end);
		if (at != end && !(end - at == 2 &&
		    memcmp(at, "\r\n", 2) == 0))
			return -EBADMSG;
		multipart->over = true;
		return 0;
	}
	at = skip_blanks(at, end);
	if (!starts_with(at, end, "\r\n", 2))
		return -EBADMSG;
	multipart->at = at + 2;
	return 1;
}

/* The first boundary has no line end of its own before it, or an empty line. */
static int
begin(struct multipart *multipart)
{
	const char *at = multipart->at;
	const char *mark = multipart->mark;
	size_t len = multipart->mark_len;

	multipart->begun = true;
	if (starts_with(at, multipart->end, mark, len))
		multipart->at = at + len;
	else if (starts_with(at, multipart->end, mark + 2, len - 2))
		multipart->at = at + len - 2;
	else
		return -EBADMSG;
	return pass_boundary(multipart);
}

/* ---- the head of a part --------------------------------------------------------------- */

static bool
take_disposition(struct multipart_part *part, const char *value,
    const char *end)
{
	struct param param;
	const char *at;
	int rc;

	if (part->name.at != NULL || !is(type_of(value, end, &at), "form-data"))
		return false;
	while ((rc = next_param(&at, end, &param)) > 0) {
		struct multipart_text *to = NULL;

		if (is(param.name, "name"))
			to = &part->name;
		else if (is(param.name, "filename"))
			to = &part->filename;
		else if (is(param.name, "filename*") ||
		    is(param.name, "name*"))
			return false;
		if (to == NULL)
			continue;
		if (to->at != NULL)
			return false;
		*to = param.value;
	}
	return rc == 0 && part->name.at != NULL;
}

static bool
take_field(struct multipart_part *part, struct multipart_text name,
    const char *value, const char *end)
{
	struct multipart_text text = { value, (size_t)(end - value) };

	if (is(name, "content-disposition"))
		return take_disposition(part, value, end);
	if (is(name, "content-transfer-encoding"))
		return is(text, "binary") || is(text, "8bit") ||
		    is(text, "7bit");
	if (!is(name, "content-type"))
		return true;
	if (part->type.at != NULL || text.len == 0)
		return false;
	part->type = text;
	return true;
}

/* A line "name: value" up to its CRLF; *at is behind that then. */
static bool
take_line(struct multipart_part *part, const char **at, const char *end)
{
	const char *start = *at, *p, *value, *stop;

	p = scan_skip_bytes(start, end, SCAN_TOKEN);
	if (p == start || p == end || *p != ':')
		return false;
	value = skip_blanks(p + 1, end);
	stop = scan_skip_bytes(value, end, SCAN_VALUE);
	if (!starts_with(stop, end, "\r\n", 2))
		return false;
	*at = stop + 2;
	while (stop > value && scan_is_blank(stop[-1]))
		stop--;
	return take_field(part, (struct multipart_text){ start,
	    (size_t)(p - start) }, value, stop);
}

/* Up to the empty line, which may be the begin of a boundary's: *at is in front
 * of it. */
static int
take_head(struct multipart *multipart, struct multipart_part *part)
{
	const char *at = multipart->at, *end = multipart->end;
	bool cut = end - at > MULTIPART_HEADER_MAX;

	if (cut)
		end = at + MULTIPART_HEADER_MAX;
	while (!starts_with(at, end, "\r\n", 2))
		if (!take_line(part, &at, end))
			return cut && memchr(at, '\n', (size_t)(end - at)) ==
			    NULL ? -E2BIG : -EBADMSG;
	multipart->at = at;
	return part->name.at == NULL ? -EBADMSG : 0;
}

/* ---- parts ----------------------------------------------------------------------------- */

int
multipart_next(struct multipart *multipart, struct multipart_part *part)
{
	const char *mark;
	int rc;

	memset(part, 0, sizeof(*part));
	if (!multipart->begun && (rc = begin(multipart)) <= 0)
		return rc;
	if (multipart->over)
		return 0;
	if ((rc = take_head(multipart, part)) != 0)
		return rc;
	mark = memmem(multipart->at, (size_t)(multipart->end - multipart->at),
	    multipart->mark, multipart->mark_len);
	if (mark == NULL)
		return -EBADMSG;
	/* without data the empty line is the boundary's own line end */
	part->data.at = mark == multipart->at ? mark : multipart->at + 2;
	part->data.len = (size_t)(mark - part->data.at);
	multipart->at = mark + multipart->mark_len;
	rc = pass_boundary(multipart);
	return rc < 0 ? rc : 1;
}
