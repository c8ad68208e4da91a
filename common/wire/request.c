/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* request.c: one line of the control protocol, decoded; see request.h. */
#include "common/wire/request.h"

#include <stdio.h>
#include <string.h>

#include "common/base/escape.h"

/* Deepest nesting, by brackets outside strings; stops beyond the limit.  The
 * decoder recurses, so this comes before it. */
static unsigned
request_depth(const char *text, size_t len)
{
	unsigned depth = 0, deepest = 0;
	int quoted = 0;

	for (size_t i = 0; i < len && deepest <= REQUEST_DEPTH_MAX; i++) {
		if (quoted) {
			if (text[i] == '\\')
				i++;
			else if (text[i] == '"')
				quoted = 0;
			continue;
		}
		switch (text[i]) {
		case '"':
			quoted = 1;
			break;
		case '{':
		case '[':
			if (++depth > deepest)
				deepest = depth;
			break;
		case '}':
		case ']':
			if (depth > 0)
				depth--;
			break;
		}
	}
	return deepest;
}

int
request_parse_object(const char *text, size_t len, json_t **out,
    struct errmsg *err)
{
	json_error_t error;
	json_t *root;

	if (request_depth(text, len) > REQUEST_DEPTH_MAX)
		return errmsg_set(err, ERR_BAD_REQUEST,
		    "nested deeper than %d levels", REQUEST_DEPTH_MAX);
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (root == NULL)
		return errmsg_set(err, ERR_BAD_REQUEST, "not JSON: %s",
		    error.text);
	if (!json_is_object(root)) {
		json_decref(root);
		return errmsg_set(err, ERR_BAD_REQUEST, "not a JSON object");
	}
	*out = root;
	return 0;
}

/* "id" as text, for the answers.  0 or ERR_BAD_REQUEST. */
static int
request_take_id(struct request *request, const json_t *id, struct errmsg *err)
{
	size_t len;

	if (id == NULL || json_is_null(id))
		return 0;
	if (json_is_integer(id)) {
		snprintf(request->id, sizeof(request->id),
		    "%" JSON_INTEGER_FORMAT, json_integer_value(id));
		return 0;
	}
	if (!json_is_string(id) || json_string_length(id) > REQUEST_ID_MAX)
		return errmsg_set(err, ERR_BAD_REQUEST,
		    "id: an integer, or a text of at most %d bytes",
		    REQUEST_ID_MAX);
	len = escape_json(request->id + 1, sizeof(request->id) - 3,
	    json_string_value(id), json_string_length(id));
	request->id[0] = request->id[len + 1] = '"';
	request->id[len + 2] = '\0';
	return 0;
}

static int
request_take_members(struct request *request, struct errmsg *err)
{
	json_t *id = NULL, *args = NULL;
	const char *command_id = NULL;
	json_error_t error;
	int api = REQUEST_API;

	/* The id first: it is in the answer, whatever else is wrong. */
	if (request_take_id(request, json_object_get(request->root, "id"),
	    err) != 0)
		return err->code;
	if (json_unpack_ex(request->root, &error, JSON_STRICT,
	    "{s?o, s:s, s?o, s?s, s?i}", "id", &id, "command",
	    &request->command, "args", &args, "command_id", &command_id,
	    "api", &api) != 0)
		return errmsg_set(err, ERR_BAD_REQUEST, "%s", error.text);
	if (args != NULL && !json_is_object(args))
		return errmsg_set(err, ERR_BAD_REQUEST,
		    "args: not a JSON object");
	if (api != REQUEST_API)
		return errmsg_set(err, ERR_BAD_REQUEST,
		    "api: this daemon speaks %d, not %d", REQUEST_API, api);
	request->args = args;
	request->command_id = command_id;
	return 0;
}

int
request_decode(const char *line, size_t len, struct request *request,
    struct errmsg *err)
{
	struct errmsg words;
	int rc;

	memset(request, 0, sizeof(*request));
	memcpy(request->id, "null", sizeof("null"));
	if (err == NULL)
		err = &words;
	if ((rc = request_parse_object(line, len, &request->root, err)) != 0)
		return rc;
	if ((rc = request_take_members(request, err)) != 0)
		request_done(request);
	return rc;
}

void
request_done(struct request *request)
{
	json_decref(request->root);
	request->root = NULL;
	request->args = NULL;
	request->command = request->command_id = NULL;
}
