/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * api.h: what the host offers a plugin, as one table of functions: the ABI.
 * Authors include <clusterd/plugin.h> and call cluster_...(); the inlines
 * below go through the table.  The host exports no symbol.
 *
 * Within a major version the table only grows at its end; a member never
 * changes its type or its meaning, a retired one answers -ENOSYS.  Whether the
 * running host has a function is told by cluster_has(stream_write).
 *
 * All functions: run in the loop's thread, do not block, and are called from
 * callbacks of the plugin only.  Numbers below zero are -errno.  A handle that
 * is no longer alive (answered, timed out, client gone) gives -ESTALE: never a
 * use after free.
 *
 * In another thread a function does nothing and gives -EPERM, or NULL or 0 where
 * it returns no int.  What cluster_reply() and the functions of answer.h were given
 * is released, in that thread; descriptors that were to move stay the caller's.
 * Those of which it is said may be called from any thread.
 */
#ifndef CLUSTERD_API_H
#define CLUSTERD_API_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define CLUSTER_ABI_MAJOR 1
#define CLUSTER_ABI_MINOR 3

struct cluster_request;			/* one request; a tagged handle */
struct cluster_timer;			/* one timer; a tagged handle */
struct cluster_watch;			/* one descriptor; a tagged handle */

struct cluster_fds;			/* these: message.h */
struct cluster_message;
struct cluster_send;
struct cluster_worker_info;		/* these: worker.h */
struct cluster_pool_info;
struct cluster_event;
struct cluster_observer;

struct cluster_file;			/* these: answer.h */
struct cluster_piece;
struct cluster_sse;
struct cluster_body_sink;		/* body.h */

struct cluster_datagram;		/* these: datagram.h */
struct cluster_datagram_peer;
struct cluster_stream;			/* these: stream.h */
struct cluster_stream_ops;

struct cluster_cancel;			/* these: process.h */
struct cluster_child;
struct cluster_child_info;
struct cluster_result;
struct cluster_spawn;

struct cluster_transform;		/* filter.h */
struct cluster_field;			/* these: fields.h */
struct cluster_trace;

/* What a handler says about a request. */
enum cluster_verdict {
	CLUSTER_DONE,			/* answered */
	CLUSTER_PASS,			/* not mine: the next route that matches */
	CLUSTER_LATER,			/* will be answered later, from a callback */
	CLUSTER_FAIL,			/* 500, logged and counted */
};

enum cluster_log_level {
	CLUSTER_ERROR, CLUSTER_WARNING, CLUSTER_NOTICE, CLUSTER_INFO,
	CLUSTER_DEBUG,
};

/* Why a worker can not be of use, now and later; see cluster_fatal(). */
enum cluster_fatal_class {
	CLUSTER_FATAL_ABI = 1, CLUSTER_FATAL_SYMBOL, CLUSTER_FATAL_ELF,
	CLUSTER_FATAL_PERM, CLUSTER_FATAL_CONFIG, CLUSTER_FATAL_BIND,
};

typedef void cluster_timer_fn(void *arg);
typedef void cluster_release_fn(void *data, void *arg);

struct cluster_api {
	uint32_t size;			/* of the host's struct: the rest is absent */
	uint16_t major, minor;

	/* request */
	const char *(*method)(struct cluster_request *req);
	const char *(*path)(struct cluster_request *req);
	const char *(*query)(struct cluster_request *req);
	const char *(*header)(struct cluster_request *req, const char *name);
	int (*header_at)(struct cluster_request *req, unsigned index,
	    const char **name, const char **value);
	const void *(*body)(struct cluster_request *req, size_t *len);
	const char *(*peer)(struct cluster_request *req);
	void *(*alloc)(struct cluster_request *req, size_t size);

	/* response */
	int (*set_header)(struct cluster_request *req, const char *name,
	    const char *value);
	int (*reply)(struct cluster_request *req, int status, const char *type,
	    const void *data, size_t len, int mode, cluster_release_fn *release,
	    void *arg);
	int (*stream_begin)(struct cluster_request *req, int status,
	    const char *type, int64_t length);
	int (*stream_write)(struct cluster_request *req, const void *data,
	    size_t len);
	int (*stream_end)(struct cluster_request *req);
	int (*deadline)(struct cluster_request *req, unsigned ms);

	/* worker */
	void (*vlog)(int level, const char *fmt, va_list args);
	struct cluster_timer *(*timer)(unsigned ms, cluster_timer_fn *fn,
	    void *arg);
	int (*timer_cancel)(struct cluster_timer *timer);
	int (*busy)(unsigned ms);
	int (*disconnect)(const char *reason);
	int (*fatal)(int class_, const char *text);
	const char *(*worker_name)(void);
	uint64_t (*worker_id)(void);
	uint64_t (*generation)(void);
	uint64_t (*now_ns)(void);

