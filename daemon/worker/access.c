/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* access.c: the access log of a worker; see access.h. */
#include "daemon/worker/access.h"

#include <arpa/inet.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/errmsg.h"
#include "daemon/http/client.h"
#include "daemon/http/said.h"
#include "daemon/worker/worker.h"

enum {
	NOTICE_MS = 10000,
	CLIENT_GONE = 499,		/* the status of no answer at all */
};

static struct access_text
text(const char *at)
{
	return (struct access_text){ at, at != NULL ? strlen(at) : 0 };
}

static struct access_text
slice_of(const struct exchange *exchange, struct slice slice)
{
	return (struct access_text){ slice.len > 0 ?
	    buf_at(&exchange->in) + slice.at : NULL, slice.len };
}

static struct access_text
header_of(const void *ctx, const char *name)
{
	const struct exchange *exchange = ctx;
	const struct head_field *field = head_find(&exchange->head,
	    buf_at(&exchange->in), name);

	return field != NULL ? slice_of(exchange, field->value) : text(NULL);
}

/* The wall clock is that of the last beat and what has passed since: a request
 * has asked one clock already. */
static void
set_clock(struct access *access)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	access->wall_offset_ns = (uint64_t)now.tv_sec * NS_PER_S +
	    (uint64_t)now.tv_nsec - clock_now_ns();
}

/* ---- life ----------------------------------------------------------------------- */

/* Nothing to write with: requests are served all the same, and each line that
 * is missing is counted. */
static void
start_writer(struct worker *worker)
{
	struct access *access = &worker->access;

	if (access->running)
		return;
	access->running = access_writer_start(&access->writer,
	    worker->board.page) == 0;
	if (!access->running)
		lines_say(LL_ERROR, "access log: there is no thread for it");
}

int
access_init(struct worker *worker, struct errmsg *err)
{
	const struct conf_pool *pool = worker->pool;
	struct access *access = &worker->access;
	int rc = access_format_parse(&access->format, pool->access_log_format,
	    err);

	if (rc != 0)
		return rc;
	access->same = (struct access_entry){
		.time = &access->time, .worker = text(worker->name),
		.pool = text(pool->name), .worker_id = worker->id,
		.pid = getpid(), .header = header_of,
	};
	access->has_id = access_format_has(&access->format,
	    ACCESS_REQUEST_ID);
	access->has_trace = access_format_has(&access->format,
	    ACCESS_TRACE_ID);
	access->sample = pool->access_log_sample;
	access->line_max = ACCESS_LINE_PIPE;
	access->time.second = -1;
	access_time_set(&access->time, (time_t)(clock_wall_ms() / 1000));
	set_clock(access);
	if (strcmp(pool->access_log, "off") == 0)
		return 0;
	start_writer(worker);
	worker->host.http.tells_ends = true;
	return 0;
}

void
access_reopen(struct worker *worker, int fd, bool is_pipe)
{
	struct access *access = &worker->access;

	worker->host.http.tells_ends = fd >= 0;
	access->line_max = is_pipe ? ACCESS_LINE_PIPE : ACCESS_LINE_MAX;
	if (fd >= 0)
		start_writer(worker);
	if (access->running)
		access_writer_give(&access->writer, fd);
	else if (fd >= 0)
		close(fd);
}

void
access_stop(struct worker *worker, unsigned ms)
{
	if (worker->access.running)
		access_writer_stop(&worker->access.writer, ms);
}

/* ---- a request -------------------------------------------------------------------- */

static char *
put_byte(char *at, unsigned byte)
{
	if (byte >= 100)
		*at++ = (char)('0' + byte / 100);
	if (byte >= 10)
		*at++ = (char)('0' + byte / 10 % 10);
	*at++ = (char)('0' + byte % 10);
	return at;
}

/* IPv4 by hand: inet_ntop() is slower than the rest of the line. */
static struct access_text
peer_of(struct access *access, const struct client *client)
{
	char *at = access->address;

	if (client->family == AF_UNIX)
		return text("unix:");
	if (client->family == AF_INET6)
		return text(inet_ntop(AF_INET6, client->address, at,
		    sizeof(access->address)));
	if (client->family != AF_INET)
		return text(NULL);
	for (int i = 0; i < 4; i++) {
		at = put_byte(at, client->address[i]);
		*at++ = '.';
	}
	return (struct access_text){ access->address,
	    (size_t)(at - 1 - access->address) };
}

/* What came in place of a request line, up to the end of the line. */
static struct access_text
first_line(const struct exchange *exchange)
{
	size_t len = buf_len(&exchange->in);
	const char *at = buf_at(&exchange->in);
	size_t from = exchange->head.method.at, n;

	if (from >= len)
		return text(NULL);
	for (n = from; n < len && n - from < ACCESS_LINE_MAX; n++)
		if (at[n] == '\r' || at[n] == '\n')
			break;
	return (struct access_text){ n > from ? at + from : NULL, n - from };
}

/* Where a handler asked for path and query, the '?' between them was taken. */
static void
fill_target(struct access_entry *entry, struct exchange *exchange)
{
	struct access_text whole = slice_of(exchange,
	    head_path(&exchange->head));
	char *query;

	if (whole.at == NULL) {		/* "http://host" */
		entry->path = text("/");
		return;
	}
	if (exchange->path != NULL &&
	    (query = memchr(whole.at, '\0', whole.len)) != NULL)
		*query = '?';
	query = memchr(whole.at, '?', whole.len);
	entry->path = (struct access_text){ whole.at, query == NULL ?
	    whole.len : (size_t)(query - whole.at) };
	if (query != NULL)
		entry->query = (struct access_text){ query + 1,
		    whole.len - entry->path.len - 1 };
}

