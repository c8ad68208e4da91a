/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * test_forwarded.c: what proxies say of their clients, and which networks are
 * trusted.  Each refusal stands beside its accepted neighbour; each input ends
 * where an unmapped page begins.
 */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/check.h"
#include "common/base/errmsg.h"
#include "daemon/conf/networks.h"
#include "daemon/http/forwarded.h"
#include "tests/unit/page_end.h"

static const struct {
	const char *in, *expect;	/* "address port"; NULL: none */
} node_rows[] = {
	{ "192.0.2.1", "192.0.2.1 0" },
	{ "192.0.2.1:80", "192.0.2.1 80" },
	{ "192.0.2.1:65535", "192.0.2.1 65535" },
	{ "192.0.2.1:65536", NULL },
	{ "192.0.2.1:000080", NULL },
	{ "192.0.2.1:", NULL },
	{ "192.0.2.1:_hidden", "192.0.2.1 0" },
	{ "192.0.2.1:x", NULL },
	{ "192.0.2.1 ", NULL },
	{ "192.0.2.01", NULL },
	{ "192.0.2", NULL },
	{ "0xc0.0.2.1", NULL },
	{ "192.0.2.1/24", NULL },
	{ "[2001:db8::1]", "2001:db8::1 0" },
	{ "[2001:db8::1]:80", "2001:db8::1 80" },
	{ "[2001:db8::1]:", NULL },
	{ "[2001:db8::1]80", NULL },
	{ "[2001:db8::1", NULL },
	{ "[]", NULL },
	{ "[192.0.2.1]", NULL },
	{ "[fe80::1%eth0]", NULL },
	{ "2001:db8::1", "2001:db8::1 0" },
	{ "::", ":: 0" },
	{ ":", NULL },
	{ "2001:db8::1]", NULL },
	{ "::ffff:192.0.2.1", "::ffff:192.0.2.1 0" },
	{ "unknown", "hidden 0" },
	{ "Unknown", "hidden 0" },
	{ "unknown:80", "hidden 0" },
	{ "unknowns", NULL },
	{ "_", NULL },
	{ "_a", "hidden 0" },
	{ "_SEVKISEK.x-y", "hidden 0" },
	{ "_a b", NULL },
	{ "_a:80", "hidden 0" },
	{ "localhost", NULL },
	{ "", NULL },
	{ "-", NULL },
	{ "\"192.0.2.1\"", NULL },
};

static void
nodes(void **state)
{
	char *page = page_end_open();

	(void)state;
	for (size_t i = 0; i < COUNT(node_rows); i++) {
		size_t len = strlen(node_rows[i].in);
		char text[80] = "hidden", all[96];
		struct forwarded_node node;
		bool is = forwarded_parse_node(page_end_copy(page,
		    node_rows[i].in, len), len, &node);

		if (is != (node_rows[i].expect != NULL))
			fail_msg("%s", node_rows[i].in);
		if (!is)
			continue;
		if (node.family != AF_UNSPEC)
			inet_ntop(node.family, node.address, text,
			    sizeof(text));
		snprintf(all, sizeof(all), "%s %u", text, node.port);
		assert_string_equal(all, node_rows[i].expect);
	}
	page_end_close(page);
}

