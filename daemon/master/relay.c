/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* relay.c: messages of plugins from worker to worker; see relay.h. */
#include "daemon/master/relay.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/fd.h"
#include "daemon/master/life.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/relay_parts.h"
#include "daemon/master/turn.h"
#include "daemon/supervisor/state.h"

/* ---- reports, gathered by receiver ------------------------------------------------ */

static struct {
	struct process *to;
	uint32_t count;
	uint64_t last_ref;		/* the highest */
	_Alignas(8) struct channel_packet packet;
} reports;

/* It could not be told what became of its letters up to there. */
static void
lose(struct process *to, uint64_t ref)
{
	if (ref > to->relay.lost_ref)
		to->relay.lost_ref = ref;
}

static void
reports_leave(void)
{
	struct process *to = reports.to;

	if (to != NULL && !process_say(to, &reports.packet,
	    reports.count * sizeof(struct mail_report), -1))
		lose(to, reports.last_ref);
	reports.to = NULL;
	reports.count = 0;
	reports.last_ref = 0;
}

static bool
say_synced(struct process *to, uint64_t last, uint64_t first)
{
	static struct channel_packet packet;

	channel_begin(&packet, CHANNEL_SYNCED, 0);
	packet.body.synced.last = last;
	packet.body.synced.first = first;
	return process_say(to, &packet, 0, -1);
}

/* Who is written to now and then needs no ring.  Which letters were to be told of
 * is forgotten: none up to there is known here, as if another master had had
 * them. */
void
relay_tick(struct process *process)
{
	uint64_t lost = process->relay.lost_ref;

	if (process->relay.box.count == 0)
		mailbox_done(&process->relay.box);
	if (lost != 0 && say_synced(process, lost, 0))
		process->relay.lost_ref = 0;
}

static void
reports_add(struct process *to, const struct mail_report *report)
{
	enum { FULL = 16128 / sizeof(*report) };

	if (reports.to != to || reports.count == FULL)
		reports_leave();
	if (reports.to == NULL)
		channel_begin(&reports.packet, CHANNEL_REPORT, 0);
	reports.to = to;
	memcpy(channel_tail(&reports.packet, NULL) +
	    reports.count++ * sizeof(*report), report, sizeof(*report));
	reports.packet.body.report.reports = reports.count;
	if (report->ref > reports.last_ref)
		reports.last_ref = report->ref;
}

/* To who sent it, if that is still there and wants to hear. */
static void
tell(struct master *m, const struct mailbox_entry *entry,
    enum mail_report_kind kind, int error, uint32_t receivers)
{
	const struct mail_report report = { .ref = entry->ref, .kind = kind,
	    .error = (uint32_t)error, .receivers = receivers };
	struct process *sender;

	if (entry->ref == 0)
		return;
	if (entry->sender == 0) {
		relay_tell_operator(m, &report);
		return;
	}
	sender = m->process[entry->sender_row];
	if (sender != NULL && sender->id == entry->sender)
		reports_add(sender, &report);
}

static void
tell_failed(struct master *m, const struct mailbox_entry *entry, int error)
{
	tell(m, entry, MAIL_FAILED, error, 1);
}

/* ---- letters, gathered by receiver -------------------------------------------------- */

static struct {
	struct process *to;
	size_t filled;
	_Alignas(8) struct channel_packet packet;
} bundle;

static void
bundle_leave(struct master *m, const int *fds, size_t count)
{
	uint32_t letters = channel_letters(&bundle.packet);
	struct process *to = bundle.to;
	int rc;

	if (to == NULL)
		return;
	bundle.to = NULL;
	rc = process_pass(to, &bundle.packet, bundle.filled, fds, count);
	if (rc == 0)
		return;
	/* They are not on their way after all. */
	while (letters-- > 0) {
		struct mailbox_entry entry = mailbox_undo(&to->relay.box);

		tell_failed(m, &entry, rc == ERR_SYSTEM && count == 0 ?
		    EPIPE : EAGAIN);
	}
}

/* What cannot go with this letter leaves first: should it fail, it takes its own
 * entries out of the box, which are the last ones still. */
static void
bundle_make_room(struct master *m, const struct process *to,
    enum channel_type type, const struct letter *letter)
{
	if (bundle.to != NULL && (bundle.to != to || letter->fds > 0 ||
	    bundle.packet.header.type != type ||
	    bundle.filled + letter_size(letter) > LETTERS_MAX))
		bundle_leave(m, NULL, 0);
}

