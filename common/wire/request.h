/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * request.h: one line of the control protocol, decoded.  Total: any bytes give
 * a request or a typed error.  Pure.
 */
#ifndef CLUSTERD_WIRE_REQUEST_H
#define CLUSTERD_WIRE_REQUEST_H

#include <jansson.h>
#include <stddef.h>

#include "common/base/errmsg.h"

enum {
	REQUEST_API = 1,	/* version of the protocol, "api" */
	REQUEST_DEPTH_MAX = 16,	/* of nested objects and arrays */
	REQUEST_ID_MAX = 64,	/* bytes of "id" when it is a string */
};

struct request {
	json_t *root;		/* owns all below */
	char id[6 * REQUEST_ID_MAX + 3];	/* "id" as JSON text; "null" */
	const char *command;
	json_t *args;		/* an object, or NULL */
	const char *command_id;	/* or NULL */
};

/*
 * Decode one line.  0, or ERR_BAD_REQUEST with the words; request->id is valid
 * in both cases ("null" if there is none to be had), so that the error can be
 * answered.  After 0, request_done() frees it.
 */
int request_decode(const char *line, size_t len, struct request *request,
    struct errmsg *err);
void request_done(struct request *request);

/*
 * Decode one JSON object of at most REQUEST_DEPTH_MAX levels, without
 * duplicate members.  0 and *out (the caller's reference), or ERR_BAD_REQUEST.
 */
int request_parse_object(const char *text, size_t len, json_t **out,
    struct errmsg *err);

#endif
