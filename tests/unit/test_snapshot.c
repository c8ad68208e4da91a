/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * test_snapshot.c: a configuration and its bytes: there and back, a worker's
 * share, and that no cut or changed byte gets past the reader.
 */
#include "daemon/conf/snapshot.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "common/base/check.h"
#include "common/base/errmsg.h"
#include "daemon/proto/snapshot.h"

static void
add_listen(struct conf *conf, struct conf_pool *pool, const char *text,
    uint16_t port)
{
	struct conf_listen *listen = conf_add_listen(pool);
	struct sockaddr_in in = { .sin_family = AF_INET };

	in.sin_port = htons(port);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listen->text = conf_text(conf, text, strlen(text));
	listen->type = LISTEN_STREAM;
	listen->family = AF_INET;
	listen->len = sizeof(in);
	memcpy(listen->address, &in, sizeof(in));
}

static void
add_route(struct conf_pool *pool, const char *pattern, uint32_t plugin)
{
	struct conf_route *route = conf_add_route(pool);

	route->pattern = pattern;
	route->plugin = plugin;
}

static void
add_page(struct conf_pool *pool, const char *text, const char *data,
    size_t len)
{
	struct conf_page *page = conf_add_page(pool);

	page->text = text;
	page->data = data;
	page->len = len;
}

static void
add_option(struct conf_plugin *plugin, const char *name, const char *value,
    int secret)
{
	struct conf_option *option = conf_add_option(plugin);

	option->name = name;
	option->value = value;
	option->secret = secret;
}

/* Two pools, three plugins; api has the secret. */
static struct conf *
make_conf(void)
{
	struct conf *conf = conf_new();
	struct conf_account *account = conf_add_account(conf);
	struct conf_pool *web, *api;
	struct conf_listen *listen;
	struct conf_route *filter;

	account->name = "worker";
	account->uid = 99;
	account->gid = 98;
	account->group_count = 1;
	account->groups[0] = 98;
	add_option(conf_add_plugin(conf, "hello"), "greeting", "Hi", 0);
	add_option(conf_add_plugin(conf, "vault"), "key", "hush", 1);
	conf_add_plugin(conf, "echo")->sha256 =
	    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	conf_add_pool(conf, "web");
	conf_add_pool(conf, "api");
	web = &conf->pools[0];
	api = &conf->pools[1];
	add_listen(conf, web, "127.0.0.1:8080", 8080);
	add_route(web, "/", 0);
	add_route(web, "/echo", 2);
	assert_non_null(conf_add_env(conf, web, "A=1"));
	assert_non_null(conf_add_env(conf, web, "B="));
	web->workers_min = web->workers_max = 2;
	web->handler_timeout_ms = 1234;
	web->max_surge = CONF_SHARE_PERCENT + 25;
	web->schedule = SCHEDULE_SHARED;
	listen = conf_add_listen(api);
	listen->text = "fd:api";
	listen->inherited = listen->text + 3;
	listen->type = LISTEN_STREAM;
	add_route(api, "/", 1);
	add_route(api, "GET,PUT /x", 1);
	filter = conf_add_filter(api);
	filter->pattern = "/";
	filter->plugin = 0;
	add_page(api, "404,500 /x.html", "a\0b", 3);
	add_page(api, "503 /x.txt", "", 0);
	conf->daemon.cpus = 2;
	conf->daemon.control_gid = 7;
	conf->generation = 3;
	return conf;
}

static void
encode(const struct conf *conf, int pool, struct buf *out)
{
	buf_init(out, 0);
	assert_int_equal(snapshot_encode(conf, pool, out), 0);
}

static struct conf *
decode(const struct buf *buf)
{
	struct errmsg err = { 0 };
	struct conf *conf = NULL;

	if (snapshot_decode(buf_at(buf), buf_len(buf), &conf, &err) != 0)
		fail_msg("%s", err.text);
	return conf;
}

static void
test_there_and_back(void **state)
{
	struct conf *conf = make_conf(), *back;
	struct buf first, second;

	(void)state;
	encode(conf, SNAPSHOT_ALL, &first);
	back = decode(&first);
	assert_int_equal(back->generation, 3);
	assert_int_equal(back->pool_count, 2);
	assert_int_equal(back->plugin_count, 3);
	assert_int_equal(back->accounts[0].gid, 98);
	assert_string_equal(back->pools[0].listens[0].text, "127.0.0.1:8080");
	assert_memory_equal(back->pools[0].listens[0].address,
	    conf->pools[0].listens[0].address, 128);
	assert_string_equal(back->pools[1].listens[0].inherited, "api");
	assert_int_equal(back->pools[0].routes[1].plugin, 2);
	assert_string_equal(back->pools[0].env[1], "B=");
	assert_int_equal(back->pools[0].handler_timeout_ms, 1234);
	assert_int_equal(back->pools[0].max_surge, CONF_SHARE_PERCENT + 25);
	assert_int_equal(back->pools[0].schedule, SCHEDULE_SHARED);
	assert_string_equal(back->pools[1].routes[1].pattern, "GET,PUT /x");
	assert_int_equal(back->pools[1].filter_count, 1);
	assert_string_equal(back->pools[1].filters[0].pattern, "/");
	assert_int_equal(back->pools[1].page_count, 2);
	assert_string_equal(back->pools[1].pages[0].text, "404,500 /x.html");
	assert_int_equal(back->pools[1].pages[0].len, 3);
	assert_memory_equal(back->pools[1].pages[0].data, "a\0b", 4);
	assert_int_equal(back->pools[1].pages[1].len, 0);
	assert_string_equal(back->plugins[1].options[0].value, "hush");
	assert_true(back->plugins[1].options[0].secret);
	encode(back, SNAPSHOT_ALL, &second);
	assert_int_equal(buf_len(&first), buf_len(&second));
	assert_memory_equal(buf_at(&first), buf_at(&second), buf_len(&first));
	buf_done(&first);
	buf_done(&second);
	conf_unref(back);
	conf_unref(conf);
}

