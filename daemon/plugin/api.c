/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * api.c: what a plugin may call.  Handles are looked up, never followed; what
 * is refused is counted as misuse and changes nothing.
 */
#include "daemon/plugin/api.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/forked.h"
#include "common/base/log.h"
#include "daemon/child/run.h"
#include "daemon/http/deadline.h"
#include "daemon/http/request.h"
#include "daemon/http/response.h"
#include "daemon/plugin/child_messages.h"
#include "daemon/plugin/child_task.h"
#include "daemon/plugin/children.h"
#include "daemon/plugin/host.h"

/* Set once, before any plugin is opened. */
static struct host *serving;

void
api_set_host(struct host *host)
{
	serving = host;
}

/* Every call goes through this: the child of a fork() gets none of them. */
static struct host *
here(void)
{
	if (forked_is_copy())
		serving->ops->copied();
	return serving;
}

/* The plugin whose callback runs. */
static const char *
caller(void)
{
	const struct host *host = here();

	return host->current < host->plugin_count ?
	    host->plugins[host->current].instance : "";
}

static struct conn *
find(struct cluster_request *req)
{
	return request_by_handle(&here()->http, (uint64_t)(uintptr_t)req);
}

/* Count what is refused; -EAGAIN is no misuse. */
static int
answered(int rc)
{
	if (rc < 0 && rc != -EAGAIN)
		board_add(here()->board, METRIC_MISUSED, 1);
	return rc;
}

/* ---- request ---------------------------------------------------------------------- */

static const char *
api_method(struct cluster_request *req)
{
	struct conn *conn = find(req);

	return conn == NULL ? NULL : request_method(conn);
}

static const char *
api_path(struct cluster_request *req)
{
	struct conn *conn = find(req);

	return conn == NULL ? NULL : request_path(conn);
}

static const char *
api_query(struct cluster_request *req)
{
	struct conn *conn = find(req);

	return conn == NULL ? NULL : request_query(conn);
}

static const char *
api_header(struct cluster_request *req, const char *name)
{
	struct conn *conn = find(req);

	return conn == NULL ? NULL : request_header(conn, name);
}

static int
api_header_at(struct cluster_request *req, unsigned index, const char **name,
    const char **value)
{
	struct conn *conn = find(req);

	if (conn == NULL)
		return answered(-ESTALE);
	return request_header_at(conn, index, name, value);
}

static const void *
api_body(struct cluster_request *req, size_t *len)
{
	struct conn *conn = find(req);

	*len = 0;
	return conn == NULL ? NULL : request_body(conn, len);
}

static const char *
api_peer(struct cluster_request *req)
{
	struct conn *conn = find(req);
	char address[INET6_ADDRSTRLEN];
	char *text;

	if (conn == NULL)
		return NULL;
	if (conn->family != AF_INET && conn->family != AF_INET6)
		return "unix";
	text = exchange_alloc(conn->exchange, sizeof(address) + 10);
	if (text == NULL)
		return NULL;
	inet_ntop(conn->family, conn->address, address, sizeof(address));
	snprintf(text, sizeof(address) + 10,
	    conn->family == AF_INET ? "%s:%u" : "[%s]:%u", address,
	    conn->port);
	return text;
}

static void *
api_alloc(struct cluster_request *req, size_t size)
{
	struct conn *conn = find(req);

	return conn == NULL ? NULL : exchange_alloc(conn->exchange, size);
}

/* ---- response --------------------------------------------------------------------- */

static int
api_set_header(struct cluster_request *req, const char *name, const char *value)
{
	struct conn *conn = find(req);

	if (name == NULL || value == NULL)
		return answered(-EINVAL);
	return answered(conn == NULL ? -ESTALE :
	    response_set_header(conn, name, value));
}

static int
api_reply(struct cluster_request *req, int status, const char *type,
    const void *data, size_t len, int mode, cluster_release_fn *release,
    void *arg)
{
	struct conn *conn = find(req);
	int rc;

	rc = answered(conn == NULL ? -ESTALE :
	    response_reply(conn, status, type, data, len));
	if (mode == CLUSTER_GIVE && release != NULL)
		release((void *)(uintptr_t)data, arg);
	return rc;
}

static int
api_stream_begin(struct cluster_request *req, int status, const char *type,
    int64_t length)
{
	struct conn *conn = find(req);

	return answered(conn == NULL ? -ESTALE :
	    response_begin(conn, status, type, length));
}