	/* messages; since 1.1 */
	int (*send)(const char *to, const void *data, size_t len,
	    const struct cluster_send *how);
	int (*ask)(const char *to, const void *data, size_t len,
	    unsigned timeout_ms, void (*answer)(const struct cluster_message *m,
	    int error, void *arg), void *arg);
	int (*answer)(const struct cluster_message *m, const void *data,
	    size_t len, const struct cluster_fds *fds);
	int (*message_take_fd)(const struct cluster_message *m, unsigned index);
	size_t (*send_room)(void);

	/* since 1.2 */
	const struct cluster_worker_info *(*self)(void);
	int (*workers_each)(const char *which,
	    int (*each)(const struct cluster_worker_info *info, void *arg),
	    void *arg);
	int (*pool_info)(const char *pool, struct cluster_pool_info *out);
	int (*timer_after)(unsigned ms, cluster_timer_fn *fire, void *arg,
	    unsigned flags, struct cluster_timer **out);
	int (*timer_every)(unsigned ms, cluster_timer_fn *fire, void *arg,
	    unsigned flags, struct cluster_timer **out);
	void (*timer_free)(struct cluster_timer *timer);
	int (*watch)(int fd, unsigned flags, void (*ready)(int fd,
	    unsigned flags, void *arg), void *arg, struct cluster_watch **out);
	void (*watch_free)(struct cluster_watch *watch);
	uint64_t (*now_ms)(void);
	/* child processes */
	int (*spawn)(const struct cluster_spawn *how, int *stage,
	    struct cluster_child **out);
	int (*child_write)(struct cluster_child *child, int fd,
	    const void *data, size_t len);
	int (*child_close)(struct cluster_child *child, int fd);
	int (*child_pause)(struct cluster_child *child, int fd, bool paused);
	int (*child_kill)(struct cluster_child *child, int sig, int scope);
	int (*child_ref)(struct cluster_child *child, bool ref);
	int (*child_info)(struct cluster_child *child,
	    struct cluster_child_info *out);
	int (*exec)(const char *line, const struct cluster_spawn *how,
	    void (*done)(const struct cluster_result *result, void *arg),
	    void *arg, struct cluster_child **out);
	int (*exec_file)(const char *file, const char *const *argv,
	    const struct cluster_spawn *how,
	    void (*done)(const struct cluster_result *result, void *arg),
	    void *arg, struct cluster_child **out);
	int (*run)(const struct cluster_spawn *how,
	    struct cluster_result *out);
	void (*result_done)(struct cluster_result *result);
	struct cluster_cancel *(*cancel_new)(void);
	void (*cancel)(struct cluster_cancel *token);
	void (*cancel_free)(struct cluster_cancel *token);
	int (*child_send)(struct cluster_child *child, const void *data,
	    size_t len, const struct cluster_send *how);
	int (*child_disconnect)(struct cluster_child *child);
	/* the worker's life */
	void (*ready)(void);
	int (*hold)(int delta);
	void (*exit)(const char *reason);	/* does not return */
	/* events and control */
	int (*observe)(const char *pattern,
	    void (*event)(const struct cluster_event *event, void *arg),
	    void *arg, struct cluster_observer **out);
	int (*observer_free)(struct cluster_observer *observer);
	int (*command)(const char *command, const char *args_json,
	    void (*row)(const char *json, void *arg),
	    void (*done)(int error, const char *json, void *arg), void *arg);
	int (*scale)(const char *pool, const char *workers,
	    void (*done)(int error, const char *json, void *arg), void *arg);
	/* tasks */
	int (*fork_task)(const char *name, const struct cluster_spawn *how,
	    struct cluster_child **out);

