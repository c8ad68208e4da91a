/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * client.c: see client.h.  A proxy adds its word at the end, or in a header
 * behind the others; so all is read from the end, and no further than to the
 * first address that is not trusted: what stands before it anybody may have
 * written.
 */
#include "daemon/http/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/http/forwarded.h"
#include "daemon/http/rules.h"
#include "daemon/http/said.h"
#include "daemon/http/scan.h"

/* What one kind of header says. */
struct word {
	bool said;			/* of the client's address */
	struct forwarded_node node;
	unsigned hops;			/* proxies that spoke */
	struct forwarded_text proto, host;
};

/* ---- headers ------------------------------------------------------------------- */

/* Value of the last field of that name before *index, which becomes its. */
static struct forwarded_text
field_before(const struct conn *conn, const char *name, unsigned *index)
{
	const struct exchange *exchange = conn->exchange;
	const char *at = buf_at(&exchange->in);
	size_t len = strlen(name);

	while (*index > 0) {
		const struct head_field *field =
		    &exchange->head.fields[--*index];

		if (field->name.len == len &&
		    scan_equal(at + field->name.at, name, len))
			return (struct forwarded_text){ at + field->value.at,
			    field->value.len };
	}
	return (struct forwarded_text){ NULL, 0 };
}

/* Element number `nth' from the end of all lists of that name; the first one
 * where there are fewer: not each proxy adds to it. */
static struct forwarded_text
element_from_end(const struct conn *conn, const char *name, unsigned nth)
{
	struct forwarded_text found = { NULL, 0 }, list, element;
	unsigned index = conn->exchange->head.field_count;

	while ((list = field_before(conn, name, &index)).at != NULL) {
		while ((element = forwarded_last(list.at,
		    &list.len)).at != NULL) {
			found = element;
			if (nth-- == 0)
				return found;
		}
	}
	return found;
}

/* ---- the two kinds --------------------------------------------------------------- */

/* True: go on, it is a proxy of ours. */
static bool
take_node(const struct conn *conn, struct word *word,
    struct forwarded_text text)
{
	static const struct forwarded_node hidden = { .family = AF_UNSPEC };

	word->said = true;
	word->hops++;
	if (text.at == NULL ||
	    !forwarded_parse_node(text.at, text.len, &word->node))
		word->node = hidden;
	return networks_contain(&conn->http->config.trusted,
	    word->node.family, word->node.address);
}

static void
read_forwarded(const struct conn *conn, struct word *word)
{
	unsigned index = conn->exchange->head.field_count;
	struct forwarded_hop hops[FORWARDED_HOPS_MAX];
	struct forwarded_text list;

	while ((list = field_before(conn, "forwarded", &index)).at != NULL) {
		int count = forwarded_parse(list.at, list.len, hops);

		if (count < 0) {
			take_node(conn, word, (struct forwarded_text){ NULL,
			    0 });
			return;
		}
		while (count-- > 0) {
			if (hops[count].proto.at != NULL)
				word->proto = hops[count].proto;
			if (hops[count].host.at != NULL)
				word->host = hops[count].host;
			if (!take_node(conn, word, hops[count].node))
				return;
		}
	}
}

static void
read_addresses(const struct conn *conn, struct word *word)
{
	unsigned index = conn->exchange->head.field_count;
	struct forwarded_text list, element;

	while ((list = field_before(conn, "x-forwarded-for",
	    &index)).at != NULL) {
		while ((element = forwarded_last(list.at,
		    &list.len)).at != NULL)
			if (!take_node(conn, word, element))
				return;
	}
}

static void
read_x_forwarded(const struct conn *conn, struct word *word)
{
	unsigned nth;

	read_addresses(conn, word);
	nth = word->hops > 0 ? word->hops - 1 : 0;
	word->proto = element_from_end(conn, "x-forwarded-proto", nth);
	word->host = element_from_end(conn, "x-forwarded-host", nth);
}

/* ---- both together --------------------------------------------------------------- */

static bool
differ(struct forwarded_text a, struct forwarded_text b)
{
	return a.at != NULL && b.at != NULL &&
	    (a.len != b.len || !scan_equal(a.at, b.at, a.len));
}

