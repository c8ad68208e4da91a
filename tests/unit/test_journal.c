/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_journal.c: every event, once, in order, whoever asks and from where. */
#include "tests/unit/store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "daemon/journal/journal.h"

/* ---- a follower that writes down what it is told -------------------------------------- */

struct listener {
	struct journal *journal;
	struct journal_follower *follower;
	size_t events;
	uint64_t first, last;
	int disorder;		/* a seq that was not above the one before */
	int current, done, lagged, gap;
	uint64_t lost, lost_last;	/* how many, up to which */
	int last_id;
	size_t wait_after;	/* say WAIT after so many; 0: never */
	size_t stop_after;
	size_t publish_after;	/* publish one itself */
	char json[1024];	/* of the last */
};

static int
on_news(void *arg, enum journal_news news, const struct journal_event *event)
{
	struct listener *listener = arg;

	switch (news) {
	case JOURNAL_EVENT:
		if (listener->events++ == 0)
			listener->first = event->seq;
		listener->disorder |= event->seq <= listener->last;
		listener->last = event->seq;
		listener->last_id = event->id;
		snprintf(listener->json, sizeof(listener->json), "%.*s",
		    (int)event->len, event->json);
		if (listener->events == listener->publish_after)
			journal_publish(listener->journal, EVENT_POOL_SCALED,
			    NULL);
		if (listener->events == listener->stop_after)
			return JOURNAL_STOP;
		if (listener->wait_after != 0 &&
		    listener->events % listener->wait_after == 0)
			return JOURNAL_WAIT;
		break;
	case JOURNAL_CURRENT:
		listener->current++;
		break;
	case JOURNAL_DONE:
		listener->done++;
		break;
	case JOURNAL_LAGGED:
		listener->lagged++;
		break;
	case JOURNAL_GAP:
		listener->gap++;
		break;
	case JOURNAL_LOST:
		listener->lost += event->lost;
		listener->lost_last = event->seq;
		listener->disorder |= event->seq <= listener->last;
		break;
	}
	return JOURNAL_MORE;
}

static void
follow(struct journal *journal, struct listener *listener,
    const struct journal_range *range)
{
	struct errmsg err;

	listener->journal = journal;
	assert_int_equal(journal_follow(journal, range, on_news, listener,
	    &listener->follower, &err), 0);
}

static const struct journal_range everything = { .until = -1, .follow = 1 };
static const struct journal_range history = { .until = -1 };
static const struct journal_range live = {
	.until = -1, .follow = 1, .live_only = 1,
};

static uint64_t
publish(struct journal *journal, size_t count)
{
	uint64_t seq = 0;

	for (size_t i = 0; i < count; i++)
		seq = journal_publish(journal, EVENT_WORKER_READY,
		    &(struct event_fields){ .pool = "web", .has_slot = 1,
		    .slot = (unsigned)(i % 4), .id = 5, .pid = 77 });
	return seq;
}

static struct journal *
begin(struct fixture *fixture, uint64_t first)
{
	struct journal *journal;

	log_set_level(LL_ERROR);
	fixture_start(fixture);
	journal = journal_new(fixture->store, first);
	assert_non_null(journal);
	return journal;
}

/* ---- tests ------------------------------------------------------------------------- */

static void
test_json(void **state)
{
	struct fixture *fixture = *state;
	struct journal *journal = begin(fixture, 7);
	struct listener listener = { 0 };
	const char *rest;

	follow(journal, &listener, &live);
	assert_int_equal(journal_publish(journal, EVENT_WORKER_EXITED,
	    &(struct event_fields){
		.pool = "web", .has_slot = 1, .id = 12, .pid = 4711,
		.generation = 3, .text = "killed \"it\"\n",
		.more = (const struct event_member[]){
			EVENT_TEXT("signal", "SIGSEGV"),
			EVENT_TEXT("code", NULL),
			EVENT_NUMBER("uptime_ms", -1),
			EVENT_JSON("doing", "{\"path\":\"/\"}"),
			EVENT_END } }), 7);
	assert_memory_equal(listener.json, "{\"seq\":7,\"time\":", 16);
	rest = strstr(listener.json, ",\"event\"");
	assert_string_equal(rest, ",\"event\":\"worker.exited\","
	    "\"worker\":\"web/0\",\"pid\":4711,\"pool\":\"web\",\"slot\":0,"
	    "\"id\":12,\"generation\":3,\"text\":\"killed \\\"it\\\"\\n\","
	    "\"signal\":\"SIGSEGV\",\"code\":null,\"uptime_ms\":-1,"
	    "\"doing\":{\"path\":\"/\"}}");
	journal_publish(journal, EVENT_MASTER_STARTED, NULL);
	rest = strstr(listener.json, ",\"event\"");
	assert_string_equal(rest, ",\"event\":\"master.started\","
	    "\"worker\":null,\"pid\":null,\"pool\":null,\"slot\":null,"
	    "\"id\":null,\"generation\":null,\"text\":null}");
	journal_free(journal);
}