	/* since 1.3 */
	/* what a request says: fields.h */
	int (*percent_decode)(char *out, size_t size, const char *in,
	    size_t len, unsigned flags);
	const char *(*path_decoded)(struct cluster_request *req);
	const char *(*header_next)(struct cluster_request *req,
	    const char *name, unsigned *index);
	const char *(*query_get)(struct cluster_request *req,
	    const char *name);
	int (*query_each)(struct cluster_request *req,
	    int (*each)(const char *name, const char *value, void *arg),
	    void *arg);
	const char *(*cookie)(struct cluster_request *req, const char *name);
	int (*cookie_each)(struct cluster_request *req,
	    int (*each)(const char *name, const char *value, void *arg),
	    void *arg);
	const char *(*peer_direct)(struct cluster_request *req);
	const char *(*scheme)(struct cluster_request *req);
	const char *(*authority)(struct cluster_request *req);
	const char *(*request_id)(struct cluster_request *req);
	int (*trace)(struct cluster_request *req, struct cluster_trace *out);
	const char *(*traceparent)(struct cluster_request *req);
	const char *(*form_get)(struct cluster_request *req, const char *name);
	int (*form_field)(struct cluster_request *req, const char *name,
	    struct cluster_field *out);
	int (*form_each)(struct cluster_request *req,
	    int (*each)(const struct cluster_field *field, void *arg),
	    void *arg);

	/* its body: body.h */
	int (*body_stream)(struct cluster_request *req,
	    const struct cluster_body_sink *sink, void *arg);
	int (*body_pause)(struct cluster_request *req);
	int (*body_resume)(struct cluster_request *req);
	int (*body_limit)(struct cluster_request *req, uint64_t bytes);
	int (*body_fd)(struct cluster_request *req);

	/* its answer: answer.h */
	int (*reply_pieces)(struct cluster_request *req, int status,
	    const char *type, const struct cluster_piece *pieces,
	    unsigned count);
	int (*reply_file)(struct cluster_request *req, int status,
	    const char *type, const struct cluster_file *file);
	int (*stream_write_pieces)(struct cluster_request *req,
	    const struct cluster_piece *pieces, unsigned count);
	int (*stream_write_file)(struct cluster_request *req,
	    const struct cluster_file *file);
	int (*on_drained)(struct cluster_request *req,
	    void (*drained)(int error, void *arg), void *arg);
	int (*on_gone)(struct cluster_request *req,
	    void (*gone)(struct cluster_request *req, int why, void *arg),
	    void *arg);
	int (*sse_send)(struct cluster_request *req,
	    const struct cluster_sse *event);

	/* filters: filter.h */
	int (*response_status)(struct cluster_request *req);
	const char *(*response_type)(struct cluster_request *req);
	int64_t (*response_length)(struct cluster_request *req);
	const char *(*response_header)(struct cluster_request *req,
	    const char *name);
	int (*response_set_header)(struct cluster_request *req,
	    const char *name, const char *value);
	int (*response_remove_header)(struct cluster_request *req,
	    const char *name);
	int (*response_set_status)(struct cluster_request *req, int status);
	int (*response_transform)(struct cluster_request *req,
	    const struct cluster_transform *ops, void *arg);
	int (*filter_write)(struct cluster_request *req, const void *data,
	    size_t len);

	/* connections that are not HTTP: stream.h */
	int (*stream_on)(struct cluster_stream *stream,
	    const struct cluster_stream_ops *ops, void *arg);
	int (*stream_send)(struct cluster_stream *stream, const void *data,
	    size_t len);
	int (*stream_finish)(struct cluster_stream *stream);
	int (*stream_close)(struct cluster_stream *stream);
	int (*stream_abort)(struct cluster_stream *stream);
	int (*stream_pause)(struct cluster_stream *stream, bool paused);
	int (*stream_deadline)(struct cluster_stream *stream, unsigned ms);
	const char *(*stream_peer)(struct cluster_stream *stream);
	const char *(*stream_local)(struct cluster_stream *stream);
	int (*stream_give)(struct cluster_stream *stream, const char *to,
	    const void *note, size_t len);
	const void *(*stream_note)(size_t *len);
	/* datagram.h */
	int (*datagram_send)(const struct cluster_datagram_peer *to,
	    const void *data, size_t len);
	int (*datagram_reply)(struct cluster_datagram *datagram,
	    const void *data, size_t len);

};

/* How reply() takes its data. */
enum cluster_take {
	CLUSTER_COPY,			/* borrowed for the call */
	CLUSTER_GIVE,			/* the host's now: release() ends it */
	CLUSTER_STATIC,			/* borrowed for ever */
};

/* Set by the host before any callback; seen by the plugin's own files alone. */
extern const struct cluster_api *cluster_host
    __attribute__((visibility("hidden")));

/* True if the running host has the function: cluster_has(busy).  There is no host
 * yet in a constructor of the plugin: it has none of them there. */
#define cluster_has(member)						\
	(cluster_host != NULL && cluster_host->size >=			\
	    offsetof(struct cluster_api, member) + sizeof(cluster_host->member))

/* ---- request: texts are borrowed until the request is answered; NULL for a
 * handle that is no longer alive --------------------------------------------- */

