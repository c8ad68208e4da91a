/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* observe.c: events that plugins watch; see observe.h. */
#include "daemon/master/observe.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/table/events.h"
#include "daemon/master/life.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"

/* ---- telling ------------------------------------------------------------------------ */

static struct channel_packet *
begin(const struct observer *observer, uint64_t seq, int64_t time_ms,
    const char *name)
{
	static _Alignas(8) struct channel_packet packet;

	channel_begin(&packet, CHANNEL_EVENT, observer->ref);
	packet.body.event.seq = seq;
	packet.body.event.time_ms = time_ms;
	record_put_text(packet.body.event.name,
	    sizeof(packet.body.event.name), name);
	return &packet;
}

static bool
say_event(const struct observer *observer, const struct journal_event *event)
{
	struct channel_packet *packet = begin(observer, event->seq,
	    event->time_ms, event_table[event->id].name);
	char worker[sizeof(packet->body.event.worker)];

	journal_event_worker(event, worker, sizeof(worker),
	    &packet->body.event.worker_id);
	record_put_text(packet->body.event.worker, sizeof(worker), worker);
	return process_say_json(observer->process, packet, event->json,
	    event->len);
}

/* count 0: nobody knows how many. */
static bool
say_lost(const struct observer *observer, uint64_t seq, uint64_t count)
{
	int64_t now_ms = clock_wall_ms();
	char json[128], number[24] = "null";

	if (count > 0)
		snprintf(number, sizeof(number), "%" PRIu64, count);
	snprintf(json, sizeof(json), "{\"seq\":%" PRIu64 ",\"time\":%" PRId64
	    ",\"event\":\"lost\",\"count\":%s}", seq, now_ms, number);
	return process_say_json(observer->process,
	    begin(observer, seq, now_ms, "lost"), json, strlen(json));
}

static bool
say_missed(struct observer *observer)
{
	if (observer->missed > 0 && !say_lost(observer, observer->missed_seq,
	    observer->missed))
		return false;
	observer->missed = 0;
	return true;
}

static void
on_event(struct observer *observer, const struct journal_event *event)
{
	if (say_missed(observer) && say_event(observer, event))
		return;
	observer->missed++;
	observer->missed_seq = event->seq;
}

static void
on_lost(struct observer *observer, const struct journal_event *event)
{
	observer->missed += event->lost;
	observer->missed_seq = event->seq;
	(void)say_missed(observer);
}

/* Of those that the database has, and nobody can read. */
static void
on_gap(struct observer *observer, const struct journal_event *event)
{
	if (say_lost(observer, event->seq, 0))
		return;
	observer->missed++;
	observer->missed_seq = event->seq;
}

static int
on_news(void *arg, enum journal_news news, const struct journal_event *event)
{
	struct observer *observer = arg;
	uint64_t last = journal_last_seq(observer->process->master->journal);

	switch (news) {
	case JOURNAL_EVENT:
		on_event(observer, event);
		break;
	case JOURNAL_LOST:
		on_lost(observer, event);
		break;
	case JOURNAL_CURRENT:
		/* else what it has missed would be older than where it is */
		if (say_missed(observer))
			(void)process_say(observer->process, begin(observer,
			    last, 0, ""), 0, -1);
		break;
	case JOURNAL_GAP:
		on_gap(observer, event);
		break;
	case JOURNAL_DONE:
	case JOURNAL_LAGGED:
		observer->follower = NULL;
		return JOURNAL_STOP;
	}
	return process_is_full(observer->process) ? JOURNAL_WAIT : JOURNAL_MORE;
}

void
observe_go_on(struct process *process)
{
	for (size_t i = 0; i < OBSERVERS_AT_ONCE; i++)
		if (process->observers.rows[i].follower != NULL)
			journal_resume(process->observers.rows[i].follower);
}

/* ---- coming and going ---------------------------------------------------------------- */

static void
follow(struct observer *observer)
{
	struct journal *journal = observer->process->master->journal;
	struct errmsg err;

	if (journal != NULL && journal_follow(journal, &observer->range,
	    on_news, observer, &observer->follower, &err) != 0)
		observer->follower = NULL;
}

static void
end(struct observer *observer)
{
	journal_unfollow(observer->follower);
	observer->follower = NULL;
	observer->ref = 0;
}

void
observe_tick(struct process *process)
{
	for (size_t i = 0; i < OBSERVERS_AT_ONCE; i++) {
		struct observer *observer = &process->observers.rows[i];

		if (observer->ref == 0)
			continue;
		(void)say_missed(observer);
		if (observer->follower == NULL)
			follow(observer);
		else if (!process_is_full(process))
			journal_resume(observer->follower);
	}
}

void
observe_lose(struct process *process)
{
	for (size_t i = 0; i < OBSERVERS_AT_ONCE; i++)
		end(&process->observers.rows[i]);
}

static struct observer *
find(struct process *process, uint64_t ref)
{
	for (size_t i = 0; i < OBSERVERS_AT_ONCE; i++)
		if (process->observers.rows[i].ref == ref)
			return &process->observers.rows[i];
	return NULL;
}

static void
take_follow(struct process *from, uint64_t ref,
    const struct channel_msg_follow *told)
{
	struct observer *observer = find(from, ref);
	uint64_t events;

	if (ref == 0 || events_parse_pattern(told->pattern,
	    strlen(told->pattern), &events) != 0 || told->since_ms < 0) {
		life_violation(from, "it asks for events that there are not");
		return;
	}
	if (observer != NULL)
		end(observer);
	observer = find(from, 0);
	if (observer == NULL) {
		life_violation(from, "too many observers");
		return;
	}
	*observer = (struct observer){
		.process = from, .ref = ref,
		.range = { .since_seq = told->since,
		    .since_ms = told->since_ms,
		    .live_only = told->since == 0 && told->since_ms == 0,
		    .until = -1, .follow = 1, .lossy = 1, .events = events },
	};
	follow(observer);
}

void
observe_message(struct process *from, struct channel_packet *packet)
{
	uint64_t ref = packet->header.ref;
	struct observer *observer;

	if (!life_may_request(from))
		return;
	if (packet->header.type == CHANNEL_FOLLOW) {
		take_follow(from, ref, &packet->body.follow);
		return;
	}
	observer = ref == 0 ? NULL : find(from, ref);
	if (observer != NULL)
		end(observer);
}
