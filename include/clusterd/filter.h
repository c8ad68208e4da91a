/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * filter.h: a plugin that sees requests before the plugin that handles them, and
 * its answers after it: the callbacks on_request and on_response of plugin.h.  A
 * pool names it with `filter = PATTERN PLUGIN'; all that match apply, requests
 * in the order of the file, answers in the reverse.
 *
 * All functions below but cluster_filter_write() are for on_response(), about the
 * answer whose head is about to be made: -EINVAL (or NULL) elsewhere, -ESTALE for
 * a request that is over.  Texts are borrowed until the request is answered.  All
 * run in the loop's thread of a worker and do not block.  Since 1.3.
 */
#ifndef CLUSTERD_FILTER_H
#define CLUSTERD_FILTER_H

#include <clusterd/api.h>

/*
 * What becomes of a body on its way.  Each function may be NULL; piece NULL: as
 * it is.  They write what shall go on with cluster_filter_write().  0; any other
 * value ends the connection, so that the client takes no part for the whole.
 */
struct cluster_transform {
	size_t size;			/* of this struct, as compiled */
	/* Bytes of the body, at least one; borrowed for the call. */
	int (*piece)(struct cluster_request *req, const void *data, size_t len,
	    void *arg);
	/* The answer pauses: what is held back may be wanted now. */
	int (*flush)(struct cluster_request *req, void *arg);
	/* The body is complete. */
	int (*end)(struct cluster_request *req, void *arg);
	/* Once, at the end of the request, also where no body came (HEAD, a client
	 * that left, a connection that was cut): arg may go. */
	void (*free)(void *arg);
};

/* 200..599. */
static inline int
cluster_response_status(struct cluster_request *req)
{
	return cluster_has(response_status) ?
	    cluster_host->response_status(req) : -ENOSYS;
}

/* Its Content-Type; NULL: none. */
static inline const char *
cluster_response_type(struct cluster_request *req)
{
	return cluster_has(response_type) ?
	    cluster_host->response_type(req) : NULL;
}

/* Bytes of its body, as the handler announced them, also for HEAD; -1: not
 * known; other numbers below 0 are errors. */
static inline int64_t
cluster_response_length(struct cluster_request *req)
{
	return cluster_has(response_length) ?
	    cluster_host->response_length(req) : -ENOSYS;
}

/* The first header of that name, as the handler and earlier filters set it;
 * NULL: none, or one that the host writes itself. */
static inline const char *
cluster_response_header(struct cluster_request *req, const char *name)
{
	return cluster_has(response_header) ?
	    cluster_host->response_header(req, name) : NULL;
}

/* Have this header once, with this value: others of its name go.  cluster_set_header()
 * adds one.  -EINVAL and -ENOSPC as there. */
static inline int
cluster_response_set_header(struct cluster_request *req, const char *name,
    const char *value)
{
	return cluster_has(response_set_header) ?
	    cluster_host->response_set_header(req, name, value) : -ENOSYS;
}

/* 0, or -ENOENT: there was none. */
static inline int
cluster_response_remove_header(struct cluster_request *req, const char *name)
{
	return cluster_has(response_remove_header) ?
	    cluster_host->response_remove_header(req, name) : -ENOSYS;
}

/* 200..599, else -EINVAL.  With 204 and 304 the body is left out. */
static inline int
cluster_response_set_status(struct cluster_request *req, int status)
{
	return cluster_has(response_set_status) ?
	    cluster_host->response_set_status(req, status) : -ENOSYS;
}

/*
 * Put a transform in the way of the body: its length is not known from here on.
 * ops is borrowed for ever; free(arg) is called once, if this returned 0.  For HEAD
 * it is taken, and sees nothing.  -ENODATA: the status has no body; -EALREADY: this
 * filter has one in this answer; -EINVAL: ops->size; -ENOMEM.
 */
static inline int
cluster_response_transform(struct cluster_request *req,
    const struct cluster_transform *ops, void *arg)
{
	return cluster_has(response_transform) ?
	    cluster_host->response_transform(req, ops, arg) : -ENOSYS;
}

/*
 * From piece, flush or end: bytes that go on, to the next filter and at last to the
 * client; copied.  -EINVAL: not from there; -ENOMEM, -EIO (a filter behind it failed,
 * or the connection has ended): return them.
 */
static inline int
cluster_filter_write(struct cluster_request *req, const void *data, size_t len)
{
	return cluster_has(filter_write) ?
	    cluster_host->filter_write(req, data, len) : -ENOSYS;
}

#endif
