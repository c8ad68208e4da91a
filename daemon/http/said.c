/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* said.c: see said.h. */
#include "daemon/http/said.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/http/client.h"
#include "daemon/http/ids.h"
#include "daemon/http/percent.h"
#include "daemon/http/request.h"
#include "daemon/http/scan.h"

struct said *
said_of(struct conn *conn)
{
	struct said *said = conn->exchange->said;

	if (said != NULL)
		return said;
	said = exchange_take(conn->exchange, sizeof(*said));
	if (said == NULL)
		return NULL;
	*said = (struct said){
		.query.count = SAID_NOT, .cookies.count = SAID_NOT,
		.path_len = SAID_NOT, .form.count = FORM_NOT,
	};
	conn->exchange->said = said;
	return said;
}

/* ---- headers ------------------------------------------------------------------- */

const char *
said_header(struct conn *conn, const char *name, unsigned *index)
{
	const struct head *head = &conn->exchange->head;
	const char *at = buf_at(&conn->exchange->in);
	size_t len = strlen(name);

	for (unsigned i = *index; i < head->field_count; i++) {
		const struct slice *field = &head->fields[i].name;
		const char *value;

		if (field->len != len ||
		    !scan_equal(at + field->at, name, len))
			continue;
		*index = i + 1;
		return request_header_at(conn, i, &name, &value) == 0 ?
		    value : NULL;
	}
	return NULL;
}

/* ---- query --------------------------------------------------------------------- */

static int
make_query(struct conn *conn, struct said_pairs *query)
{
	const char *text = request_query(conn);
	size_t len = strlen(text);
	size_t most = len == 0 ? 0 : pairs_count(text, len, '&');
	char *out;

	if (most > PAIRS_MAX)
		most = PAIRS_MAX;
	query->pairs = exchange_take(conn->exchange,
	    most * sizeof(struct pair));
	out = exchange_take(conn->exchange, len + 2);
	if (query->pairs == NULL || out == NULL)
		return -ENOMEM;
	return pairs_decode(query->pairs, most, out, text, len);
}

int
said_query(struct conn *conn, const struct pair **pairs)
{
	struct said *said = said_of(conn);

	if (said == NULL)
		return -ENOMEM;
	if (said->query.count == SAID_NOT)
		said->query.count = make_query(conn, &said->query);
	*pairs = said->query.pairs;
	return said->query.count;
}

/* ---- cookies ------------------------------------------------------------------- */

/* Most of a request come in one field; what proxies divided is one list. */
static int
make_cookies(struct conn *conn, struct said_pairs *cookies)
{
	size_t most = 0, bytes = 0;
	unsigned index = 0;
	const char *text;
	char *out;
	int count = 0;

	while ((text = said_header(conn, "cookie", &index)) != NULL) {
		most += pairs_count(text, strlen(text), ';');
		bytes += strlen(text) + 2;
	}
	if (most > PAIRS_MAX)
		most = PAIRS_MAX;
	cookies->pairs = exchange_take(conn->exchange,
	    most * sizeof(struct pair));
	out = exchange_take(conn->exchange, bytes);
	if (cookies->pairs == NULL || out == NULL)
		return -ENOMEM;
	index = 0;
	while ((text = said_header(conn, "cookie", &index)) != NULL) {
		int more = pairs_take_cookies(cookies->pairs + count,
		    most - (size_t)count, out, text, strlen(text));

		if (more < 0)
			return more;
		count += more;
		out += strlen(text) + 2;
	}
	return count;
}

int
said_cookies(struct conn *conn, const struct pair **pairs)
{
	struct said *said = said_of(conn);

	if (said == NULL)
		return -ENOMEM;
	if (said->cookies.count == SAID_NOT)
		said->cookies.count = make_cookies(conn, &said->cookies);
	*pairs = said->cookies.pairs;
	return said->cookies.count;
}

/* ---- path ---------------------------------------------------------------------- */

const char *
said_path(struct conn *conn)
{
	const char *path = request_path(conn);
	size_t len = strlen(path);
	struct said *said;
	char *out;

	if (memchr(path, '%', len) == NULL)
		return path;
	said = said_of(conn);
	if (said == NULL)
		return NULL;
	if (said->path_len != SAID_NOT)
		return said->path;
	out = exchange_take(conn->exchange, len + 1);
	if (out == NULL)
		return NULL;
	said->path_len = (int)percent_decode(out, len + 1, path, len,
	    PERCENT_NO_SLASH);
	if (said->path_len >= 0)
		said->path = out;
	return said->path;
}

