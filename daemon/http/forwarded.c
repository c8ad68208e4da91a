/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* forwarded.c: see forwarded.h. */
#include "daemon/http/forwarded.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/parse.h"
#include "daemon/http/scan.h"

/* ---- elements ------------------------------------------------------------------ */

static void
skip_blanks(const char **at, const char *end)
{
	while (*at < end && scan_is_blank(**at))
		(*at)++;
}

static struct forwarded_text
take_token(const char **at, const char *end)
{
	const char *start = *at;

	*at = scan_skip_bytes(start, end, SCAN_TOKEN);
	return (struct forwarded_text){ *at > start ? start : NULL,
	    (size_t)(*at - start) };
}

/* The inside of quotes, as it is written; *plain: it has no backslash. */
static struct forwarded_text
take_quoted(const char **at, const char *end, bool *plain)
{
	const char *start = ++*at;

	*plain = true;
	for (; *at < end && **at != '"'; (*at)++) {
		if (!scan_is(**at, SCAN_VALUE))
			return (struct forwarded_text){ NULL, 0 };
		if (**at != '\\')
			continue;
		*plain = false;
		if (++*at == end)
			break;
	}
	if (*at >= end)
		return (struct forwarded_text){ NULL, 0 };
	(*at)++;
	return (struct forwarded_text){ start, (size_t)(*at - 1 - start) };
}

/* Where a name's value goes; NULL: it is of no use to us. */
static struct forwarded_text *
member(struct forwarded_hop *hop, struct forwarded_text name)
{
	if (name.len == 3 && scan_equal(name.at, "for", 3))
		return &hop->node;
	if (name.len == 5 && scan_equal(name.at, "proto", 5))
		return &hop->proto;
	if (name.len == 4 && scan_equal(name.at, "host", 4))
		return &hop->host;
	return NULL;
}

static bool
take_pair(const char **at, const char *end, struct forwarded_hop *hop)
{
	struct forwarded_text name = take_token(at, end), value, *to;
	bool plain = true;

	if (name.at == NULL || *at == end || *(*at)++ != '=')
		return false;
	if (*at < end && **at == '"')
		value = take_quoted(at, end, &plain);
	else
		value = take_token(at, end);
	if (value.at == NULL)
		return false;
	to = member(hop, name);
	if (to == NULL)
		return true;
	if (to->at != NULL || !plain)	/* twice, or not as it reads */
		return false;
	*to = value;
	return true;
}

/* One element up to a ',' or the end; *empty: there is nothing. */
static bool
take_hop(const char **at, const char *end, struct forwarded_hop *hop,
    bool *empty)
{
	memset(hop, 0, sizeof(*hop));
	*empty = true;
	for (;;) {
		skip_blanks(at, end);
		if (*at < end && **at != ';' && **at != ',') {
			if (!take_pair(at, end, hop))
				return false;
			*empty = false;
			skip_blanks(at, end);
		}
		if (*at == end || **at == ',')
			return true;
		if (*(*at)++ != ';')
			return false;
	}
}

int
forwarded_parse(const char *text, size_t len,
    struct forwarded_hop hops[FORWARDED_HOPS_MAX])
{
	const char *at = text, *end = text + len;
	int count = 0;

	for (;; at++) {
		struct forwarded_hop hop;
		bool empty;

		if (!take_hop(&at, end, &hop, &empty))
			return -1;
		if (!empty) {
			if (count == FORWARDED_HOPS_MAX)
				return -1;
			hops[count++] = hop;
		}
		if (at == end)
			return count;
	}
}

/* ---- nodes --------------------------------------------------------------------- */

/* Letters, digits, '.', '_' and '-': what a hidden name may be made of. */
static bool
is_hidden(const char *at, const char *end)
{
	if (at == end || *at != '_' || end - at == 1)
		return false;
	for (; at < end; at++) {
		char c = scan_lower(*at);

		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') &&
		    c != '.' && c != '_' && c != '-')
			return false;
	}
	return true;
}

/* What stands behind the ':'; a hidden port is none. */
static bool
parse_port(const char *at, const char *end, uint16_t *port)
{
	uint64_t number;

	if (is_hidden(at, end))
		return true;
	if (end - at > 5 ||
	    parse_number(at, (size_t)(end - at), &number) != 0 ||
	    number > UINT16_MAX)
		return false;
	*port = (uint16_t)number;
	return true;
}

static bool
parse_address(struct forwarded_node *node, int family, const char *at,
    const char *end)
{
	char text[INET6_ADDRSTRLEN];
	size_t len = (size_t)(end - at);

	if (len >= sizeof(text))
		return false;
	memcpy(text, at, len);
	text[len] = '\0';
	node->family = (uint16_t)family;
	return inet_pton(family, text, node->address) == 1;
}

static bool
parse_node(struct forwarded_node *node, const char *at, const char *end)
{
	const char *colon = memchr(at, ':', (size_t)(end - at)), *stop;

	if (at < end && *at == '[') {
		stop = memchr(at, ']', (size_t)(end - at));
		if (stop == NULL ||
		    !parse_address(node, AF_INET6, at + 1, stop))
			return false;
		return stop + 1 == end || (stop[1] == ':' &&
		    parse_port(stop + 2, end, &node->port));
	}
	if (colon != NULL && memchr(colon + 1, ':',
	    (size_t)(end - colon - 1)) != NULL)
		return parse_address(node, AF_INET6, at, end);
	stop = colon == NULL ? end : colon;
	if (colon != NULL && !parse_port(colon + 1, end, &node->port))
		return false;
	if ((stop - at == 7 && scan_equal(at, "unknown", 7)) ||
	    is_hidden(at, stop)) {
		node->family = AF_UNSPEC;
		node->port = 0;
		return true;
	}
	return parse_address(node, AF_INET, at, stop);
}

bool
forwarded_parse_node(const char *text, size_t len, struct forwarded_node *node)
{
	struct forwarded_node made = { .family = AF_UNSPEC };

	if (len == 0 || !parse_node(&made, text, text + len))
		return false;
	*node = made;
	return true;
}

/* ---- lists --------------------------------------------------------------------- */

struct forwarded_text
forwarded_last(const char *list, size_t *len)
{
	while (*len > 0) {
		const char *end = list + *len;
		const char *comma = memrchr(list, ',', *len);
		const char *at = comma == NULL ? list : comma + 1;

		*len = comma == NULL ? 0 : (size_t)(comma - list);
		skip_blanks(&at, end);
		while (at < end && scan_is_blank(end[-1]))
			end--;
		if (at < end)
			return (struct forwarded_text){ at,
			    (size_t)(end - at) };
	}
	return (struct forwarded_text){ NULL, 0 };
}