/* What is said once, or twice alike. */
static struct forwarded_text
agreed(struct forwarded_text a, struct forwarded_text b)
{
	if (differ(a, b))
		return (struct forwarded_text){ "", 0 };
	return a.at != NULL ? a : b;
}

/* Who writes the one header passes on what a client wrote into the other: where
 * one of them says who the client is, it must say this, too. */
static struct forwarded_text
told(const struct word *a, struct forwarded_text by_a, const struct word *b,
    struct forwarded_text by_b)
{
	if ((a->said && !b->said && by_a.at == NULL) ||
	    (b->said && !a->said && by_b.at == NULL))
		return (struct forwarded_text){ NULL, 0 };
	return agreed(by_a, by_b);
}

static void
set_node(struct client *client, const struct forwarded_node *node)
{
	client->family = node->family;
	client->port = node->port;
	memcpy(client->address, node->address, sizeof(client->address));
}

static void
merge(struct client *client, const struct word *a, const struct word *b)
{
	static const struct forwarded_node hidden = { .family = AF_UNSPEC };
	struct forwarded_text proto = told(a, a->proto, b, b->proto);
	struct forwarded_text host = told(a, a->host, b, b->host);

	if (a->said && b->said && (a->node.family != b->node.family ||
	    memcmp(a->node.address, b->node.address,
	    sizeof(a->node.address)) != 0)) {
		set_node(client, &hidden);
		client->secure = false;
		return;
	}
	if (a->said || b->said)
		set_node(client, a->said ? &a->node : &b->node);
	if (proto.at != NULL)
		client->secure = proto.len == 5 &&
		    scan_equal(proto.at, "https", 5);
	if (host.at != NULL && rules_is_host(host.at, host.at + host.len)) {
		client->host = host.at;
		client->host_len = host.len;
	}
}

bool
client_has_proxy(const struct conn *conn)
{
	const struct networks *trusted = &conn->http->config.trusted;

	return trusted->count > 0 &&
	    networks_contain(trusted, conn->family, conn->address);
}

void
client_of(struct conn *conn, struct client *out)
{
	struct word forwarded = { 0 }, x_forwarded = { 0 };

	*out = (struct client){ .family = conn->family, .port = conn->port };
	memcpy(out->address, conn->address, sizeof(out->address));
	if (!client_has_proxy(conn))
		return;
	/* a target of https, which only such a one may ask for */
	out->secure = (conn->exchange->head.flags & HEAD_HTTPS) != 0;
	read_forwarded(conn, &forwarded);
	read_x_forwarded(conn, &x_forwarded);
	merge(out, &forwarded, &x_forwarded);
}

void
client_print(char out[CLIENT_TEXT], unsigned family, const uint8_t *address,
    unsigned port)
{
	char text[INET6_ADDRSTRLEN];

	if (family != AF_INET && family != AF_INET6) {
		snprintf(out, CLIENT_TEXT, "%s", family == AF_UNIX ? "unix" :
		    "unknown");
		return;
	}
	inet_ntop((int)family, address, text, sizeof(text));
	if (port == 0)
		snprintf(out, CLIENT_TEXT, "%s", text);
	else
		snprintf(out, CLIENT_TEXT, family == AF_INET ? "%s:%u" :
		    "[%s]:%u", text, port);
}

void
client_print_direct(char out[CLIENT_TEXT], const struct conn *conn)
{
	union {
		struct sockaddr_storage any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} peer = { .any.ss_family = AF_UNSPEC };
	socklen_t len = sizeof(peer);

	if (!conn->http->config.proxy_protocol) {
		client_print(out, conn->family, conn->address, conn->port);
		return;
	}
	if (getpeername(conn->fd, (struct sockaddr *)&peer, &len) != 0)
		peer.any.ss_family = AF_UNSPEC;
	if (peer.any.ss_family == AF_INET6)
		client_print(out, AF_INET6, peer.in6.sin6_addr.s6_addr,
		    ntohs(peer.in6.sin6_port));
	else
		client_print(out, peer.any.ss_family,
		    (const uint8_t *)&peer.in.sin_addr,
		    ntohs(peer.in.sin_port));
}