static void
test_follows(void **state)
{
	struct fixture *fixture = *state;
	struct journal *journal = begin(fixture, 1);
	struct listener all = { 0 }, part = { 0 }, now = { 0 }, past = { 0 };

	publish(journal, 10);
	follow(journal, &all, &(struct journal_range){ .since_seq = 1,
	    .until = -1, .follow = 1 });
	assert_int_equal(all.events, 10);
	assert_int_equal(all.current, 1);
	follow(journal, &part, &(struct journal_range){ .since_seq = 8,
	    .until = -1, .follow = 1 });
	assert_int_equal(part.events, 3);
	follow(journal, &now, &live);
	assert_int_equal(now.events, 0);
	assert_int_equal(now.current, 1);
	follow(journal, &past, &(struct journal_range){ .since_seq = 1,
	    .until = -1 });
	assert_int_equal(past.done, 1);
	assert_null(past.follower);
	publish(journal, 5);
	assert_int_equal(all.events, 15);
	assert_int_equal(part.events, 8);
	assert_int_equal(now.events, 5);
	assert_int_equal(past.events, 10);
	journal_unfollow(now.follower);
	publish(journal, 1);
	assert_int_equal(now.events, 5);
	assert_int_equal(all.last, 16);
	assert_false(all.disorder | part.disorder | now.disorder);
	journal_free(journal);
}

static void
test_until(void **state)
{
	struct fixture *fixture = *state;
	struct journal *journal = begin(fixture, 1);
	struct listener listener = { 0 };

	follow(journal, &listener, &(struct journal_range){ .live_only = 1,
	    .follow = 1, .until = EVENT_WORKER_EXITED });
	publish(journal, 3);
	journal_publish(journal, EVENT_WORKER_EXITED, NULL);
	publish(journal, 3);
	assert_int_equal(listener.events, 4);
	assert_int_equal(listener.done, 1);
	assert_int_equal(listener.last_id, EVENT_WORKER_EXITED);
	journal_free(journal);
}

/* Older than the ring, and of another life of the daemon. */
static void
test_history(void **state)
{
	struct fixture *fixture = *state;
	struct journal *journal = begin(fixture, 1);
	struct listener past = { 0 }, all = { 0 }, slow = { .wait_after = 100 };
	struct listener since = { 0 }, brief = { .stop_after = 3 };
	uint64_t mark;

	publish(journal, 2 * JOURNAL_RING);
	assert_true(store_flush(fixture->store, 5000));
	mark = journal_seq_mark(journal);
	assert_true(mark > 2 * JOURNAL_RING);
	journal_free(journal);
	fixture_stop(fixture);
	journal = begin(fixture, 0);
	assert_true(store_load(fixture->store)->seq_mark >= mark);
	journal_free(journal);
	journal = journal_new(fixture->store,
	    store_load(fixture->store)->seq_mark);
	publish(journal, 10);

	follow(journal, &past, &history);
	fixture_await_flag(fixture, &past.done);
	assert_int_equal(past.events, 2 * JOURNAL_RING + 10);
	assert_int_equal(past.first, 1);
	follow(journal, &all, &everything);
	fixture_await_flag(fixture, &all.current);
	publish(journal, 1);
	assert_int_equal(all.events, 2 * JOURNAL_RING + 11);
	follow(journal, &since, &(struct journal_range){ .until = -1,
	    .since_seq = 2 * JOURNAL_RING - 2 });
	fixture_await_flag(fixture, &since.done);
	assert_int_equal(since.events, 3 + 11);

	follow(journal, &slow, &everything);
	while (!slow.current) {
		size_t before = slow.events;

		store_poll(fixture->store);
		if (slow.events == before)
			journal_resume(slow.follower);
	}
	assert_int_equal(slow.events, 2 * JOURNAL_RING + 11);
	/* One that ends while the database tells. */
	follow(journal, &brief, &history);
	while (brief.events < 3)
		store_poll(fixture->store);
	publish(journal, 1);
	assert_int_equal(brief.events, 3);
	assert_false(past.disorder | all.disorder | slow.disorder);
	assert_int_equal(past.gap + all.gap + slow.gap, 0);
	journal_free(journal);
}