static int
api_stream_write(struct cluster_request *req, const void *data, size_t len)
{
	struct conn *conn = find(req);

	return answered(conn == NULL ? -ESTALE :
	    response_write(conn, data, len));
}

static int
api_stream_end(struct cluster_request *req)
{
	struct conn *conn = find(req);

	return answered(conn == NULL ? -ESTALE : response_end(conn));
}

static int
api_deadline(struct cluster_request *req, unsigned ms)
{
	struct conn *conn = find(req);

	if (conn == NULL || conn->state != CONN_HANDLE)
		return answered(-ESTALE);
	conn->own_ms = (int64_t)ms;
	if (!conn->in_handler && conn->deadline == DEADLINE_REQUEST)
		deadline_arm_request(conn);
	return 0;
}

/* ---- worker ------------------------------------------------------------------------ */

static void
api_vlog(int level, const char *fmt, va_list args)
{
	char text[4096];

	if (level < LL_ERROR || level > LL_DEBUG)
		level = LL_NOTICE;
	vsnprintf(text, sizeof(text), fmt, args);
	here()->ops->log(level, caller(), text);
}

static struct cluster_timer *
api_timer(unsigned ms, cluster_timer_fn *fn, void *arg)
{
	struct host *host = here();
	struct timer_plan plan = { .plugin = host->current, .ms = ms,
	    .fn = fn, .arg = arg };
	uint64_t handle;

	if (fn == NULL || timers_add(&host->timers, &plan, &handle) != 0)
		return NULL;
	return (struct cluster_timer *)(uintptr_t)handle;
}

static int
api_timer_cancel(struct cluster_timer *timer)
{
	return timers_cancel(&here()->timers, (uint64_t)(uintptr_t)timer);
}

static int
api_busy(unsigned ms)
{
	struct host *host = here();

	if (!host->in_callback)
		return answered(-EINVAL);
	if ((int64_t)ms > 10 * host->handler_ms)
		return answered(-ERANGE);
	WORD_SET(host->board->page->beat.busy_until_ns,
	    clock_now_ns() + ms * NS_PER_MS);
	return 0;
}

static int
api_disconnect(const char *reason)
{
	struct host *host = here();

	if (host->self.info.state == CLUSTER_STATE_STARTING)
		return answered(-EAGAIN);
	if (host->replaced || host->self.info.state != CLUSTER_STATE_READY)
		return answered(-EALREADY);
	host->replaced = true;
	host->ops->disconnect(caller(), reason == NULL ? "" : reason);
	return 0;
}

static int
api_fatal(int class, const char *text)
{
	struct host *host = here();

	if (class <= FATAL_NONE || class > FATAL__LAST)
		return answered(-EINVAL);
	host->fatal = (enum fatal_class)class;
	snprintf(host->fatal_text, sizeof(host->fatal_text), "%s",
	    text == NULL ? "" : text);
	return 0;
}

static const char *
api_worker_name(void)
{
	return here()->worker_name;
}

static uint64_t
api_worker_id(void)
{
	return here()->worker_id;
}

static uint64_t
api_generation(void)
{
	return here()->generation;
}

static uint64_t
api_now_ns(void)
{
	return clock_now_ns();
}

/* ---- messages ---------------------------------------------------------------------- */

static int
api_send(const char *to, const void *data, size_t len,
    const struct cluster_send *how)
{
	return answered(outbox_send(&here()->outbox, to, data, len, how));
}

static int
api_ask(const char *to, const void *data, size_t len, unsigned timeout_ms,
    cluster_answer_fn *answer, void *arg)
{
	return answered(outbox_ask(&here()->outbox, to, data, len, timeout_ms,
	    answer, arg));
}

static int
api_answer(const struct cluster_message *m, const void *data, size_t len,
    const struct cluster_fds *fds)
{
	return answered(inbox_answer(here(), m, data, len, fds));
}

static int
api_message_take_fd(const struct cluster_message *m, unsigned index)
{
	return answered(inbox_take_fd(here(), m, index));
}

static size_t
api_send_room(void)
{
	return outbox_room(&here()->outbox);
}

/* ---- timers and descriptors ---------------------------------------------------------- */