static const struct {
	const char *in, *expect;	/* "node proto host;" of each */
} list_rows[] = {
	{ "", "" },
	{ "for=192.0.2.1", "192.0.2.1 - -;" },
	{ "For=192.0.2.1;PROTO=https;Host=a", "192.0.2.1 https a;" },
	{ "for=a, for=b", "a - -;b - -;" },
	{ "for=a,for=b", "a - -;b - -;" },
	{ "for=a,, ,for=b,", "a - -;b - -;" },
	{ "for=\"[2001:db8::1]:80\"", "[2001:db8::1]:80 - -;" },
	{ "for=[::1]", NULL },
	{ "for=192.0.2.1:80", NULL },
	{ "for=\"a,b;c\";proto=d", "a,b;c d -;" },
	{ "for=\"\"", " - -;" },
	{ "for=", NULL },
	{ "for", NULL },
	{ "=a", NULL },
	{ "for=a;", "a - -;" },
	{ ";for=a", "a - -;" },
	{ "for=a;;proto=b", "a b -;" },
	{ "for=a; proto=b", "a b -;" },
	{ " for=a ;\tproto=b\t,\tfor=c ", "a b -;c - -;" },
	{ "for =a", NULL },
	{ "for= a", NULL },
	{ "for=a b", NULL },
	{ "for=a;for=b", NULL },
	{ "for=a;proto=b;proto=b", NULL },
	{ "by=x;for=a;secret=\"\\\"\"", "a - -;" },
	{ "by=x;by=y;for=a", "a - -;" },
	{ "for=\"a\\b\"", NULL },
	{ "for=\"a", NULL },
	{ "for=\"a\\", NULL },
	{ "for=\"a\\\"", NULL },
	{ "for=a\"b\"", NULL },
	{ "for=\"a\"b", NULL },
	{ "proto=https", "- https -;" },
	{ "secret=x", "- - -;" },
	{ "for=a;host=\"b:80\"", "a - b:80;" },
	{ "for=a;host=b:80", NULL },
	{ "a=b/c", NULL },
};

static void
lists(void **state)
{
	char *page = page_end_open();

	(void)state;
	for (size_t i = 0; i < COUNT(list_rows); i++) {
		struct forwarded_hop hops[FORWARDED_HOPS_MAX];
		size_t len = strlen(list_rows[i].in), used = 0;
		char text[256] = "";
		int count = forwarded_parse(page_end_copy(page,
		    list_rows[i].in, len), len, hops);

		if ((count < 0) != (list_rows[i].expect == NULL))
			fail_msg("%s: %d", list_rows[i].in, count);
		for (int j = 0; j < count; j++) {
			const struct forwarded_text *parts[] = {
				&hops[j].node, &hops[j].proto, &hops[j].host };

			for (size_t k = 0; k < COUNT(parts); k++)
				used += (size_t)snprintf(text + used,
				    sizeof(text) - used, "%.*s%c",
				    parts[k]->at == NULL ? 1 :
				    (int)parts[k]->len, parts[k]->at == NULL ?
				    "-" : parts[k]->at, k == 2 ? ';' : ' ');
		}
		if (count >= 0 && strcmp(text, list_rows[i].expect) != 0)
			fail_msg("%s: %s", list_rows[i].in, text);
	}
	page_end_close(page);
}

static void
a_list_has_an_end(void **state)
{
	struct forwarded_hop hops[FORWARDED_HOPS_MAX];
	char text[512] = "";
	size_t used = 0;

	(void)state;
	for (int i = 0; i < FORWARDED_HOPS_MAX; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
		    "for=a,");
	assert_int_equal(forwarded_parse(text, used, hops),
	    FORWARDED_HOPS_MAX);
	memcpy(text + used, "for=b", 5);
	assert_int_equal(forwarded_parse(text, used + 5, hops), -1);
}

static void
lists_from_their_end(void **state)
{
	static const char list[] = " a , ,b\t,,c,";
	static const char *const expect[] = { "c", "b", "a" };
	char *page = page_end_open();
	size_t len = sizeof(list) - 1;
	const char *in = page_end_copy(page, list, len);

	(void)state;
	for (size_t i = 0; i < COUNT(expect); i++) {
		struct forwarded_text last = forwarded_last(in, &len);

		assert_int_equal(last.len, 1);
		assert_memory_equal(last.at, expect[i], 1);
	}
	assert_null(forwarded_last(in, &len).at);
	assert_int_equal(len, 0);
	page_end_close(page);
}

/* ---- networks ---------------------------------------------------------------------- */

