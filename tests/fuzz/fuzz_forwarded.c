/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * fuzz_forwarded.c: any bytes as Forwarded, as a node, as a list with commas, as
 * traceparent and as the value of trusted_proxies.  What is found lies inside of
 * the input; a trace that is sent on is read again.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/errmsg.h"
#include "daemon/conf/networks.h"
#include "daemon/http/forwarded.h"
#include "daemon/http/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LONGEST = 4096 };

static void
expect(bool truth)
{
	if (!truth)
		abort();
}

static void
check_text(const char *in, size_t len, struct forwarded_text text)
{
	struct forwarded_node node;

	if (text.at == NULL)
		return;
	expect(text.at >= in && text.at + text.len <= in + len);
	if (forwarded_parse_node(text.at, text.len, &node))
		expect(node.family == AF_UNSPEC || node.family == AF_INET ||
		    node.family == AF_INET6);
}

static void
run_lists(const char *in, size_t len)
{
	struct forwarded_hop hops[FORWARDED_HOPS_MAX];
	int count = forwarded_parse(in, len, hops);
	struct forwarded_text text;
	size_t left = len, before;

	expect(count <= FORWARDED_HOPS_MAX);
	for (int i = 0; i < count; i++) {
		check_text(in, len, hops[i].node);
		check_text(in, len, hops[i].proto);
		check_text(in, len, hops[i].host);
	}
	do {
		before = left;
		text = forwarded_last(in, &left);
		check_text(in, before, text);
		expect(text.at == NULL || (text.len > 0 && left < before &&
		    memchr(text.at, ',', text.len) == NULL));
	} while (text.at != NULL);
	expect(left == 0);
}

static void
run_networks(const char *text)
{
	static struct networks networks;
	uint8_t address[16] = { 0 };
	struct errmsg err;

	if (networks_parse(&networks, text, &err) != 0) {
		expect(err.text[0] != '\0');
		return;
	}
	expect(networks.count <= NETWORKS_MAX);
	for (unsigned i = 0; i < networks.count; i++)
		expect(networks_contain(&networks, networks.rows[i].family,
		    networks.rows[i].address) ||
		    memcmp(networks.rows[i].address, address, 10) == 0);
}

static void
run_trace(const char *in, size_t len)
{
	struct trace trace, again;
	char text[TRACE_TEXT + 1];

	if (!trace_parse(in, len, &trace))
		return;
	trace_print(text, trace.trace_id, trace.parent_id, trace.flags);
	expect(trace_parse(text, TRACE_TEXT, &again));
	expect(strcmp(trace.trace_id, again.trace_id) == 0);
	expect(strcmp(trace.parent_id, again.parent_id) == 0);
	expect(trace.flags == again.flags);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size > LONGEST)
		return 0;
	text = malloc(size + 1);
	memcpy(text, data, size);
	run_lists((const char *)data, size);
	run_trace((const char *)data, size);
	text[size] = '\0';
	run_networks(text);
	free(text);
	return 0;
}