/* "GET", "POST" ... */
static inline const char *
cluster_method(struct cluster_request *req)
{
	return cluster_has(method) ? cluster_host->method(req) : NULL;
}

/* The path as it was sent, without its query: "/a%20b". */
static inline const char *
cluster_path(struct cluster_request *req)
{
	return cluster_has(path) ? cluster_host->path(req) : NULL;
}

/* What follows the '?', "" if there is none. */
static inline const char *
cluster_query(struct cluster_request *req)
{
	return cluster_has(query) ? cluster_host->query(req) : NULL;
}

/* The first header of that name, without regard to case; NULL: there is none. */
static inline const char *
cluster_header(struct cluster_request *req, const char *name)
{
	return cluster_has(header) ? cluster_host->header(req, name) : NULL;
}

/* Header number index, in the order sent.  0, or -ENOENT after the last. */
static inline int
cluster_header_at(struct cluster_request *req, unsigned index,
    const char **name, const char **value)
{
	return cluster_has(header_at) ?
	    cluster_host->header_at(req, index, name, value) : -ENOSYS;
}

/* The whole body; *len (if not NULL) is 0 if there is none.  Not terminated.  NULL:
 * it is not there yet, is streamed, or its file cannot be mapped (body.h). */
static inline const void *
cluster_body(struct cluster_request *req, size_t *len)
{
	if (len != NULL)
		*len = 0;
	return cluster_has(body) ? cluster_host->body(req, len) : NULL;
}

/* Address of the client: "127.0.0.1:40312", "[::1]:40312", "unix"; behind a
 * trusted proxy (fields.h) also without a port, "192.0.2.1", or "unknown". */
static inline const char *
cluster_peer(struct cluster_request *req)
{
	return cluster_has(peer) ? cluster_host->peer(req) : NULL;
}

/* Memory that lives as long as the request, aligned for anything; NULL if the
 * handle is stale or the request has 1 MiB already. */
static inline void *
cluster_alloc(struct cluster_request *req, size_t size)
{
	return cluster_has(alloc) ? cluster_host->alloc(req, size) : NULL;
}

/* ---- response --------------------------------------------------------------- */

/* Add a header to the answer; both texts are copied.  -EINVAL: not a header
 * (CR, LF, NUL, a byte that no name has), or one that the host writes itself
 * (Content-Length, Transfer-Encoding, Connection, Date); -EALREADY: the head
 * is out; -ENOSPC: more than 64 KiB of them. */
static inline int
cluster_set_header(struct cluster_request *req, const char *name,
    const char *value)
{
	return cluster_has(set_header) ?
	    cluster_host->set_header(req, name, value) : -ENOSYS;
}

/* Answer with a whole body.  status 200..599, type: its Content-Type (NULL:
 * none).  -EALREADY: answered or streaming already; -EINVAL: another status, a
 * type that is no value of a header, no data where len is not 0; -ENOMEM: the
 * client has got a 503 in its place (or, behind answers that wait, the end of its
 * connection), and the request is over. */
static inline int
cluster_reply_copy(struct cluster_request *req, int status, const char *type,
    const void *data, size_t len)
{
	return cluster_has(reply) ? cluster_host->reply(req, status, type,
	    data, len, CLUSTER_COPY, NULL, NULL) : -ENOSYS;
}

/* As reply_copy; the data stays valid and unchanged for ever: large data is not
 * copied. */
static inline int
cluster_reply_static(struct cluster_request *req, int status,
    const char *type, const void *data, size_t len)
{
	return cluster_has(reply) ? cluster_host->reply(req, status, type,
	    data, len, CLUSTER_STATIC, NULL, NULL) : -ENOSYS;
}

/* As reply_copy; release(data, arg) is called once, also on failure: large data is
 * not copied, and released when it has been sent (see answer.h).  -EINVAL: no
 * release. */
static inline int
cluster_reply_give(struct cluster_request *req, int status, const char *type,
    void *data, size_t len, cluster_release_fn *release, void *arg)
{
	if (cluster_has(reply))
		return cluster_host->reply(req, status, type, data, len,
		    CLUSTER_GIVE, release, arg);
	if (release != NULL)
		release(data, arg);
	return -ENOSYS;
}

/* Answer with a text; made to be returned by a handler.  CLUSTER_FAIL if the
 * request was answered already, or text is NULL. */
static inline enum cluster_verdict
cluster_reply_text(struct cluster_request *req, int status, const char *text)
{
	return cluster_reply_copy(req, status, "text/plain; charset=utf-8",
	    text, text != NULL ? strlen(text) : 1) == 0 ? CLUSTER_DONE :
	    CLUSTER_FAIL;
}

