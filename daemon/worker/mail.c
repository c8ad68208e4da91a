/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * mail.c: messages of plugins, between the control channel and daemon/plugin.
 * That a letter was read is said before a plugin sees it: whoever hears that it
 * was not may send it to somebody else.
 */
#include <string.h>

#include "common/base/fd.h"
#include "daemon/scoreboard/read.h"
#include "daemon/worker/worker.h"

static void
pay(struct worker *worker)
{
	if (worker->debt.letters > 0 &&
	    talk_say_taken(worker, &worker->debt))
		worker->debt.letters = 0;
}

/* One more letter was read.  What cannot be said now is said later: how many they
 * are must be right. */
static void
owe(struct worker *worker, uint32_t master, uint32_t error)
{
	struct mail_debt *debt = &worker->debt;

	if (debt->letters > 0 &&
	    (debt->master != master || debt->error != error))
		pay(worker);
	if (debt->letters == 0 || debt->master != master)
		*debt = (struct mail_debt){ master, 0, error };
	debt->letters++;
}

/* A frame of checked letters. */
static void
take_letters(struct worker *worker, struct channel_packet *packet, int *fds)
{
	bool is_answer = packet->header.type == CHANNEL_REPLY;
	uint32_t count = channel_letters(packet);
	const uint8_t *at = channel_tail(packet, NULL);
	bool lost = worker->channel.fds_lost;
	struct letter letter;
	int error = 0;

	for (uint32_t i = 0; i < count; i++) {
		at = letter_read(at, &letter);
		error = inbox_judge(&worker->host, &letter, is_answer, fds,
		    lost);
		owe(worker, packet->body.deliver.master, (uint32_t)error);
	}
	pay(worker);
	if (count == 1 && error != 0)
		return;
	at = channel_tail(packet, NULL);
	for (uint32_t i = 0; i < count; i++) {
		at = letter_read(at, &letter);
		inbox_deliver(&worker->host, &letter, is_answer, fds);
	}
	board_add(&worker->board, METRIC_MESSAGES_TAKEN, count);
}

static void
take_reports(struct worker *worker, struct channel_packet *packet)
{
	size_t len;
	const uint8_t *at = channel_tail(packet, &len);
	struct mail_report report;

	for (; len >= sizeof(report); len -= sizeof(report)) {
		memcpy(&report, at, sizeof(report));
		at += sizeof(report);
		outbox_report(&worker->host.outbox, &report);
	}
}

static bool
take(struct worker *worker, struct channel_packet *packet, int *fds,
    size_t count)
{
	struct errmsg err;
	const uint8_t *at;
	size_t len;

	switch ((unsigned)packet->header.type) {
	case CHANNEL_DELIVER:
	case CHANNEL_REPLY:
		at = channel_tail(packet, &len);
		if (letters_check(at, len, channel_letters(packet),
		    worker->channel.fds_lost ? -1 : (int)count, &err) != 0) {
			lines_say(LL_WARNING, "control channel: %s", err.text);
			return false;
		}
		take_letters(worker, packet, fds);
		return true;
	case CHANNEL_REPORT:
		take_reports(worker, packet);
		return true;
	case CHANNEL_SYNCED:
		outbox_synced(&worker->host.outbox, packet->body.synced.last,
		    packet->body.synced.first);
		return true;
	}
	return false;
}

/* What plugins send meanwhile leaves together. */
bool
mail_take(struct worker *worker, struct channel_packet *packet, int *fds,
    size_t count)
{
	struct outbox *outbox = &worker->host.outbox;
	bool taken;

	outbox->held = true;
	taken = take(worker, packet, fds, count);
	outbox->held = false;
	if (outbox->filled > 0)
		outbox_flush(outbox);
	return taken;
}

void
mail_tick(struct worker *worker)
{
	uint32_t number = page_read_number(&worker->master_page->page);
	uint64_t last = outbox_last(&worker->host.outbox);

	control_tick(&worker->host, number);
	observe_tick(&worker->host, number);
	pay(worker);
	if (number == worker->master_number)
		return;
	/* what is still here goes to the new one */
	outbox_flush(&worker->host.outbox);
	if (worker->host.outbox.filled > 0)
		return;
	if (last == 0 || talk_say_sync(worker, last))
		worker->master_number = number;
}

void
mail_init(struct worker *worker)
{
	worker->host.outbox.channel = &worker->channel;
	worker->master_number = page_read_number(&worker->master_page->page);
	control_init(&worker->host, worker->master_number);
	observe_init(&worker->host, worker->master_number);
}