static void
test_lag(void **state)
{
	struct fixture *fixture = *state;
	struct journal *journal = begin(fixture, 1);
	struct listener slow = { .wait_after = 1 };

	follow(journal, &slow, &live);
	publish(journal, JOURNAL_LAG_MAX);
	assert_int_equal(slow.events, 1);
	assert_false(slow.lagged);
	journal_resume(slow.follower);
	assert_int_equal(slow.events, 2);
	publish(journal, JOURNAL_LAG_MAX);
	assert_int_equal(slow.lagged, 1);
	publish(journal, 10);
	assert_int_equal(slow.lagged, 1);
	journal_free(journal);
}

/* Who can do without some is told how many of his they were, where they were. */
static void
test_lossy(void **state)
{
	const struct journal_range range = { .until = -1, .follow = 1,
	    .live_only = 1, .lossy = 1,
	    .events = JOURNAL_BIT(EVENT_WORKER_READY) };
	struct fixture *fixture = *state;
	struct journal *journal = begin(fixture, 1);
	struct listener slow = { .wait_after = 1 };
	uint64_t last;

	follow(journal, &slow, &range);
	last = publish(journal, JOURNAL_LAG_MAX + 2);
	journal_publish(journal, EVENT_POOL_SCALED, NULL);
	assert_int_equal(slow.events, 1);
	assert_int_equal(slow.lost, 0);
	journal_resume(slow.follower);
	assert_int_equal(slow.lost, JOURNAL_LAG_MAX + 1);
	assert_int_equal(slow.lost_last, last);
	assert_int_equal(slow.events, 1);
	last = publish(journal, 1);
	assert_int_equal(slow.events, 2);
	assert_int_equal(slow.last, last);
	assert_false(slow.disorder | slow.lagged);
	journal_free(journal);
}

/* Only those that were asked for, live and from the database. */
static void
test_chosen(void **state)
{
	const struct journal_range range = { .until = -1, .follow = 1,
	    .events = JOURNAL_BIT(EVENT_POOL_SCALED) };
	struct fixture *fixture = *state;
	struct journal *journal = begin(fixture, 1);
	struct listener live_one = { 0 }, past = { 0 };
	uint64_t id;
	char name[16];

	follow(journal, &live_one, &range);
	while (!live_one.current)
		store_poll(fixture->store);
	publish(journal, 5);
	journal_publish(journal, EVENT_POOL_SCALED, NULL);
	publish(journal, JOURNAL_RING);
	assert_int_equal(live_one.events, 1);
	assert_int_equal(live_one.last_id, EVENT_POOL_SCALED);
	assert_true(store_flush(fixture->store, 5000));
	follow(journal, &past, &range);
	while (!past.current)
		store_poll(fixture->store);
	assert_int_equal(past.events, 1);
	assert_int_equal(past.last, live_one.last);
	journal_event_worker(&(struct journal_event){ .json = past.json,
	    .len = strlen(past.json) }, name, sizeof(name), &id);
	assert_string_equal(name, "");
	assert_int_equal(id, 0);
	follow(journal, &past, &live);
	publish(journal, 1);
	journal_event_worker(&(struct journal_event){ .json = past.json,
	    .len = strlen(past.json) }, name, sizeof(name), &id);
	assert_string_equal(name, "web/0");
	assert_int_equal(id, 5);
	journal_free(journal);
}

