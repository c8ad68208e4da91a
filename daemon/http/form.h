/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * form.h: the fields of a form that a request has as its body, urlencoded or
 * multipart.  Made at the first question, once; what was uploaded is not copied.
 */
#ifndef DAEMON_HTTP_FORM_H
#define DAEMON_HTTP_FORM_H

#include "daemon/http/conn.h"

enum { FORM_NOT = 1 << 20 };		/* a count: nobody has asked yet */

struct form_field {
	const char *name;		/* texts are terminated */
	const char *filename, *type;	/* NULL: not said */
	const char *data;		/* not terminated */
	size_t len;
	const char *text;		/* data as text; NULL: not asked, or none */
};

struct form {
	struct form_field *fields;
	int count;			/* or -errno */
};

/*
 * How many fields; or -EMEDIUMTYPE: the body is no form; -EBADMSG: it is none of
 * the kind it says; -EILSEQ: names or urlencoded values that are no text
 * (percent.h); -E2BIG: more than PAIRS_MAX fields, or the head of a part that is
 * too long; -ENODATA: the body is not there as a whole; -ENOMEM.
 */
int form_fields(struct conn *conn, struct form_field **fields);

/* The first of that name; NULL: there is none. */
struct form_field *form_find(struct form_field *fields, int count,
    const char *name);

/* Its data terminated; NULL: no UTF-8, or with a byte 0, or no memory. */
const char *form_text(struct conn *conn, struct form_field *field);

#endif
