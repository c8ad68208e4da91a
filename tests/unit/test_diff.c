/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_diff.c: what a reload would change, and which pools it rolls. */
#include "daemon/conf/diff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/errmsg.h"

static void
add_pool(struct conf *conf, const char *name, const char *address,
    uint32_t plugin)
{
	struct conf_pool *pool = conf_add_pool(conf, name);
	struct conf_listen *listen = conf_add_listen(pool);
	struct conf_route *route = conf_add_route(pool);

	listen->text = address;
	listen->type = LISTEN_STREAM;
	route->pattern = "/";
	route->plugin = plugin;
}

static struct conf *
make_conf(void)
{
	struct conf *conf = conf_new();
	struct conf_plugin *plugin = conf_add_plugin(conf, "hello");
	struct conf_option *option = conf_add_option(plugin);
	struct conf_account *account = conf_add_account(conf);

	option->name = "key";
	option->value = "one";
	option->secret = 1;
	conf_add_plugin(conf, "echo");
	add_pool(conf, "web", "127.0.0.1:1", 0);
	add_pool(conf, "api", "127.0.0.1:2", 1);
	account->uid = 10;
	account->gid = 20;
	account->name = "worker";
	return conf;
}

struct outcome {
	struct conf *before, *after;
	struct diff diff;
};

static void
begin(struct outcome *outcome)
{
	outcome->before = make_conf();
	outcome->after = make_conf();
}

static void
end(struct outcome *outcome)
{
	diff_done(&outcome->diff);
	conf_unref(outcome->before);
	conf_unref(outcome->after);
}

static void
expect_row(const struct diff *diff, size_t index, const char *section,
    const char *key, enum key_applies applies, const char *before,
    const char *after)
{
	const struct diff_row *row = &diff->rows[index];

	assert_true(index < diff->count);
	assert_string_equal(row->section, section);
	assert_string_equal(row->key, key);
	assert_int_equal(row->applies, applies);
	assert_string_equal(row->before != NULL ? row->before : "-",
	    before != NULL ? before : "-");
	assert_string_equal(row->after != NULL ? row->after : "-",
	    after != NULL ? after : "-");
}

static void
test_equal(void **state)
{
	struct outcome o;

	(void)state;
	begin(&o);
	o.after->generation = 9;	/* is no difference */
	assert_int_equal(diff_make(o.before, o.after, &o.diff), 0);
	assert_int_equal(o.diff.count, 0);
	end(&o);
}

static void
test_live_rolls_nothing(void **state)
{
	struct outcome o;

	(void)state;
	begin(&o);
	o.after->daemon.log_level = LEVEL_DEBUG;
	o.after->pools[0].handler_timeout_ms = 5000;
	o.after->pools[0].workers = "8";
	o.after->pools[1].listens[0].text = "127.0.0.1:3";
	diff_make(o.before, o.after, &o.diff);
	assert_int_equal(o.diff.count, 5);
	expect_row(&o.diff, 0, "daemon", "log_level", APPLIES_LIVE, "notice",
	    "debug");
	expect_row(&o.diff, 1, "pool web", "workers", APPLIES_LIVE, "auto",
	    "8");
	expect_row(&o.diff, 2, "pool web", "handler_timeout", APPLIES_LIVE,
	    "30s", "5s");
	expect_row(&o.diff, 3, "pool api", "listen", APPLIES_LIVE, NULL,
	    "127.0.0.1:3");
	expect_row(&o.diff, 4, "pool api", "listen", APPLIES_LIVE,
	    "127.0.0.1:2", NULL);
	assert_int_equal(o.diff.refused, 0);
	assert_int_equal(o.diff.roll[0] + o.diff.roll[1], 0);
	assert_int_equal(o.diff.alike[0] + o.diff.alike[1], 2);
	end(&o);
}