/* Callbacks that publish and that end themselves. */
static void
test_callbacks(void **state)
{
	struct fixture *fixture = *state;
	struct journal *journal = begin(fixture, 1);
	struct listener speaker = { .publish_after = 2 }, other = { 0 };
	struct listener brief = { .stop_after = 1 };

	follow(journal, &speaker, &live);
	follow(journal, &brief, &live);
	follow(journal, &other, &live);
	publish(journal, 3);
	assert_int_equal(speaker.events, 4);
	assert_int_equal(other.events, 4);
	assert_int_equal(brief.events, 1);
	assert_false(speaker.disorder | other.disorder);
	assert_true(store_flush(fixture->store, 5000));
	assert_int_equal(fixture_number(fixture, "SELECT count(*) FROM events "
	    "WHERE json LIKE '{\"seq\":' || seq || ',%\"' || event || '\"%'"),
	    4);
	journal_free(journal);
}

static void
test_too_many(void **state)
{
	struct fixture *fixture = *state;
	struct journal *journal = begin(fixture, 1);
	struct listener listener = { 0 };
	struct journal_follower *follower;
	struct errmsg err;

	for (int i = 0; i < JOURNAL_FOLLOWERS_MAX; i++)
		follow(journal, &listener, &live);
	assert_int_equal(journal_follow(journal, &live, on_news, &listener,
	    &follower, &err), ERR_FULL);
	journal_unfollow(listener.follower);
	follow(journal, &listener, &live);
	journal_free(journal);
}

/* What is kept is counted, and does not grow beyond the ring. */
static void
test_memory(void **state)
{
	struct fixture *fixture = *state;
	struct journal *journal = begin(fixture, 1000000);
	const size_t least = strlen("{\"seq\":1000000}"), most = 512;

	assert_int_equal(journal_memory(NULL), 0);
	assert_int_equal(journal_memory(journal), 0);
	publish(journal, 1);
	assert_in_range(journal_memory(journal), least, most);
	for (int i = 0; i < 3; i++) {
		publish(journal, JOURNAL_RING);
		assert_in_range(journal_memory(journal), JOURNAL_RING * least,
		    JOURNAL_RING * most);
	}
	journal_free(journal);
}

/* Without a database: numbers above all that were, events from memory. */
static void
test_without_store(void **state)
{
	struct fixture *fixture = *state;
	struct listener listener = { 0 };
	struct journal *journal;
	uint64_t seq;

	fixture->options.closed = 1;
	journal = begin(fixture, 0);
	seq = publish(journal, 1);
	assert_true(seq > 1700000000000000u);
	follow(journal, &listener, &history);
	assert_int_equal(listener.events, 1);
	assert_int_equal(listener.gap, 1);
	assert_int_equal(listener.done, 1);
	journal_free(journal);
}

/* What the store has to say is an event too. */
static void
test_store_news(void **state)
{
	struct fixture *fixture = *state;
	struct journal *journal = begin(fixture, 1);
	struct listener behind = { 0 }, recovered = { 0 };
	pid_t pid;

	follow(journal, &behind, &(struct journal_range){ .live_only = 1,
	    .follow = 1, .until = EVENT_STORE_BEHIND });
	follow(journal, &recovered, &(struct journal_range){ .live_only = 1,
	    .follow = 1, .until = EVENT_STORE_RECOVERED });
	pid = fixture_lock(fixture);
	publish(journal, 20);
	fixture_await_flag(fixture, &behind.done);
	assert_non_null(strstr(behind.json, "locked"));
	fixture_unlock(pid);
	fixture_await_flag(fixture, &recovered.done);
	assert_non_null(strstr(recovered.json, "\"lost\":0}"));
	journal_free(journal);
}

int
main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, \
	fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_json),
		TEST(test_follows),
		TEST(test_until),
		TEST(test_history),
		TEST(test_lag),
		TEST(test_lossy),
		TEST(test_chosen),
		TEST(test_callbacks),
		TEST(test_too_many),
		TEST(test_memory),
		TEST(test_without_store),
		TEST(test_store_news),
	};

	fixture_main(argc, argv);
	setenv("CLUSTERD_TEST_SCALE", "5", 0);
	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