/* Begin an answer in pieces.  length: of the body, or -1: unknown.  -EINVAL: less
 * than that; else as reply_copy. */
static inline int
cluster_stream_begin(struct cluster_request *req, int status,
    const char *type, int64_t length)
{
	return cluster_has(stream_begin) ?
	    cluster_host->stream_begin(req, status, type, length) : -ENOSYS;
}

/* One piece, copied.  -EAGAIN: 1 MiB waits for the client, nothing was taken,
 * on_room() says when to go on; -ERANGE: more than the length announced;
 * -EALREADY: the answer is complete. */
static inline int
cluster_stream_write(struct cluster_request *req, const void *data, size_t len)
{
	return cluster_has(stream_write) ?
	    cluster_host->stream_write(req, data, len) : -ENOSYS;
}

/* The answer is complete.  -ERANGE: fewer bytes than announced; the connection
 * is aborted, so that the client does not take it for the whole. */
static inline int
cluster_stream_end(struct cluster_request *req)
{
	return cluster_has(stream_end) ?
	    cluster_host->stream_end(req) : -ENOSYS;
}

/* Move the end of this request, by default request_timeout after its handler got it,
 * to ms from now; 0: no end.  Other than the default it holds while the body is read,
 * too, beside body_timeout (body.h).  While a part of the answer waits for the client
 * send_timeout counts in its place, and it begins anew behind that. */
static inline int
cluster_deadline(struct cluster_request *req, unsigned ms)
{
	return cluster_has(deadline) ?
	    cluster_host->deadline(req, ms) : -ENOSYS;
}

/* ---- worker ----------------------------------------------------------------- */

/* A line of log, stamped by the host with worker and plugin; none where fmt is
 * NULL.  From any thread; where several plugins are made of one module, a thread's
 * lines bear the name of the first. */
static inline void __attribute__((format(printf, 2, 3)))
cluster_log(enum cluster_log_level level, const char *fmt, ...)
{
	va_list args;

	if (!cluster_has(vlog))
		return;
	va_start(args, fmt);
	cluster_host->vlog((int)level, fmt, args);
	va_end(args);
}

/* Call fn(arg) once in ms.  NULL: no memory, no function, or in a task. */
static inline struct cluster_timer *
cluster_timer(unsigned ms, cluster_timer_fn *fn, void *arg)
{
	return cluster_has(timer) ? cluster_host->timer(ms, fn, arg) : NULL;
}

/* -ESTALE: it has run or was cancelled. */
static inline int
cluster_timer_cancel(struct cluster_timer *timer)
{
	return cluster_has(timer_cancel) ?
	    cluster_host->timer_cancel(timer) : -ENOSYS;
}

/* This callback will hold the loop for up to ms: moves the hang limit, for this
 * callback only.  -ERANGE over 10 x handler_timeout. */
static inline int
cluster_busy(unsigned ms)
{
	return cluster_has(busy) ? cluster_host->busy(ms) : -ENOSYS;
}

/* Replace this worker: a successor first, then this one is drained.  -EALREADY:
 * that was asked for, or it ends already; -EAGAIN: it is not ready yet; -EPERM: in a
 * task. */
static inline int
cluster_disconnect(const char *reason)
{
	return cluster_has(disconnect) ?
	    cluster_host->disconnect(reason) : -ENOSYS;
}

/* In start(): this worker can not be of use until the operator acts.  start()
 * then returns non-zero, or after CLUSTER_LATER cluster_exit() is called.  Without
 * it a start that fails is tried again.  -EINVAL: no such class, or the worker has
 * started. */
static inline int
cluster_fatal(enum cluster_fatal_class class_, const char *text)
{
	return cluster_has(fatal) ?
	    cluster_host->fatal((int)class_, text) : -ENOSYS;
}

/* "web/0"; an id that is used once; the generation of the configuration.  From any
 * thread. */
static inline const char *
cluster_worker_name(void)
{
	return cluster_has(worker_name) ? cluster_host->worker_name() : "";
}

static inline uint64_t
cluster_worker_id(void)
{
	return cluster_has(worker_id) ? cluster_host->worker_id() : 0;
}

static inline uint64_t
cluster_generation(void)
{
	return cluster_has(generation) ? cluster_host->generation() : 0;
}

/* Monotonic clock.  From any thread. */
static inline uint64_t
cluster_now_ns(void)
{
	return cluster_has(now_ns) ? cluster_host->now_ns() : 0;
}

#endif
