/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_store.c: what is put is there after a restart, and can be asked for. */
#include "tests/unit/store_fixture.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/store/schema.h"

/* ---- answers ---------------------------------------------------------------------- */

struct answer {
	int done, rc, more;
	size_t count;
	uint64_t first, last;
	char json[4096];	/* of the last row */
};

static void
on_answer(void *arg, const struct store_answer *from)
{
	struct answer *answer = arg;

	answer->done++;
	answer->rc = from->rc;
	answer->more = from->more;
	answer->count = from->count;
	if (from->count == 0)
		return;
	answer->first = from->rows[0].key;
	answer->last = from->rows[from->count - 1].key;
	snprintf(answer->json, sizeof(answer->json), "%.*s",
	    (int)from->rows[from->count - 1].len,
	    from->rows[from->count - 1].json);
}

static struct answer
ask(struct fixture *fixture, const struct store_query *query)
{
	struct answer answer = { 0 };

	assert_true(store_query(fixture->store, query, on_answer, &answer) > 0);
	fixture_await_flag(fixture, &answer.done);
	assert_int_equal(answer.rc, 0);
	return answer;
}

/* ---- tests ------------------------------------------------------------------------- */

static void
test_remembers(void **state)
{
	struct fixture *fixture = *state;
	const struct store_pool pool = {
		.pool = "web", .desired = 4, .scaled = 1, .file_workers = 2,
		.bucket_milli = 2500, .restarts = 7,
	};
	const struct store_generation generation = {
		.number = 3, .time = 10, .previous = 2, .state = "committed",
	};
	const struct store_loaded *loaded;

	fixture_start(fixture);
	loaded = store_load(fixture->store);
	assert_false(loaded->present);
	store_put_pool(fixture->store, &pool);
	fixture_put_slot(fixture, 0, 1);
	fixture_put_slot(fixture, 1, 0);
	fixture_put_death(fixture, 100);
	fixture_put_death(fixture, 100);	/* again, after a crash */
	store_put_generation(fixture->store, &generation);
	store_put_marks(fixture->store, 10000, 1000);
	fixture_put_event(fixture, 42);
	assert_true(store_flush(fixture->store, 5000));
	fixture_restart(fixture);

	loaded = store_load(fixture->store);
	assert_true(loaded->present);
	assert_int_equal(loaded->seq_mark, 10000);
	assert_int_equal(loaded->id_mark, 1000);
	assert_int_equal(loaded->generation, 3);
	assert_int_equal(loaded->committed, 3);
	assert_int_equal(loaded->previous, 2);
	assert_int_equal(loaded->pool_count, 1);
	assert_memory_equal(loaded->pools, &pool, sizeof(pool));
	assert_int_equal(loaded->slot_count, 2);
	assert_int_equal(loaded->slots[0].restarts, 1);
	assert_int_equal(loaded->slots[1].id, 101);
	assert_int_equal(loaded->slots[1].n, 2);
	assert_int_equal(loaded->dead_count, 1);
	assert_int_equal(loaded->dead[0], 100);
	assert_int_equal(fixture_number(fixture,
	    "SELECT signal FROM deaths WHERE code IS NULL AND rss_kb IS NULL"),
	    11);
}