/* ---- the client ---------------------------------------------------------------- */

const char *
said_peer(struct conn *conn)
{
	struct said *said = said_of(conn);
	struct client client;
	char *out;

	if (said == NULL || said->peer != NULL)
		return said == NULL ? NULL : said->peer;
	out = exchange_take(conn->exchange, CLIENT_TEXT);
	if (out == NULL)
		return NULL;
	client_of(conn, &client);
	client_print(out, client.family, client.address, client.port);
	return said->peer = out;
}

const char *
said_direct_peer(struct conn *conn)
{
	struct said *said = said_of(conn);
	char *out;

	if (said == NULL || said->direct != NULL)
		return said == NULL ? NULL : said->direct;
	out = exchange_take(conn->exchange, CLIENT_TEXT);
	if (out == NULL)
		return NULL;
	client_print_direct(out, conn);
	return said->direct = out;
}

const char *
said_authority(struct conn *conn)
{
	struct said *said = said_of(conn);
	struct client client;
	char *out;

	if (said == NULL || said->authority != NULL)
		return said == NULL ? NULL : said->authority;
	client_of(conn, &client);
	if (client.host == NULL)
		return said->authority = request_header(conn, "host");
	out = exchange_take(conn->exchange, client.host_len + 1);
	if (out == NULL)
		return NULL;
	memcpy(out, client.host, client.host_len);
	out[client.host_len] = '\0';
	return said->authority = out;
}

/* ---- ids ----------------------------------------------------------------------- */

/* The only header of that name; NULL: there is none, or more than one. */
static const char *
only_header(struct conn *conn, const char *name)
{
	unsigned index = 0;
	const char *value = said_header(conn, name, &index);

	return value != NULL && said_header(conn, name, &index) == NULL ?
	    value : NULL;
}

static const char *
given_id(struct conn *conn)
{
	const char *id = client_has_proxy(conn) ?
	    only_header(conn, "x-request-id") : NULL;
	size_t len = id == NULL ? 0 : strlen(id);

	if (len == 0 || len > SAID_REQUEST_ID_MAX ||
	    scan_skip_bytes(id, id + len, SCAN_TOKEN) < id + len)
		return NULL;
	return id;
}

/* Both halves, terminated. */
static void
print_id(struct conn *conn, enum ids_kind kind, char out[33])
{
	uint64_t id[2];

	ids_make(&conn->http->ids, conn->request, kind, id);
	ids_print(out, id[0]);
	ids_print(out + 16, id[1]);
	out[32] = '\0';
}

const char *
said_request_id(struct conn *conn)
{
	struct said *said = said_of(conn);
	const char *given;
	char *out;

	if (said == NULL || said->request_id != NULL)
		return said == NULL ? NULL : said->request_id;
	given = given_id(conn);
	if (given != NULL)
		return said->request_id = given;
	out = exchange_take(conn->exchange, 33);
	if (out == NULL)
		return NULL;
	print_id(conn, IDS_REQUEST, out);
	return said->request_id = out;
}

static void
make_trace(struct conn *conn, struct said_trace *trace)
{
	const char *header = only_header(conn, "traceparent");
	char own[33];

	if (header == NULL ||
	    !trace_parse(header, strlen(header), &trace->trace)) {
		print_id(conn, IDS_TRACE, trace->trace.trace_id);
		trace->trace.parent_id[0] = '\0';
		trace->trace.flags = 0;
	}
	print_id(conn, IDS_SPAN, own);
	memcpy(trace->span_id, own, TRACE_SPAN);
	trace->span_id[TRACE_SPAN] = '\0';
	trace_print(trace->text, trace->trace.trace_id, trace->span_id,
	    trace->trace.flags);
}

const struct said_trace *
said_trace(struct conn *conn)
{
	struct said *said = said_of(conn);

	if (said == NULL || said->trace != NULL)
		return said == NULL ? NULL : said->trace;
	said->trace = exchange_take(conn->exchange, sizeof(*said->trace));
	if (said->trace != NULL)
		make_trace(conn, said->trace);
	return said->trace;
}
