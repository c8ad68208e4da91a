/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* journal.c: an event, told to followers, log and store; see journal.h. */
#include "daemon/journal/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/heap.h"
#include "daemon/journal/follower.h"

static void on_store(void *arg, const struct store_status *status);

/* ---- numbers ------------------------------------------------------------------- */

static void
reserve(struct journal *journal)
{
	if (journal->next + JOURNAL_BLOCK / 2 <= journal->mark)
		return;
	journal->mark = journal->next + JOURNAL_BLOCK;
	store_put_marks(journal->store, journal->mark, 0);
}

uint64_t
journal_seq_mark(const struct journal *journal)
{
	return journal->mark;
}

uint64_t
journal_last_seq(const struct journal *journal)
{
	return journal->next > journal->first ? journal->next - 1 : 0;
}

uint64_t
journal_oldest(const struct journal *journal)
{
	return journal->next - journal->first > JOURNAL_RING ?
	    journal->next - JOURNAL_RING : journal->first;
}

struct journal *
journal_new(struct store *store, uint64_t first_seq)
{
	struct journal *journal = calloc(1, sizeof(*journal));

	if (journal == NULL)
		return NULL;
	if (first_seq == 0)
		first_seq = (uint64_t)clock_wall_ms() * 1000;
	journal->store = store;
	journal->first = journal->next = first_seq;
	journal->store_state = STORE_OK;
	buf_init(&journal->json, 0);
	reserve(journal);
	store_observe(store, on_store, journal);
	return journal;
}

void
journal_free(struct journal *journal)
{
	if (journal == NULL)
		return;
	followers_free(journal);
	store_observe(journal->store, NULL, NULL);
	for (size_t i = 0; i < JOURNAL_RING; i++)
		free(journal->ring[i].json);
	buf_done(&journal->json);
	free(journal);
}

/* ---- publishing ------------------------------------------------------------------ */

static void
add_text(struct buf *json, const char *name, const char *text)
{
	buf_printf(json, ",\"%s\":", name);
	if (text != NULL)
		buf_add_json(json, text, strlen(text));
	else
		buf_add_text(json, "null");
}

/* 0 is "none" for all of the fixed numbers. */
static void
add_number(struct buf *json, const char *name, int known, int64_t number)
{
	if (known)
		buf_printf(json, ",\"%s\":%lld", name, (long long)number);
	else
		buf_printf(json, ",\"%s\":null", name);
}

static void
add_member(struct buf *json, const struct event_member *member)
{
	switch (member->kind) {
	case EVENT_MEMBER_TEXT:
		add_text(json, member->name, member->text);
		break;
	case EVENT_MEMBER_NUMBER:
		add_number(json, member->name, 1, member->number);
		break;
	case EVENT_MEMBER_JSON:
		buf_printf(json, ",\"%s\":%s", member->name,
		    member->text != NULL ? member->text : "null");
		break;
	}
}

static void
make_json(struct buf *json, const struct journal_entry *entry,
    const char *worker, const struct event_fields *fields)
{
	const struct event_member *member = fields->more;

	buf_clear(json);
	buf_printf(json, "{\"seq\":%llu,\"time\":%lld,\"event\":\"%s\"",
	    (unsigned long long)entry->seq, (long long)entry->time_ms,
	    event_table[entry->id].name);
	add_text(json, "worker", worker);
	add_number(json, "pid", fields->pid != 0, fields->pid);
	add_text(json, "pool", fields->pool);
	add_number(json, "slot", fields->has_slot, fields->slot);
	add_number(json, "id", fields->id != 0, (int64_t)fields->id);
	add_number(json, "generation", fields->generation != 0,
	    (int64_t)fields->generation);
	add_text(json, "text", fields->text);
	for (; member != NULL && member->name != NULL; member++)
		add_member(json, member);
	buf_add(json, "}", 2);		/* with its end, for the store */
}