static void
fill_head(struct access_entry *entry, struct exchange *exchange)
{
	const struct head *head = &exchange->head;
	bool refused = head->status != 0 && head->status != 413;

	if (head->target.len == 0 || refused)
		entry->first_line = first_line(exchange);
	entry->method = slice_of(exchange, head->method);
	if (head->target.len == 0)
		return;
	fill_target(entry, exchange);
	entry->uri = slice_of(exchange, head->target);
	entry->host = slice_of(exchange, head->host);
	if (!refused)
		entry->protocol = (struct access_text){ head->minor == 0 ?
		    "HTTP/1.0" : "HTTP/1.1", sizeof("HTTP/1.1") - 1 };
}

static void
fill_route(struct access_entry *entry, const struct worker *worker,
    const struct conn *conn)
{
	const struct conf_pool *pool = worker->pool;
	const struct conf_route *route = conf_pool_route(pool, conn->route);

	if (route == NULL)
		return;
	entry->route = text(route->pattern);
	entry->plugin = text(worker->conf->plugins[route->plugin].name);
}

/* Nobody pays for them but who asks. */
static void
fill_ids(struct access_entry *entry, const struct access *access,
    struct conn *conn)
{
	const struct said_trace *trace;

	if (access->has_id)
		entry->request_id = text(said_request_id(conn));
	if (!access->has_trace || (trace = said_trace(conn)) == NULL)
		return;
	entry->trace_id = (struct access_text){ trace->trace.trace_id,
	    TRACE_ID };
}

/* As it was before fill_target(): filters may still ask for the path. */
static void
hide_query(struct exchange *exchange)
{
	struct access_text whole = slice_of(exchange,
	    head_path(&exchange->head));
	char *query;

	if (exchange->path != NULL && whole.at != NULL &&
	    (query = memchr(whole.at, '?', whole.len)) != NULL)
		*query = '\0';
}

static size_t
make_line(struct worker *worker, struct conn *conn, uint64_t now_ns, bool cut)
{
	struct access *access = &worker->access;
	struct exchange *exchange = conn->exchange;
	uint64_t wall_ns = now_ns + access->wall_offset_ns;
	struct access_entry entry = access->same;
	struct client client;
	size_t size;

	client_of(conn, &client);
	entry.wall_ms = wall_ns / NS_PER_MS;
	entry.remote_addr = peer_of(access, &client);
	entry.remote_port = client.port;
	entry.request = conn->request;
	entry.status = exchange->status != 0 ? exchange->status : CLIENT_GONE;
	entry.bytes = exchange->body_bytes;
	entry.took_ns = now_ns - conn->since_ns;
	entry.cut = cut;
	entry.ctx = exchange;
	access_time_set(&access->time, (time_t)(wall_ns / NS_PER_S));
	fill_head(&entry, exchange);
	fill_route(&entry, worker, conn);
	fill_ids(&entry, access, conn);
	size = access_line_make(&access->format, &entry, access->line,
	    access->line_max);
	hide_query(exchange);
	return size;
}

/* One of so many; what went wrong is always told. */
static bool
is_chosen(struct access *access, const struct conn *conn, bool cut)
{
	if (++access->passed >= (uint64_t)access->sample) {
		access->passed = 0;
		return true;
	}
	return cut || conn->exchange->status >= 500;
}

void
access_end_request(struct worker *worker, struct conn *conn, uint64_t now_ns,
    bool cut)
{
	struct access *access = &worker->access;
	size_t len;

	if (!is_chosen(access, conn, cut))
		return;
	board_add(&worker->board, METRIC_ACCESS_LINES, 1);
	len = make_line(worker, conn, now_ns, cut);
	if (!access->running || !access_writer_put(&access->writer,
	    access->line, len))
		board_add(&worker->board, METRIC_ACCESS_DROPPED, 1);
}

/* ---- what is lost ------------------------------------------------------------------- */

static const char *
reason_of(const struct access *access)
{
	int error;

	if (!access->running)
		return "there is no thread for it";
	switch (access_writer_trouble(&access->writer, &error)) {
	case ACCESS_NOT_OPEN:
		return "it is not open";
	case ACCESS_REMOVED:
		return "its file was removed";
	case ACCESS_LOST_FD:
		return "its descriptor was closed";
	case ACCESS_FAILING:
		return strerror(error);
	case ACCESS_FINE:
		break;
	}
	return "it is not written fast enough";
}

void
access_tick(struct worker *worker, uint64_t now_ns)
{
	struct access *access = &worker->access;
	const struct page *page = worker->board.page;
	uint64_t lost = WORD_GET(page->counters[METRIC_ACCESS_DROPPED]) +
	    WORD_GET(page->helper[HELPER_LOST]);
	int error;

	set_clock(access);
	if (access->running && access_writer_trouble(&access->writer,
	    &error) == ACCESS_LOST_FD)
		drain_leave(worker, LEAVING_LOST_FD);
	if (lost == access->told || (access->told_ns != 0 && now_ns -
	    access->told_ns < clock_scaled_ms(NOTICE_MS) * NS_PER_MS))
		return;
	lines_say(LL_WARNING, "access log: %llu lines were lost: %s",
	    (unsigned long long)(lost - access->told), reason_of(access));
	access->told = lost;
	access->told_ns = now_ns;
}