/* The same routes and plugins, in another order: their numbers differ. */
static void
test_alike_is_what_has_the_same_numbers(void **state)
{
	const struct conf_route routes[] = { { "/a", 0 }, { "/b", 1 } };
	struct outcome o;

	(void)state;
	for (int turn = 0; turn < 3; turn++) {
		begin(&o);
		for (size_t i = 0; i < 2; i++) {
			*conf_add_route(&o.before->pools[0]) = routes[i];
			*conf_add_route(&o.after->pools[0]) =
			    routes[turn == 1 ? 1 - i : i];
		}
		if (turn == 2) {	/* sections in another order */
			o.after->plugins[0].name = "echo";
			o.after->plugins[1].name = "hello";
			o.after->plugins[1].options =
			    o.after->plugins[0].options;
			o.after->plugins[1].option_count = 1;
			o.after->plugins[0].options = NULL;
			o.after->plugins[0].option_count = 0;
			for (size_t i = 0; i < 3; i++)
				o.after->pools[0].routes[i].plugin ^= 1;
			o.after->pools[1].routes[0].plugin ^= 1;
		}
		assert_int_equal(diff_make(o.before, o.after, &o.diff), 0);
		assert_int_equal(o.diff.count, 0);
		assert_int_equal(o.diff.alike[0], turn == 0);
		assert_int_equal(o.diff.alike[1], 1);
		end(&o);
	}
}

static void
test_reload_rolls_its_pool(void **state)
{
	struct outcome o;

	(void)state;
	begin(&o);
	o.after->pools[1].max_headers = 50;
	assert_non_null(conf_add_env(o.after, &o.after->pools[1], "A=1"));
	diff_make(o.before, o.after, &o.diff);
	assert_int_equal(o.diff.count, 2);
	expect_row(&o.diff, 1, "pool api", "env", APPLIES_RELOAD, NULL, "A=1");
	assert_int_equal(o.diff.roll[0], 0);
	assert_int_equal(o.diff.roll[1], 1);
	assert_int_equal(o.diff.alike[0], 1);
	assert_int_equal(o.diff.alike[1], 0);
	end(&o);
}

static void
test_restart_is_refused(void **state)
{
	struct outcome o;

	(void)state;
	begin(&o);
	o.after->daemon.run_dir = "/elsewhere";
	o.after->pools[0].schedule = SCHEDULE_REUSEPORT;
	o.after->pools[1].schedule = SCHEDULE_SHARED;
	diff_make(o.before, o.after, &o.diff);
	assert_int_equal(o.diff.count, 3);
	assert_int_equal(o.diff.refused, 2);
	expect_row(&o.diff, 1, "pool web", "schedule", APPLIES_RESTART,
	    "round-robin", "reuseport");
	expect_row(&o.diff, 2, "pool api", "schedule", APPLIES_LIVE,
	    "round-robin", "shared");
	end(&o);
}

static void
test_plugin_rolls_who_uses_it(void **state)
{
	struct outcome o;

	(void)state;
	begin(&o);
	o.after->plugins[0].options[0].value = "two";
	o.after->plugins[1].sha256 = "ab";
	diff_make(o.before, o.after, &o.diff);
	assert_int_equal(o.diff.count, 2);
	expect_row(&o.diff, 0, "plugin hello", "key", APPLIES_RELOAD, "***",
	    "***");
	expect_row(&o.diff, 1, "plugin echo", "sha256", APPLIES_RELOAD, "",
	    "ab");
	assert_int_equal(o.diff.roll[0], 1);
	assert_int_equal(o.diff.roll[1], 1);
	end(&o);
}

static void
test_pools_come_and_go(void **state)
{
	struct outcome o;

	(void)state;
	begin(&o);
	o.after->pools[1].name = "new";
	diff_make(o.before, o.after, &o.diff);
	assert_int_equal(o.diff.count, 2);
	expect_row(&o.diff, 0, "pool new", "", APPLIES_LIVE, NULL, "auto");
	expect_row(&o.diff, 1, "pool api", "", APPLIES_LIVE, "auto", NULL);
	assert_int_equal(o.diff.added[1], 1);
	assert_int_equal(o.diff.removed[1], 1);
	end(&o);
}