static void
write_log(const struct journal_entry *entry, const char *worker,
    const struct event_fields *fields)
{
	const struct event_row *row = &event_table[entry->id];
	const char *text = fields->text != NULL ? fields->text : "";
	const char *colon = fields->text != NULL ? ": " : "";
	const char *who = worker != NULL ? worker : fields->pool;

	if (who == NULL)
		log_line(row->level, "%s%s%s", row->name, colon, text);
	else if (fields->pid == 0)
		log_line(row->level, "%s %s%s%s", row->name, who, colon, text);
	else
		log_line(row->level, "%s %s[%lld]%s%s", row->name, who,
		    (long long)fields->pid, colon, text);
}

static void
keep_in_ring(struct journal *journal, struct journal_entry *entry)
{
	struct journal_entry *place = &journal->ring[entry->seq % JOURNAL_RING];

	free(place->json);
	entry->len = buf_len(&journal->json) - 1;
	entry->json = journal->json.failed ? NULL :
	    strdup(buf_at(&journal->json));
	*place = *entry;
	journal->next++;
}

size_t
journal_memory(const struct journal *journal)
{
	size_t sum = 0;

	for (size_t i = 0; journal != NULL && i < JOURNAL_RING; i++)
		sum += heap_size_of(journal->ring[i].json);
	return sum;
}

uint64_t
journal_publish(struct journal *journal, enum event_id id,
    const struct event_fields *fields)
{
	static const struct event_fields nothing = { 0 };
	struct journal_entry entry = {
		.seq = journal->next, .time_ms = clock_wall_ms(), .id = id,
	};
	char name[STORE_WORKER], *worker = NULL;
	struct store_event row;

	if (fields == NULL)
		fields = &nothing;
	if (fields->pool != NULL && fields->has_slot) {
		snprintf(name, sizeof(name), "%s/%u", fields->pool,
		    fields->slot);
		worker = name;
	}
	reserve(journal);
	make_json(&journal->json, &entry, worker, fields);
	keep_in_ring(journal, &entry);
	row = (struct store_event){
		.seq = entry.seq, .time = entry.time_ms,
		.event = event_table[id].name, .worker = worker,
		.pid = fields->pid, .json = buf_at(&journal->json),
	};
	/* A follower may publish too: what it says comes after this one, in
	 * the store as well, which orders by seq. */
	if (!journal->json.failed)
		store_put_event(journal->store, &row);
	followers_feed(journal);
	if (!fields->quiet)
		write_log(&entry, worker, fields);
	return entry.seq;
}

/* ---- the store's own news ---------------------------------------------------------- */

static void
publish_behind(struct journal *journal, const struct store_status *status)
{
	char text[640];

	snprintf(text, sizeof(text), "%s; %zu records wait", status->reason,
	    status->waiting);
	journal_publish(journal, EVENT_STORE_BEHIND, &(struct event_fields){
	    .text = text, .more = (const struct event_member[]){
		EVENT_TEXT("reason", status->reason),
		EVENT_NUMBER("waiting", (int64_t)status->waiting),
		EVENT_END } });
}

static void
publish_recovered(struct journal *journal, const struct store_status *status)
{
	char text[640];

	if (strcmp(status->note, journal->store_note) != 0)
		snprintf(text, sizeof(text), "%s", status->note);
	else
		snprintf(text, sizeof(text), "%llu records were lost",
		    (unsigned long long)status->lost_behind);
	journal_publish(journal, EVENT_STORE_RECOVERED, &(struct event_fields){
	    .text = text, .more = (const struct event_member[]){
		EVENT_NUMBER("lost", (int64_t)status->lost_behind),
		EVENT_END } });
}

/* Behind or newer is one piece of news, written again is the other; a file
 * that was replaced without delay is told as well. */
static void
on_store(void *arg, const struct store_status *status)
{
	struct journal *journal = arg;
	enum store_state before = journal->store_state;
	int noted = strcmp(status->note, journal->store_note) != 0;

	journal->store_state = status->state;
	switch (status->state) {
	case STORE_OPENING:
	case STORE_CLOSED:
		break;
	case STORE_BEHIND:
	case STORE_NEWER:
		if (before != status->state)
			publish_behind(journal, status);
		return;
	case STORE_OK:
		if (before == STORE_BEHIND || noted)
			publish_recovered(journal, status);
		snprintf(journal->store_note, sizeof(journal->store_note),
		    "%s", status->note);
		break;
	}
}