static int
add_timer(const struct timer_plan *plan, struct cluster_timer **out)
{
	struct timers *timers = &here()->timers;
	uint64_t handle;
	int rc;

	if (plan->fn == NULL || (plan->again && plan->ms == 0) ||
	    (plan->flags & ~(CLUSTER_TIMER_LEADER | CLUSTER_TIMER_HOLD)) != 0 ||
	    plan->flags == (CLUSTER_TIMER_LEADER | CLUSTER_TIMER_HOLD))
		return -EINVAL;
	if (timers_of_plugin(timers, plan->plugin) >= CLUSTER_TIMERS_MAX)
		return -ENOSPC;
	if ((rc = timers_add(timers, plan, &handle)) == 0 && out != NULL)
		*out = (struct cluster_timer *)(uintptr_t)handle;
	return rc;
}

static int
api_timer_after(unsigned ms, cluster_timer_fn *fire, void *arg, unsigned flags,
    struct cluster_timer **out)
{
	return answered(add_timer(&(struct timer_plan){ .ms = ms, .fn = fire,
	    .arg = arg, .flags = flags, .plugin = here()->current }, out));
}

static int
api_timer_every(unsigned ms, cluster_timer_fn *fire, void *arg, unsigned flags,
    struct cluster_timer **out)
{
	return answered(add_timer(&(struct timer_plan){ .ms = ms, .fn = fire,
	    .arg = arg, .flags = flags, .plugin = here()->current,
	    .again = true }, out));
}

static void
api_timer_free(struct cluster_timer *timer)
{
	(void)timers_cancel(&here()->timers, (uint64_t)(uintptr_t)timer);
}

static int
api_watch(int fd, unsigned flags, cluster_ready_fn *ready, void *arg,
    struct cluster_watch **out)
{
	struct host *host = here();
	uint64_t handle;
	int rc;

	if (ready == NULL || flags == 0 ||
	    (flags & ~(CLUSTER_WATCH_READ | CLUSTER_WATCH_WRITE)) != 0)
		return answered(-EINVAL);
	rc = watches_add(&host->watches, host->current, fd, flags, ready, arg,
	    &handle);
	if (rc == 0 && out != NULL)
		*out = (struct cluster_watch *)(uintptr_t)handle;
	return answered(rc);
}

static void
api_watch_free(struct cluster_watch *watch)
{
	(void)watches_end(&here()->watches, (uint64_t)(uintptr_t)watch);
}

static uint64_t
api_now_ms(void)
{
	return clock_now_ns() / NS_PER_MS;
}

/* ---- workers ----------------------------------------------------------------------- */

static const struct cluster_worker_info *
api_self(void)
{
	return self_look(here());
}

static int
api_workers_each(const char *which, cluster_each_fn *each, void *arg)
{
	/* what each() said is its own affair */
	return workers_each(here(), which, each, arg);
}

static int
api_pool_info(const char *pool, struct cluster_pool_info *out)
{
	return answered(workers_pool(here(), pool, out));
}

/* ---- child processes --------------------------------------------------------------- */

/* That a program is not there, or has ended, is no misuse. */
static int
judged(int rc)
{
	return rc == -EINVAL || rc == -ESTALE || rc == -EBADF ||
	    rc == -EMSGSIZE || rc == -EDEADLK ? answered(rc) : rc;
}

static int
api_spawn(const struct cluster_spawn *how, int *stage,
    struct cluster_child **out)
{
	enum cluster_stage step = CLUSTER_STAGE_FORK;
	int rc = host_spawn(here(), how, &step, out);

	*stage = (int)step;
	return judged(rc);
}

static int
api_child_write(struct cluster_child *child, int fd, const void *data,
    size_t len)
{
	return judged(host_child_write(here(), child, fd, data, len));
}

static int
api_child_close(struct cluster_child *child, int fd)
{
	return judged(host_child_close(here(), child, fd));
}

static int
api_child_pause(struct cluster_child *child, int fd, bool paused)
{
	return judged(host_child_pause(here(), child, fd, paused));
}

static int
api_child_kill(struct cluster_child *child, int sig, int scope)
{
	return judged(host_child_kill(here(), child, sig,
	    (enum cluster_kill_scope)scope));
}

static int
api_child_ref(struct cluster_child *child, bool ref)
{
	return judged(host_child_ref(here(), child, ref));
}

static int
api_child_info(struct cluster_child *child, struct cluster_child_info *out)
{
	return judged(host_child_info(here(), child, out));
}

static int
api_exec(const char *line, const struct cluster_spawn *how,
    cluster_result_fn *done, void *arg, struct cluster_child **out)
{
	return judged(host_exec(here(), line, how, done, arg, out));
}

