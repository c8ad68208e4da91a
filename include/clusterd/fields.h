/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * fields.h: what a request says: query, cookies, forms, percent-encoding,
 * client, ids.
 *
 * Nothing is read before it is asked for, and then once.  Texts are borrowed
 * until the request is answered, are UTF-8 and have no byte 0: what is not so
 * is refused as a whole, never cut or guessed.  All functions run in the loop's
 * thread and do not block.  -ESTALE: the request is answered; -ENOSYS: the host
 * is older.  Since 1.3.
 */
#ifndef CLUSTERD_FIELDS_H
#define CLUSTERD_FIELDS_H

#include <clusterd/api.h>

enum { CLUSTER_PAIRS_MAX = 1000 };	/* in a query, form, or all cookies */

/* ---- percent-encoding -------------------------------------------------------- */

enum cluster_decode_flag {
	CLUSTER_DECODE_PLUS = 1,	/* '+' is a space, as in forms */
	CLUSTER_DECODE_NUL = 2,		/* "%00" is allowed */
	CLUSTER_DECODE_BYTES = 4,	/* so is what is no UTF-8 */
	CLUSTER_DECODE_NO_SLASH = 8,	/* "%2F" is refused */
};

/*
 * Decode len bytes of in to out, of size bytes, and terminate them; out may be
 * in.  Returns the length without the NUL.  -EILSEQ: a '%' without two
 * hexadecimal digits, or what the flags do not allow; -ENOSPC: size is too
 * small, len + 1 never is; -EINVAL: unknown flags.  From any thread.
 */
static inline int
cluster_percent_decode(char *out, size_t size, const char *in, size_t len,
    unsigned flags)
{
	return cluster_has(percent_decode) ?
	    cluster_host->percent_decode(out, size, in, len, flags) : -ENOSYS;
}

/*
 * The path without its escapes: "/a b" for "/a%20b".  NULL: it has "%00" or is
 * no UTF-8, or has "%2F", which would look like a slash that divides: take such
 * a path apart first.  Dot segments stay as they are.
 */
static inline const char *
cluster_path_decoded(struct cluster_request *req)
{
	return cluster_has(path_decoded) ?
	    cluster_host->path_decoded(req) : NULL;
}

/* ---- headers ------------------------------------------------------------------ */

/*
 * The next header of that name, from header *index on (begin with 0), which
 * becomes the index behind it; NULL: no more.  For headers that may be there
 * more than once.
 */
static inline const char *
cluster_header_next(struct cluster_request *req, const char *name,
    unsigned *index)
{
	return cluster_has(header_next) ?
	    cluster_host->header_next(req, name, index) : NULL;
}

/* ---- query and cookies -------------------------------------------------------- */

/* A pair; a result that is not 0 ends the list and is returned. */
typedef int cluster_pair_fn(const char *name, const char *value, void *arg);

/*
 * The value of the first "name=value" of the query, decoded ('+' is a space);
 * "" where there is a name alone.  NULL: there is none, or the query is not
 * valid; cluster_query_each(req, NULL, NULL) tells which.
 */
static inline const char *
cluster_query_get(struct cluster_request *req, const char *name)
{
	return cluster_has(query_get) ?
	    cluster_host->query_get(req, name) : NULL;
}

/*
 * All pairs in the order sent; each may be NULL.  0; -EILSEQ: "%00" or what is
 * no UTF-8; -E2BIG: more than CLUSTER_PAIRS_MAX; -ENOMEM.  None is told then.
 */
static inline int
cluster_query_each(struct cluster_request *req, cluster_pair_fn *each,
    void *arg)
{
	return cluster_has(query_each) ?
	    cluster_host->query_each(req, each, arg) : -ENOSYS;
}

/*
 * The first cookie of that name (names are compared as they are), as it was
 * sent but without quotes around it: nothing is decoded.  What is no cookie is
 * passed over.  NULL: there is none.
 */
static inline const char *
cluster_cookie(struct cluster_request *req, const char *name)
{
	return cluster_has(cookie) ? cluster_host->cookie(req, name) : NULL;
}

/* All cookies, as cluster_query_each(); never -EILSEQ. */
static inline int
cluster_cookie_each(struct cluster_request *req, cluster_pair_fn *each,
    void *arg)
{
	return cluster_has(cookie_each) ?
	    cluster_host->cookie_each(req, each, arg) : -ENOSYS;
}

/* ---- forms ---------------------------------------------------------------------
 *
 * The whole body as application/x-www-form-urlencoded or multipart/form-data (RFC
 * 7578), as its Content-Type says.  Where it is not valid there are no fields, and
 * cluster_form_each(req, NULL, NULL) tells why.
 */

/* The value of the first field of that name as text; NULL: there is none, it is
 * no text (no UTF-8, or with a byte 0), or the form is not valid. */