static void
test_readable_by_others(void **state)
{
	struct fixture *fixture = *state;
	struct stat st;

	fixture_start(fixture);
	fixture_put_slot(fixture, 0, 5);
	fixture_await_number(fixture, "SELECT restarts FROM workers", 5);
	assert_int_equal(stat(fixture->file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	fixture_stop(fixture);
	assert_int_equal(fixture_number(fixture,
	    "SELECT restarts FROM workers"), 5);
}

static void
test_folds(void **state)
{
	struct fixture *fixture = *state;
	struct store_status status;

	fixture_start(fixture);
	for (unsigned i = 0; i < 20000; i++)
		fixture_put_slot(fixture, i % 4, i);
	store_status(fixture->store, &status);
	assert_true(status.waiting <= 4);
	assert_true(store_flush(fixture->store, 5000));
	assert_int_equal(fixture_number(fixture,
	    "SELECT sum(restarts) FROM workers"), 19996 + 19997 + 19998 + 19999);
}

static void
test_removes_pool(void **state)
{
	struct fixture *fixture = *state;
	const struct store_pool pool = { .pool = "web", .desired = 1 };

	fixture_start(fixture);
	for (unsigned i = 0; i < 100; i++)
		fixture_put_slot(fixture, i, i);
	store_put_pool(fixture->store, &pool);
	assert_true(store_flush(fixture->store, 5000));
	store_remove_pool(fixture->store, "web");
	fixture_put_slot(fixture, 3, 0);	/* it came back, new */
	assert_true(store_flush(fixture->store, 5000));
	assert_int_equal(fixture_number(fixture,
	    "SELECT count(*) * 10 + sum(restarts) FROM workers"), 10);
	assert_int_equal(fixture_number(fixture,
	    "SELECT count(*) FROM pools"), 0);
}

static void
test_queries_events(void **state)
{
	struct fixture *fixture = *state;
	static const struct {
		struct store_query query;
		size_t count;
		uint64_t first, last;
		int more;
	} cases[] = {
		{ { .limit = 10 }, 10, 1, 10, 1 },
		{ { .since = 95 }, 6, 95, 100, 0 },
		{ { .since_ms = 1000098 }, 3, 98, 100, 0 },
		{ { .limit = 5, .last = 1 }, 5, 96, 100, 1 },
		{ { .worker = "web" }, 100, 1, 100, 0 },
		{ { .worker = "web/0" }, 100, 1, 100, 0 },
		{ { .worker = "web/1" }, 0, 0, 0, 0 },
		{ { .worker = "we" }, 0, 0, 0, 0 },
		{ { .since = 1000 }, 0, 0, 0, 0 },
	};

	fixture_start(fixture);
	for (uint64_t seq = 1; seq <= 100; seq++)
		fixture_put_event(fixture, seq);
	assert_true(store_flush(fixture->store, 5000));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct answer answer = ask(fixture, &cases[i].query);

		assert_int_equal(answer.count, cases[i].count);
		assert_int_equal(answer.first, cases[i].first);
		assert_int_equal(answer.last, cases[i].last);
		assert_int_equal(answer.more, cases[i].more);
	}
}

static void
test_queries_rows(void **state)
{
	struct fixture *fixture = *state;
	struct store_command command = {
		.command_id = "abc", .time = 5, .command = "scale",
		.args = "{\"pool\":\"web\"}", .uid = 0, .gid = -1, .pid = 9,
		.state = "running",
	};
	const struct store_generation generation = {
		.number = 1, .time = 10, .state = "rejected",
		.verdict = "x.ini:3: [pool web] listen: \"tls\"",
	};
	struct answer answer;

	fixture_start(fixture);
	fixture_put_death(fixture, 77);
	store_put_generation(fixture->store, &generation);
	store_put_command(fixture->store, &command);
	command.state = "done";
	command.ended = 6;
	command.result = "{\"ready\":4}";
	store_put_command(fixture->store, &command);
	assert_true(store_flush(fixture->store, 5000));

	answer = ask(fixture, &(struct store_query){ .table = STORE_DEATHS,
	    .worker = "web/0" });
	assert_int_equal(answer.count, 1);
	assert_non_null(strstr(answer.json, "{\"worker\":\"web/0\","));
	assert_non_null(strstr(answer.json, "\"id\":77,"));
	assert_non_null(strstr(answer.json,
	    "\"code\":null,\"signal\":\"SIGSEGV\","));
	assert_non_null(strstr(answer.json,
	    "\"asked\":true,\"reason\":\"scale\","));
	assert_non_null(strstr(answer.json,
	    "\"text\":\"killed by SIGSEGV in \\\"hello\\\"\"}"));

	answer = ask(fixture, &(struct store_query){
	    .table = STORE_GENERATIONS });
	assert_int_equal(answer.count, 1);
	assert_non_null(strstr(answer.json, "\"state\":\"rejected\""));

	answer = ask(fixture, &(struct store_query){ .table = STORE_COMMANDS,
	    .command_id = "abc" });
	assert_int_equal(answer.count, 1);
	assert_non_null(strstr(answer.json, "\"args\":{\"pool\":\"web\"},"
	    "\"uid\":0,\"gid\":null,\"pid\":9"));
	assert_non_null(strstr(answer.json, "\"state\":\"done\""));
	assert_non_null(strstr(answer.json, "\"result\":{\"ready\":4}}"));
	answer = ask(fixture, &(struct store_query){ .table = STORE_COMMANDS,
	    .command_id = "ab" });
	assert_int_equal(answer.count, 0);
}

static void
test_cancels(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer = { 0 }, other = { 0 };
	int job, jobs = 0;

	fixture_start(fixture);
	job = store_query(fixture->store, &(struct store_query){ 0 }, on_answer,
	    &answer);
	assert_true(job > 0);
	store_cancel(fixture->store, job);
	assert_true(store_query(fixture->store, &(struct store_query){ 0 },
	    on_answer, &other) > 0);
	fixture_await_flag(fixture, &other.done);
	assert_false(answer.done);
	while (store_query(fixture->store, &(struct store_query){ 0 }, on_answer,
	    &answer) > 0)
		jobs++;
	assert_int_equal(jobs, STORE_JOBS_MAX);
}

static void
test_retention(void **state)
{
	struct fixture *fixture = *state;

	fixture->options.keep = (struct store_keep){ 1000, 100, 100, 2 };
	fixture_start(fixture);
	for (uint64_t i = 1; i <= 4500; i++) {
		fixture_put_event(fixture, i);
		if (i % 10 == 0)
			fixture_put_death(fixture, i);
	}
	fixture_await_number(fixture, "SELECT min(seq) FROM events", 3501);
	fixture_await_number(fixture, "SELECT count(*) FROM deaths", 100);
	assert_int_equal(fixture_number(fixture,
	    "SELECT max(worker_id) FROM deaths"), 4500);
}

static void
test_backup(void **state)
{
	struct fixture *fixture = *state;
	struct fixture copy = *fixture;
	struct answer answer = { 0 };

	snprintf(copy.file, sizeof(copy.file), "%s/copy.db", fixture->dir);
	fixture_start(fixture);
	fixture_put_slot(fixture, 0, 9);
	assert_true(store_flush(fixture->store, 5000));
	assert_true(store_backup(fixture->store, copy.file, on_answer,
	    &answer) > 0);
	fixture_await_flag(fixture, &answer.done);
	assert_int_equal(answer.rc, 0);
	assert_int_equal(fixture_number(&copy, "SELECT restarts FROM workers"),
	    9);
	answer.done = 0;
	assert_true(store_backup(fixture->store, copy.file, on_answer,
	    &answer) > 0);
	fixture_await_flag(fixture, &answer.done);
	assert_int_not_equal(answer.rc, 0);	/* it exists */
}

static void
test_syncs(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer = { 0 };

	fixture_start(fixture);
	fixture_put_slot(fixture, 0, 9);
	assert_true(store_sync(fixture->store, 5000, on_answer, &answer) > 0);
	fixture_await_flag(fixture, &answer.done);
	assert_int_equal(answer.rc, 0);
	assert_int_equal(fixture_number(fixture,
	    "SELECT restarts FROM workers"), 9);
}

static void
test_closed(void **state)
{
	struct fixture *fixture = *state;
	struct store_status status;
	struct answer answer = { 0 };

	fixture->options.closed = 1;
	fixture_start(fixture);
	fixture_put_event(fixture, 1);
	fixture_put_slot(fixture, 0, 1);
	store_status(fixture->store, &status);
	assert_int_equal(status.state, STORE_CLOSED);
	assert_int_equal(status.waiting, 0);
	assert_int_equal(store_query(fixture->store, &(struct store_query){ 0 },
	    on_answer, &answer), ERR_FAILED);
	assert_false(store_flush(fixture->store, 1));
	assert_int_not_equal(access(fixture->file, F_OK), 0);
}

/* A file of every version that ever was becomes one of today's. */
static void
test_migrations(void **state)
{
	struct fixture *fixture = *state;
	struct errmsg err;
	char copy[128];
	sqlite3 *db;

	for (int from = 1; from <= schema_current(); from++) {
		assert_int_equal(sqlite3_open(fixture->file, &db), SQLITE_OK);
		assert_int_equal(schema_migrate(db, 0, from, &err), 0);
		sqlite3_close(db);
		assert_int_equal(fixture_number(fixture,
		    "PRAGMA user_version"), from);
		fixture_start(fixture);
		fixture_put_slot(fixture, 0, 1);
		assert_true(store_flush(fixture->store, 5000));
		assert_int_equal(fixture_number(fixture,
		    "PRAGMA user_version"), schema_current());
		snprintf(copy, sizeof(copy), "%s.schema-%d", fixture->file,
		    from);
		assert_int_equal(access(copy, F_OK) == 0,
		    from < schema_current());
		fixture_stop(fixture);
		assert_int_equal(unlink(fixture->file), 0);
	}
}

int
main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, \
	fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_remembers),
		TEST(test_readable_by_others),
		TEST(test_folds),
		TEST(test_removes_pool),
		TEST(test_queries_events),
		TEST(test_queries_rows),
		TEST(test_cancels),
		TEST(test_retention),
		TEST(test_backup),
		TEST(test_syncs),
		TEST(test_closed),
		TEST(test_migrations),
	};

	fixture_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