static void
bundle_add(struct master *m, struct process *to, enum channel_type type,
    const struct letter *letter, const int *fds)
{
	size_t size = letter_size(letter);

	if (bundle.to == NULL) {
		channel_begin(&bundle.packet, type, 0);
		bundle.packet.body.deliver.master = m->number;
		bundle.filled = 0;
	}
	bundle.to = to;
	letter_put(letter, channel_tail(&bundle.packet, NULL) + bundle.filled);
	bundle.filled += size;
	bundle.packet.body.deliver.letters++;
	if (letter->fds > 0)
		bundle_leave(m, fds, letter->fds);
}

/* ---- one letter -------------------------------------------------------------------- */

/* READY, or a master that has just adopted it has not heard of it yet. */
static bool
is_ready(struct master *m, const struct process *process)
{
	uint8_t state;

	if (process == NULL || process->row == MEMO_NONE)
		return false;
	state = turn_look(m)->worker[process->row].state;
	return state == WS_READY || (state == WS_STARTING &&
	    process->page != NULL && page_read_ready(process->page));
}

/* Is it there to receive? */
static bool
receives(struct master *m, const struct process *process)
{
	return is_ready(m, process) || (process != NULL &&
	    process->row != MEMO_NONE &&
	    turn_look(m)->worker[process->row].state == WS_DRAINING);
}

static void
pass(struct master *m, struct process *to, const struct onward *onward)
{
	bundle_make_room(m, to, onward->type, &onward->letter);
	if (!mailbox_has_room(&to->relay.box, &onward->entry)) {
		tell_failed(m, &onward->entry, EAGAIN);
		return;
	}
	mailbox_put(&to->relay.box, &onward->entry);
	bundle_add(m, to, onward->type, &onward->letter, onward->fds);
}

static void
pass_one(struct master *m, struct process *to, const struct onward *onward)
{
	if (receives(m, to))
		pass(m, to, onward);
	else
		tell_failed(m, &onward->entry, ESRCH);
}

/* To all of a pool, or of all, that are READY. */
static void
pass_all(struct master *m, const struct mail_target *target,
    const struct onward *onward)
{
	const struct memo_copy *copy = turn_look(m);
	uint16_t pool = target->kind == MAIL_TO_ALL ? MEMO_NONE :
	    state_find_pool(copy, target->pool);
	uint32_t meant = 0;

	for (uint16_t i = 0; i < copy->slots; i++) {
		const struct memo_slot *slot = &copy->slot[i];
		struct process *to;

		if (slot->pool == MEMO_NONE || slot->current == MEMO_NONE ||
		    (target->kind == MAIL_TO_POOL && slot->pool != pool))
			continue;
		to = m->process[slot->current];
		if (!is_ready(m, to) ||
		    ((onward->letter.flags & LETTER_NOT_SELF) &&
		    to->id == onward->entry.sender))
			continue;
		meant++;
		pass(m, to, onward);
	}
	tell(m, &onward->entry, MAIL_MEANT, 0, meant);
}

void
relay_pass(struct master *m, const struct mail_target *target,
    const struct onward *onward)
{
	switch (target->kind) {
	case MAIL_TO_SLOT:
	case MAIL_TO_ID: {
		struct process *to = relay_find(m, target);

		if (to != NULL && (onward->letter.flags & LETTER_NOT_SELF) &&
		    to->id == onward->entry.sender)
			to = NULL;
		pass_one(m, to, onward);
		break;
	}
	case MAIL_TO_POOL:
	case MAIL_TO_ALL:
		pass_all(m, target, onward);
		break;
	case MAIL_TO_MASTER:
		break;
	}
}

/* ---- frames of a worker --------------------------------------------------------------- */

/* The data of a large one is in a file that nobody can change, and as long as it
 * says; more is not looked at. */
static const char *
large_fault(const struct letter *letter, const int *fds, bool lost)
{
	struct stat status;

	if ((letter->flags & LETTER_LARGE) == 0 || lost)
		return NULL;
	return fd_is_sealed(fds[0]) && fstat(fds[0], &status) == 0 &&
	    (size_t)status.st_size == letter->len ? NULL :
	    "a message whose data is not sealed, or of another length";
}