static inline const char *
cluster_form_get(struct cluster_request *req, const char *name)
{
	return cluster_has(form_get) ? cluster_host->form_get(req, name) :
	    NULL;
}

/* Begin with .size = sizeof(struct cluster_field). */
struct cluster_field {
	size_t size;
	const char *name;
	const char *filename;		/* NULL: no file.  As the client calls
					 * it: any text, never a path to open */
	const char *type;		/* Content-Type that it says; NULL: none */
	const void *data;		/* any bytes, not terminated */
	size_t len;
};

/* A field, borrowed for the call; a result that is not 0 ends the list and is
 * returned. */
typedef int cluster_field_fn(const struct cluster_field *field, void *arg);

/*
 * The first field of that name.  -ENOENT: there is none; -EINVAL: out is too
 * small; else as cluster_form_each().  Data of a file is not copied.
 */
static inline int
cluster_form_field(struct cluster_request *req, const char *name,
    struct cluster_field *out)
{
	return cluster_has(form_field) ?
	    cluster_host->form_field(req, name, out) : -ENOSYS;
}

/*
 * All fields in the order sent; each may be NULL.  0; -EMEDIUMTYPE: no form, by
 * its Content-Type (415); -EBADMSG: not what it says, or cut short (400);
 * -EILSEQ: a name, or an urlencoded value, with a broken escape, a byte 0, or
 * that is no UTF-8 (400); -E2BIG: more than CLUSTER_PAIRS_MAX fields, or more
 * than 4096 bytes in front of the data of one (413); -ENODATA: the body is not
 * there as a whole; -ENOMEM.
 */
static inline int
cluster_form_each(struct cluster_request *req, cluster_field_fn *each,
    void *arg)
{
	return cluster_has(form_each) ?
	    cluster_host->form_each(req, each, arg) : -ENOSYS;
}

/* ---- the client ---------------------------------------------------------------
 *
 * Peers in the pool's `trusted_proxies' are believed what they say in Forwarded
 * (RFC 7239), X-Forwarded-For, -Proto and -Host: cluster_peer() is the right-most
 * address there that is none of theirs, "unknown" where they hide it, say no
 * address, or say two that differ.  From anybody else these headers are nothing
 * but headers.  With `proxy_protocol' the peer is who the proxy says it is,
 * "unknown" where it does not know.
 */

/* The other end of the connection, as the kernel has it, be it a proxy. */
static inline const char *
cluster_peer_direct(struct cluster_request *req)
{
	return cluster_has(peer_direct) ? cluster_host->peer_direct(req) :
	    NULL;
}

/* "https" if a trusted proxy says that the client came by it, else "http". */
static inline const char *
cluster_scheme(struct cluster_request *req)
{
	return cluster_has(scheme) ? cluster_host->scheme(req) : NULL;
}

static inline bool
cluster_is_secure(struct cluster_request *req)
{
	const char *scheme = cluster_scheme(req);

	return scheme != NULL && strcmp(scheme, "https") == 0;
}

/* The host that the client asked, with its port: as a trusted proxy says, else
 * as in the header Host.  NULL: there is none.  Routes go by Host alone. */
static inline const char *
cluster_authority(struct cluster_request *req)
{
	return cluster_has(authority) ? cluster_host->authority(req) : NULL;
}

/* ---- ids ------------------------------------------------------------------------ */

/*
 * What to call this request in logs: $request_id of the access log.  The header
 * X-Request-Id of a trusted proxy, if it is a token of at most 128 bytes; else
 * 32 digits (0-9, a-f) that no other request has, of any worker, now or later.
 * No secret: who knows one may guess others.
 */
static inline const char *
cluster_request_id(struct cluster_request *req)
{
	return cluster_has(request_id) ? cluster_host->request_id(req) : NULL;
}

enum { CLUSTER_TRACE_SAMPLED = 1 };	/* who asks records this trace */

/* Begin with .size = sizeof(struct cluster_trace). */
struct cluster_trace {
	size_t size;
	const char *trace_id;		/* 32 digits */
	const char *parent_id;		/* 16: the span of who asks; "": the
					 * trace begins here */
	const char *span_id;		/* 16, ours: this request */
	unsigned flags;			/* CLUSTER_TRACE_SAMPLED */
};

/*
 * Which trace this request belongs to, by its header traceparent (W3C Trace
 * Context, level 1); one that is missing, not valid, or there twice begins a new
 * one, without a flag.  -EINVAL: out is NULL or too small; -ENOMEM.
 */
static inline int
cluster_trace(struct cluster_request *req, struct cluster_trace *out)
{
	return cluster_has(trace) ? cluster_host->trace(req, out) : -ENOSYS;
}

/* The header traceparent for who is asked next: our span is its parent.  The
 * header tracestate goes with it as it came, where parent_id is not "". */
static inline const char *
cluster_traceparent(struct cluster_request *req)
{
	return cluster_has(traceparent) ? cluster_host->traceparent(req) :
	    NULL;
}

#endif