static const struct {
	const char *networks, *in, *out;	/* addresses that are in it, and
						 * not, with blanks between */
} network_rows[] = {
	{ "", "", "127.0.0.1 ::1 unix" },
	{ "127.0.0.1", "127.0.0.1 ::ffff:127.0.0.1",
	    "127.0.0.2 128.0.0.1 ::1 unix" },
	{ "10.0.0.0/8", "10.0.0.0 10.255.255.255 ::ffff:10.1.2.3",
	    "9.255.255.255 11.0.0.0 ::10.0.0.1" },
	{ "192.0.2.128/25", "192.0.2.128 192.0.2.255", "192.0.2.127" },
	{ "192.0.2.4/31", "192.0.2.4 192.0.2.5", "192.0.2.3 192.0.2.6" },
	{ "0.0.0.0/0", "0.0.0.0 255.255.255.255 ::ffff:1.2.3.4", "::1 unix" },
	{ "::/0", "::1 ffff::", "127.0.0.1 ::ffff:1.2.3.4 unix" },
	{ "2001:db8::/33", "2001:db8:: 2001:db8:7fff:ffff::",
	    "2001:db8:8000:: 2001:db9::" },
	{ "::1/128", "::1", "::2" },
	{ "unix", "unix", "127.0.0.1 ::1" },
	{ " unix,\t10.0.0.0/8 ,, ::1", "unix 10.1.1.1 ::1", "127.0.0.1" },
	{ "10.0.0.0/8 192.0.2.1", "10.1.1.1 192.0.2.1", "192.0.2.2" },
};

static void
check_addresses(const struct networks *networks, const char *words, bool in)
{
	char text[128], *rest = text, *word;

	snprintf(text, sizeof(text), "%s", words);
	while ((word = strsep(&rest, " ")) != NULL) {
		uint8_t address[16] = { 0 };
		unsigned family = strchr(word, ':') != NULL ? AF_INET6 :
		    AF_INET;

		if (*word == '\0')
			continue;
		if (strcmp(word, "unix") == 0)
			family = AF_UNIX;
		else
			assert_int_equal(inet_pton((int)family, word, address),
			    1);
		if (networks_contain(networks, family, address) != in)
			fail_msg("%s", word);
	}
}

static void
networks(void **state)
{
	static struct networks made;
	struct errmsg err;

	(void)state;
	for (size_t i = 0; i < COUNT(network_rows); i++) {
		assert_int_equal(networks_parse(&made,
		    network_rows[i].networks, &err), 0);
		check_addresses(&made, network_rows[i].in, true);
		check_addresses(&made, network_rows[i].out, false);
	}
}

static void
what_is_no_network(void **state)
{
	static const struct { const char *text, *words; } bad[] = {
		{ "localhost", "\"localhost\" is no address" },
		{ "10.0.0.0/33", "\"10.0.0.0/33\" is no address" },
		{ "10.0.0.0/", "is no address" },
		{ "10.0.0.0/-1", "is no address" },
		{ "10.0.0.0/8/8", "is no address" },
		{ "10.0.0/8", "is no address" },
		{ "::/129", "is no address" },
		{ "::1%lo", "is no address" },
		{ "unix/8", "is no address" },
		{ "UNIX", "is no address" },
		{ "127.0.0.1:80", "is no address" },
		{ "[::1]", "is no address" },
		{ "10.0.0.1/8", "has an address with more than 8 bits" },
		{ "192.0.2.1/31", "has an address with more than 31 bits" },
		{ "::1/127", "has an address with more than 127 bits" },
		{ "1.0.0.0/0", "has an address with more than 0 bits" },
		{ "::1, off", "\"off\" is no address" },
		{ "1111111111111111111111111111111111111111111111111111111111"
		    "111111111111111111111111", "is no address" },
	};
	static struct networks made;
	struct errmsg err;
	char many[1024] = "";

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_int_equal(networks_parse(&made, bad[i].text, &err),
		    ERR_BAD_ARGUMENT);
		if (strstr(err.text, bad[i].words) == NULL)
			fail_msg("%s: %s", bad[i].text, err.text);
	}
	for (int i = 0; i < NETWORKS_MAX; i++)
		snprintf(many + 4 * i, 5, "::1,");
	assert_int_equal(networks_parse(&made, many, &err), 0);
	snprintf(many + 4 * NETWORKS_MAX, 4, "::1");
	assert_int_equal(networks_parse(&made, many, &err), ERR_BAD_ARGUMENT);
	assert_string_equal(err.text, "has more than 64 networks");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes),
		cmocka_unit_test(lists),
		cmocka_unit_test(a_list_has_an_end),
		cmocka_unit_test(lists_from_their_end),
		cmocka_unit_test(networks),
		cmocka_unit_test(what_is_no_network),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