static void
test_accounts_are_renumbered(void **state)
{
	static const uint32_t uids[] = { 1, 10, 10 }, gids[] = { 1, 10, 20 };
	struct conf *conf = make_conf();
	struct errmsg err;

	(void)state;
	assert_int_equal(conf_renumber_accounts(conf, uids, gids, 2, &err),
	    ERR_CONFLICT);
	assert_string_equal(err.text, "[daemon] user: account \"worker\" was "
	    "not there at the start; it needs a restart");
	assert_int_equal(conf_renumber_accounts(conf, uids, gids, 3, &err), 0);
	assert_int_equal(conf->daemon.worker_account, 2);
	assert_int_equal(conf->pools[1].account, 2);
	assert_int_equal(conf->account_count, 3);
	assert_string_equal(conf->accounts[2].name, "worker");
	conf_unref(conf);
}

static void
add_filter(struct conf *conf, const char *pattern, uint32_t plugin)
{
	struct conf_route *filter = conf_add_filter(&conf->pools[0]);

	filter->pattern = pattern;
	filter->plugin = plugin;
}

/* Those that match all apply, in the order of the file: another order is news. */
static void
test_filters(void **state)
{
	struct outcome o;

	(void)state;
	begin(&o);
	add_filter(o.before, "/", 0);
	add_filter(o.before, "/x", 1);
	add_filter(o.after, "/x", 1);
	add_filter(o.after, "/", 0);
	diff_make(o.before, o.after, &o.diff);
	assert_int_equal(o.diff.count, 2);
	expect_row(&o.diff, 0, "pool web", "filter", APPLIES_RELOAD, "/ hello",
	    "/x echo");
	assert_int_equal(o.diff.roll[0], 1);
	assert_int_equal(o.diff.roll[1], 0);
	end(&o);
	begin(&o);
	add_filter(o.after, "/", 1);
	diff_make(o.before, o.after, &o.diff);
	assert_int_equal(o.diff.count, 1);
	expect_row(&o.diff, 0, "pool web", "filter", APPLIES_RELOAD, NULL,
	    "/ echo");
	end(&o);
}

static void
add_page(struct conf *conf, const char *text, const char *data)
{
	struct conf_page *page = conf_add_page(&conf->pools[0]);

	page->text = text;
	page->data = data;
	page->len = strlen(data);
}

/* The bytes of a file are part of the configuration, and are not shown. */
static void
test_pages(void **state)
{
	struct outcome o;

	(void)state;
	begin(&o);
	add_page(o.before, "404 /a.txt", "same");
	add_page(o.before, "500 /b.txt", "one");
	add_page(o.before, "502 /c.txt", "gone");
	add_page(o.after, "404 /a.txt", "same");
	add_page(o.after, "500 /b.txt", "two");
	diff_make(o.before, o.after, &o.diff);
	assert_int_equal(o.diff.count, 2);
	expect_row(&o.diff, 0, "pool web", "error_page", APPLIES_RELOAD,
	    "500 /b.txt (7692c3ad3540)", "500 /b.txt (3fc4ccfe7458)");
	expect_row(&o.diff, 1, "pool web", "error_page", APPLIES_RELOAD,
	    "502 /c.txt", NULL);
	assert_int_equal(o.diff.roll[0], 1);
	end(&o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_live_rolls_nothing),
		cmocka_unit_test(test_alike_is_what_has_the_same_numbers),
		cmocka_unit_test(test_reload_rolls_its_pool),
		cmocka_unit_test(test_restart_is_refused),
		cmocka_unit_test(test_plugin_rolls_who_uses_it),
		cmocka_unit_test(test_pools_come_and_go),
		cmocka_unit_test(test_accounts_are_renumbered),
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
