/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* access_format.c: the format of a line of the access log; see access_format.h. */
#include "daemon/conf/access_format.h"

#include <string.h>

#include "common/base/check.h"
#include "common/base/errmsg.h"
#include "common/table/keys.h"

static const struct { const char *name, *other; } fields[] = {
#define ACCESS_FIELD(id, name, other, help) [ACCESS_##id] = { name, other },
#include "common/table/access_fields.def"
};

/* What the two words stand for. */
static const char combined[] = "$remote_addr - $remote_user [$time_local] "
    "\"$request\" $status $bytes \"$http_referer\" \"$http_user_agent\"";
static const char json[] = "{\"time\":$time_ms,\"request_id\":$request_id,"
    "\"request_number\":$request_number,"
    "\"worker\":$worker,\"pid\":$pid,\"remote_addr\":$remote_addr,"
    "\"remote_port\":$remote_port,\"method\":$method,\"path\":$path,"
    "\"query\":$query,\"protocol\":$protocol,\"host\":$host,"
    "\"status\":$status,\"bytes\":$bytes,\"request_us\":$request_us,"
    "\"cut\":$cut,\"plugin\":$plugin,\"route\":$route,"
    "\"referer\":$http_referer,\"user_agent\":$http_user_agent}";

static bool
is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

static bool
is_word(const char *word, const char *name, size_t len)
{
	return word != NULL && strlen(word) == len &&
	    memcmp(word, name, len) == 0;
}

/* A header's name as it stands behind "$http_": "user_agent". */
static int
take_header(struct access_part *part, const char *name, size_t len,
    struct errmsg *err)
{
	if (len == 0 || len >= sizeof(part->header))
		return errmsg_set(err, ERR_BAD_ARGUMENT,
		    "$http_ needs the name of a header of 1-%zu bytes behind "
		    "it", sizeof(part->header) - 1);
	for (size_t i = 0; i < len; i++)
		part->header[i] = name[i] == '_' ? '-' : name[i];
	part->header[len] = '\0';
	part->field = ACCESS_HEADER;
	return 0;
}

static const char *
nearest(const char *name, size_t len)
{
	char word[32];
	const char *best = NULL;
	unsigned distance, least = 3;

	if (len >= sizeof(word))
		return NULL;
	memcpy(word, name, len);
	word[len] = '\0';
	for (size_t i = 0; i < COUNT(fields); i++) {
		distance = word_distance(word, fields[i].name, least);
		if (distance < least) {
			least = distance;
			best = fields[i].name;
		}
	}
	return best;
}

static int
take_field(struct access_part *part, const char *name, size_t len,
    struct errmsg *err)
{
	const char *like;

	if (len >= 5 && memcmp(name, "http_", 5) == 0)
		return take_header(part, name + 5, len - 5, err);
	for (size_t i = 0; i < COUNT(fields); i++)
		if (is_word(fields[i].name, name, len) ||
		    is_word(fields[i].other, name, len)) {
			part->field = (enum access_field)i;
			return 0;
		}
	like = nearest(name, len);
	return errmsg_set(err, ERR_BAD_ARGUMENT, "there is no \"$%.*s\"%s%s%s",
	    len > 40 ? 40 : (int)len, name, like != NULL ?
	    "; did you mean \"$" : "", like != NULL ? like : "",
	    like != NULL ? "\"?" : "");
}

static int
add_literal(struct access_format *format, const char *text, size_t len)
{
	struct access_part *part;

	if (len == 0)
		return 0;
	if (format->count == ACCESS_PARTS_MAX)
		return ERR_RANGE;
	part = &format->parts[format->count++];
	part->field = ACCESS_LITERAL;
	part->text = text;
	part->len = (uint16_t)len;
	return 0;
}

/* The field at text, which begins behind the '$'.  Bytes it has, or an ERR_. */
static int
add_field(struct access_format *format, const char *text, const char *end,
    struct errmsg *err)
{
	bool braced = text < end && *text == '{';
	const char *name = text + braced, *at = name;
	int rc;

	while (at < end && is_name_byte(*at))
		at++;
	if (at == name || (braced && (at == end || *at != '}')))
		return errmsg_set(err, ERR_BAD_ARGUMENT, "a \"$\" without %s; "
		    "\"$$\" is a dollar", braced ? "the \"}\" of its name" :
		    "a name");
	if (format->count == ACCESS_PARTS_MAX)
		return ERR_RANGE;
	rc = take_field(&format->parts[format->count], name,
	    (size_t)(at - name), err);
	if (rc != 0)
		return rc;
	format->count++;
	return (int)(at - text) + braced;
}

static int
parse(struct access_format *format, const char *text, const char *end,
    struct errmsg *err)
{
	while (text < end) {
		const char *dollar = memchr(text, '$', (size_t)(end - text));
		size_t len = (size_t)((dollar != NULL ? dollar : end) - text);
		int used;

		if (dollar != NULL && dollar + 1 < end && dollar[1] == '$') {
			if (add_literal(format, text, len + 1) != 0)
				return ERR_RANGE;
			text = dollar + 2;
			continue;
		}
		if (add_literal(format, text, len) != 0)
			return ERR_RANGE;
		if (dollar == NULL)
			return 0;
		used = add_field(format, dollar + 1, end, err);
		if (used < 0)
			return used;
		text = dollar + 1 + used;
	}
	return 0;
}

/* What would make two lines of one, or none. */
static bool
has_control_byte(const char *text)
{
	for (; *text != '\0'; text++)
		if (((unsigned char)*text < 0x20 && *text != '\t') ||
		    *text == 0x7f)
			return true;
	return false;
}

int
access_format_parse(struct access_format *format, const char *text,
    struct errmsg *err)
{
	size_t len = strlen(text);
	int rc;

	format->json = is_word("json", text, len);
	format->count = 0;
	if (format->json)
		return parse(format, json, json + sizeof(json) - 1, err);
	if (is_word("combined", text, len))
		return parse(format, combined, combined + sizeof(combined) - 1,
		    err);
	if (strchr(text, '$') == NULL)
		return errmsg_set(err, ERR_BAD_ARGUMENT, "must be combined, "
		    "json or a format with $variables, not \"%.64s\"", text);
	if (has_control_byte(text))
		return errmsg_set(err, ERR_BAD_ARGUMENT,
		    "has a control character");
	rc = parse(format, text, text + len, err);
	return rc != ERR_RANGE ? rc : errmsg_set(err, ERR_BAD_ARGUMENT,
	    "has more than %d fields and texts between them",
	    ACCESS_PARTS_MAX);
}

bool
access_format_has(const struct access_format *format, enum access_field field)
{
	for (unsigned i = 0; i < format->count; i++)
		if (format->parts[i].field == field)
			return true;
	return false;
}