static void
test_worker_gets_its_share(void **state)
{
	struct conf *conf = make_conf(), *web, *api;
	struct buf bytes;

	(void)state;
	conf->daemon.orphan_grace_ms = 7000;
	encode(conf, 0, &bytes);
	assert_null(memmem(buf_at(&bytes), buf_len(&bytes), "hush", 4));
	web = decode(&bytes);
	buf_done(&bytes);
	assert_int_equal(web->pool_count, 1);
	assert_int_equal(web->plugin_count, 2);
	assert_int_equal(web->account_count, 0);
	assert_int_equal(web->plugins[1].index, 2);
	assert_string_equal(web->plugins[web->pools[0].routes[1].plugin].name,
	    "echo");
	assert_int_equal(web->daemon.orphan_grace_ms, 7000);
	encode(conf, 1, &bytes);
	api = decode(&bytes);
	buf_done(&bytes);
	assert_int_equal(api->pools[0].index, 1);
	assert_string_equal(api->plugins[0].name, "hello");	/* a filter */
	assert_string_equal(api->plugins[1].name, "vault");
	assert_int_equal(api->pools[0].routes[0].plugin, 1);
	assert_int_equal(api->pools[0].filters[0].plugin, 0);
	conf_unref(web);
	conf_unref(api);
	conf_unref(conf);
}

static void
test_every_cut_is_refused(void **state)
{
	struct conf *conf = make_conf(), *none = NULL;
	struct buf bytes;

	(void)state;
	encode(conf, SNAPSHOT_ALL, &bytes);
	for (size_t len = 0; len < buf_len(&bytes); len++) {
		/* its own block, so that a read beyond is seen */
		char *copy = malloc(len + 1);

		memcpy(copy, buf_at(&bytes), len);
		assert_int_not_equal(snapshot_decode(copy, len, &none, NULL), 0);
		assert_null(none);
		free(copy);
	}
	buf_done(&bytes);
	conf_unref(conf);
}

/* Size, count and digest made right again, as a hostile checker would. */
static void
repair(char *data, size_t size)
{
	struct snapshot_header header;
	struct sha256 sha;

	memcpy(&header, data, sizeof(header));
	header.size = (uint32_t)size;
	sha256_init(&sha);
	sha256_add(&sha, data + sizeof(header), size - sizeof(header));
	sha256_end(&sha, header.sha256);
	memcpy(data, &header, sizeof(header));
}

static void
test_every_changed_byte(void **state)
{
	static const unsigned char masks[] = { 0x01, 0x80, 0xff };
	struct conf *conf = make_conf();
	size_t size;
	struct buf bytes;
	char *copy;

	(void)state;
	encode(conf, SNAPSHOT_ALL, &bytes);
	size = buf_len(&bytes);
	copy = malloc(size);
	for (size_t i = 0; i < size; i++) {
		struct conf *got = NULL;

		memcpy(copy, buf_at(&bytes), size);
		copy[i] = (char)(copy[i] ^ 0x41);
		/* the generation is not under the digest */
		if (i < 16 || i >= 24)
			assert_int_not_equal(snapshot_decode(copy, size, &got,
			    NULL), 0);
		for (size_t m = 0; m < COUNT(masks); m++) {
			got = NULL;
			memcpy(copy, buf_at(&bytes), size);
			copy[i] = (char)(copy[i] ^ masks[m]);
			repair(copy, size);
			if (snapshot_decode(copy, size, &got, NULL) == 0) {
				struct buf again;

				/* what is accepted can be written again */
				encode(got, SNAPSHOT_ALL, &again);
				buf_done(&again);
				conf_unref(got);
			}
		}
	}
	free(copy);
	buf_done(&bytes);
	conf_unref(conf);
}

static void
test_auto_is_resolved(void **state)
{
	struct conf *conf = make_conf();
	struct conf_pool *pool = &conf->pools[1];

	(void)state;
	assert_int_equal(conf_max_workers(conf), 12);
	assert_int_equal(conf_rlimit_nofile(pool), 1280);
	assert_int_equal(conf_max_fds(pool), 1024);
	assert_int_equal(conf_restart_burst(pool, 2), 6);
	assert_int_equal(conf_restart_burst(pool, 10), 20);
	assert_int_equal(conf_restart_rate(pool, 10), 12);
	assert_int_equal(conf_offload_threads(conf, pool), 2);
	assert_int_equal(conf_max_surge(pool, 0), 1);
	assert_int_equal(conf_max_surge(pool, 8), 1);
	assert_int_equal(conf_max_surge(pool, 9), 3);
	pool->max_surge = 4;
	assert_int_equal(conf_max_surge(pool, 2), 2);
	conf_unref(conf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_worker_gets_its_share),
		cmocka_unit_test(test_every_cut_is_refused),
		cmocka_unit_test(test_every_changed_byte),
		cmocka_unit_test(test_auto_is_resolved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