/* Relay one letter; the words of a violation, or NULL. */
static const char *
take_letter(struct process *from, enum channel_type type,
    const struct letter *letter, const int *fds)
{
	struct master *m = from->master;
	bool lost = from->channel.fds_lost && letter->fds > 0;
	const char *fault = large_fault(letter, fds, lost);
	struct mail_target target;
	struct onward onward = {
		.type = type == CHANNEL_ANSWER ? CHANNEL_REPLY :
		    CHANNEL_DELIVER,
		.letter = *letter, .fds = fds,
		.entry = { .sender = from->id, .sender_row = from->row,
		    .ref = letter->flags & LETTER_REPORT ? letter->ref : 0,
		    .fds = (uint16_t)letter->fds,
		    .large = letter->data == NULL ? (uint32_t)letter->len :
		    0 },
	};

	if (fault != NULL)
		return fault;
	if (mail_target_parse(letter->name, &target) != 0 ||
	    target.instance[0] != '\0' ||
	    (type == CHANNEL_ANSWER && target.kind != MAIL_TO_ID))
		return "a message to nobody";
	if (onward.entry.ref != 0 && from->relay.first_ref == 0)
		from->relay.first_ref = onward.entry.ref;
	onward.letter.name = from->name;
	onward.letter.from_id = from->id;
	onward.entry.bytes = (uint32_t)letter_size(&onward.letter);
	if (lost)
		tell_failed(m, &onward.entry, EAGAIN);
	else if (target.kind == MAIL_TO_MASTER)
		tell(m, &onward.entry, relay_publish(from, letter) ?
		    MAIL_TAKEN : MAIL_FAILED, EAGAIN, 1);
	else
		relay_pass(m, &target, &onward);
	return NULL;
}

static void
take_letters(struct process *from, struct channel_packet *packet,
    const int *fds, size_t count)
{
	uint32_t letters = channel_letters(packet);
	const char *fault = NULL;
	struct letter letter;
	struct errmsg err;
	const uint8_t *at;
	size_t len;

	if (letters > LETTERS_A_FRAME) {
		life_violation(from, "too many messages in one frame");
		return;
	}
	at = channel_tail(packet, &len);
	if (letters_check(at, len, letters, from->channel.fds_lost ? -1 :
	    (int)count, &err) != 0) {
		life_violation(from, err.text);
		return;
	}
	for (uint32_t i = 0; i < letters && fault == NULL; i++) {
		at = letter_read(at, &letter);
		fault = take_letter(from, packet->header.type, &letter, fds);
	}
	if (fault != NULL)
		life_violation(from, fault);
}

/* Of letters that a master before this one passed on, the older one's first: who
 * waited for that has asked for itself.  No more than fitted its mailbox. */
static bool
may_have_taken(struct relay_end *end, const struct channel_msg_taken *taken)
{
	if (taken->master < end->before)
		return false;
	if (taken->master > end->before)
		end->before_letters = 0;
	end->before = taken->master;
	if (taken->letters > MAILBOX_LETTERS - end->before_letters)
		return false;
	end->before_letters += taken->letters;
	return true;
}

static void
take_taken(struct process *from, const struct channel_msg_taken *taken)
{
	struct master *m = from->master;
	bool is_ours = taken->master == m->number;

	if (taken->letters == 0 || taken->error > 4095 ||
	    taken->master > m->number ||
	    (is_ours ? taken->letters > from->relay.box.count :
	    !may_have_taken(&from->relay, taken))) {
		life_violation(from, "it has read more than was sent");
		return;
	}
	if (!is_ours)
		return;
	for (uint32_t i = 0; i < taken->letters; i++) {
		struct mailbox_entry entry = mailbox_take(&from->relay.box);

		tell(m, &entry, taken->error == 0 ? MAIL_TAKEN : MAIL_FAILED,
		    (int)taken->error, 1);
	}
}

static void
take_sync(struct process *from, const struct channel_msg_sync *sync)
{
	if (!say_synced(from, sync->last, from->relay.first_ref))
		lose(from, sync->last);
}

void
relay_leave(struct master *m)
{
	bundle_leave(m, NULL, 0);
	reports_leave();
}

void
relay_message(struct process *from, struct channel_packet *packet,
    const int *fds, size_t count)
{
	switch ((unsigned)packet->header.type) {
	case CHANNEL_MESSAGE:
	case CHANNEL_ANSWER:
		if (life_may_request(from))
			take_letters(from, packet, fds, count);
		break;
	case CHANNEL_TAKEN:
		take_taken(from, &packet->body.taken);
		break;
	case CHANNEL_SYNC:
		take_sync(from, &packet->body.sync);
		break;
	}
	relay_leave(from->master);
}

void
relay_lose_receiver(struct process *process)
{
	struct mailbox *box = &process->relay.box;

	while (box->count > 0) {
		struct mailbox_entry entry = mailbox_take(box);

		tell_failed(process->master, &entry, EPIPE);
	}
	mailbox_done(box);
	relay_leave(process->master);
}