static int
api_exec_file(const char *file, const char *const *argv,
    const struct cluster_spawn *how, cluster_result_fn *done, void *arg,
    struct cluster_child **out)
{
	return judged(host_exec_file(here(), file, argv, how, done, arg, out));
}

static int
api_run(const struct cluster_spawn *how, struct cluster_result *out)
{
	return judged(host_run(here(), how, out));
}

static void
api_result_done(struct cluster_result *result)
{
	(void)here();
	if (result != NULL)
		run_free_result(result);
}

static struct cluster_cancel *
api_cancel_new(void)
{
	return host_cancel_new(here());
}

static void
api_cancel(struct cluster_cancel *token)
{
	(void)judged(host_cancel(here(), token));
}

static void
api_cancel_free(struct cluster_cancel *token)
{
	(void)judged(host_cancel_free(here(), token));
}

static int
api_child_send(struct cluster_child *child, const void *data, size_t len,
    const struct cluster_send *how)
{
	return judged(host_child_send(here(), child, data, len, how));
}

static int
api_child_disconnect(struct cluster_child *child)
{
	return judged(host_child_disconnect(here(), child));
}

/* ---- tasks ---------------------------------------------------------------------- */

static int
api_fork_task(const char *name, const struct cluster_spawn *how,
    struct cluster_child **out)
{
	return judged(host_fork_task(here(), name, how, out));
}

/* ---- the worker's life ------------------------------------------------------------ */

static void
api_ready(void)
{
	host_say_ready(here());
}

static int
api_hold(int delta)
{
	return answered(host_hold(here(), delta));
}

static void
api_exit(const char *reason)
{
	here()->ops->exit(caller(), reason == NULL ? "" : reason);
}

/* ---- events and control ------------------------------------------------------------- */

static int
api_observe(const char *pattern, cluster_event_fn *event, void *arg,
    struct cluster_observer **out)
{
	return answered(observe_begin(here(), pattern, event, arg, out));
}

static int
api_observer_free(struct cluster_observer *observer)
{
	return answered(observe_end(here(), observer));
}

static int
api_command(const char *command, const char *args_json, cluster_row_fn *row,
    cluster_done_fn *done, void *arg)
{
	return answered(control_command(here(), command, args_json, row, done,
	    arg));
}

static int
api_scale(const char *pool, const char *workers, cluster_done_fn *done,
    void *arg)
{
	return answered(control_scale(here(), pool, workers, done, arg));
}

const struct cluster_api host_api = {
	.size = sizeof(struct cluster_api),
	.major = CLUSTER_ABI_MAJOR, .minor = CLUSTER_ABI_MINOR,
	.method = api_method, .path = api_path, .query = api_query,
	.header = api_header, .header_at = api_header_at, .body = api_body,
	.peer = api_peer, .alloc = api_alloc,
	.set_header = api_set_header, .reply = api_reply,
	.stream_begin = api_stream_begin, .stream_write = api_stream_write,
	.stream_end = api_stream_end, .deadline = api_deadline,
	.vlog = api_vlog, .timer = api_timer,
	.timer_cancel = api_timer_cancel, .busy = api_busy,
	.disconnect = api_disconnect, .fatal = api_fatal,
	.worker_name = api_worker_name, .worker_id = api_worker_id,
	.generation = api_generation, .now_ns = api_now_ns,
	.send = api_send, .ask = api_ask, .answer = api_answer,
	.message_take_fd = api_message_take_fd, .send_room = api_send_room,
	.self = api_self, .workers_each = api_workers_each,
	.pool_info = api_pool_info,
	.timer_after = api_timer_after, .timer_every = api_timer_every,
	.timer_free = api_timer_free,
	.watch = api_watch, .watch_free = api_watch_free, .now_ms = api_now_ms,
	.spawn = api_spawn, .child_write = api_child_write,
	.child_close = api_child_close, .child_pause = api_child_pause,
	.child_kill = api_child_kill, .child_ref = api_child_ref,
	.child_info = api_child_info, .exec = api_exec,
	.exec_file = api_exec_file, .run = api_run,
	.result_done = api_result_done, .cancel_new = api_cancel_new,
	.cancel = api_cancel, .cancel_free = api_cancel_free,
	.child_send = api_child_send,
	.child_disconnect = api_child_disconnect,
	.ready = api_ready, .hold = api_hold, .exit = api_exit,
	.observe = api_observe, .observer_free = api_observer_free,
	.command = api_command, .scale = api_scale,
	.fork_task = api_fork_task,
};
