/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* sent.c: messages whose end somebody waits for; see sent.h. */
#include "daemon/plugin/sent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "daemon/plugin/host.h"

enum { ROW_BITS = 12 };

_Static_assert(OUTBOX_OPEN == 1 << ROW_BITS, "a row fits its bits");

struct sent {
	uint64_t ref;			/* number and row; 0: free */
	uint32_t next_free;		/* index + 1 */
	unsigned plugin;
	void (*done)(void *arg, int error, unsigned taken);
	cluster_answer_fn *answer;
	void *arg;
	uint64_t deadline_ns;		/* 0: none */
	int *fds;			/* to be closed; or NULL */
	unsigned fd_count;
	bool meant_known;
	bool read;			/* a question: its answer is awaited */
	bool excused;			/* its deadline was moved, once */
	/* who may answer it: that process, or who serves there, "web/0" */
	uint64_t asked_id;
	char asked[MAIL_NAME_MAX + sizeof("/65535")];
	unsigned meant, taken, failed;	/* receivers */
	int error;			/* of one that failed */
};

/* ---- who may answer ------------------------------------------------------------- */

/* By the number alone anybody could, and numbers are easily guessed.  Who it is
 * from is the master's word. */
static void
note_asked(struct sent *sent, const struct mail_target *asked)
{
	if (asked->kind == MAIL_TO_ID)
		sent->asked_id = asked->id;
	else
		snprintf(sent->asked, sizeof(sent->asked), "%.*s/%u",
		    MAIL_NAME_MAX, asked->pool, asked->slot & 0xffff);
}

static bool
may_answer(const struct sent *sent, const struct cluster_message *m)
{
	return sent->asked_id != 0 ? m->from_id == sent->asked_id :
	    strcmp(m->from, sent->asked) == 0;
}

/* ---- rows ------------------------------------------------------------------------ */

static bool
make_rows(struct outbox *outbox)
{
	outbox->rows = calloc(OUTBOX_OPEN, sizeof(*outbox->rows));
	if (outbox->rows == NULL)
		return false;
	for (uint32_t i = 0; i < OUTBOX_OPEN - 1; i++)
		outbox->rows[i].next_free = i + 2;
	outbox->free_first = 1;
	return true;
}

struct sent *
sent_new(struct outbox *outbox, const struct sent_how *how, const int *fds,
    unsigned count)
{
	uint32_t row;
	struct sent *sent;
	int *kept = NULL;

	if ((outbox->rows == NULL && !make_rows(outbox)) ||
	    outbox->free_first == 0)
		return NULL;
	if (fds != NULL && count > 0) {
		kept = malloc(count * sizeof(*kept));
		if (kept == NULL)
			return NULL;
		memcpy(kept, fds, count * sizeof(*kept));
	}
	row = outbox->free_first - 1;
	sent = &outbox->rows[row];
	outbox->free_first = sent->next_free;
	*sent = (struct sent){
		.ref = ++outbox->number << ROW_BITS | row,
		.plugin = how->plugin, .done = how->done,
		.answer = how->answer, .arg = how->arg,
		.fds = kept, .fd_count = kept != NULL ? count : 0,
	};
	if (how->asked != NULL)
		note_asked(sent, how->asked);
	outbox->open++;
	return sent;
}

void
sent_expect(struct sent *sent, bool several)
{
	sent->meant_known = !several;
	sent->meant = several ? 0 : 1;
}

uint64_t
sent_ref(const struct sent *sent)
{
	return sent->ref;
}

void
sent_drop(struct outbox *outbox, struct sent *sent)
{
	free(sent->fds);
	sent->fds = NULL;
	sent->ref = 0;
	sent->next_free = outbox->free_first;
	outbox->free_first = (uint32_t)(sent - outbox->rows) + 1;
	outbox->open--;
}

static struct sent *
find(struct outbox *outbox, uint64_t ref)
{
	struct sent *sent;

	if (outbox->rows == NULL || ref == 0)
		return NULL;
	sent = &outbox->rows[ref & (OUTBOX_OPEN - 1)];
	return sent->ref == ref ? sent : NULL;
}

/* ---- the end ------------------------------------------------------------------------ */

/* m: the answer, of a question that ended well. */
static void
finish(struct outbox *outbox, struct sent *sent, int error,
    const struct cluster_message *m)
{
	struct sent gone = *sent;
	struct host_frame frame;

	/* without done() nobody else can know that they are not needed */
	if (error == 0 || gone.done == NULL)
		fd_close_all(gone.fds, gone.fd_count);
	sent_drop(outbox, sent);
	if (gone.done == NULL && gone.answer == NULL)
		return;
	frame = host_enter(outbox->host, DOING_MESSAGE, gone.plugin);
	if (gone.answer != NULL)
		gone.answer(m, error, gone.arg);
	else
		gone.done(gone.arg, error, gone.taken);
	host_leave(outbox->host, frame);
}

static void
look_at(struct outbox *outbox, struct sent *sent)
{
	if (!sent->meant_known || sent->taken + sent->failed < sent->meant)
		return;
	if (sent->answer != NULL && sent->error == 0)
		sent->read = true;
	else
		finish(outbox, sent, -sent->error, NULL);
}

void
outbox_report(struct outbox *outbox, const struct mail_report *report)
{
	struct sent *sent = find(outbox, report->ref);

	if (sent == NULL)		/* its time was over */
		return;
	switch ((enum mail_report_kind)report->kind) {
	case MAIL_TAKEN:
		sent->taken += report->receivers;
		break;
	case MAIL_FAILED:
		sent->failed += report->receivers;
		sent->error = (int)report->error;
		break;
	case MAIL_MEANT:
		sent->meant_known = true;
		sent->meant = report->receivers;
		if (report->receivers == 0)
			sent->error = ESRCH;
		break;
	}
	look_at(outbox, sent);
	outbox_tell_room(outbox);
}

void
outbox_answered(struct outbox *outbox, uint64_t ref,
    const struct cluster_message *m)
{
	struct sent *sent = find(outbox, ref);

	if (sent != NULL && sent->answer != NULL && may_answer(sent, m))
		finish(outbox, sent, 0, m);
}

static bool
waits(const struct sent *sent)
{
	return sent->ref != 0;
}

/* A callback may send more: what is new meanwhile is not looked at. */
void
outbox_synced(struct outbox *outbox, uint64_t last, uint64_t first)
{
	uint64_t below = first != 0 ? first : last + 1;

	for (unsigned i = 0; outbox->rows != NULL && i < OUTBOX_OPEN; i++) {
		struct sent *sent = &outbox->rows[i];

		if (waits(sent) && !sent->read &&
		    sent->ref >> ROW_BITS < below >> ROW_BITS)
			finish(outbox, sent, -EPIPE, NULL);
	}
}

uint64_t
outbox_last(const struct outbox *outbox)
{
	return outbox->open > 0 ? outbox->number << ROW_BITS |
	    (OUTBOX_OPEN - 1) : 0;
}

void
outbox_stop(struct outbox *outbox)
{
	outbox->shut = true;
	for (unsigned i = 0; outbox->rows != NULL && i < OUTBOX_OPEN; i++)
		if (waits(&outbox->rows[i]))
			finish(outbox, &outbox->rows[i], -ESHUTDOWN, NULL);
}

/* ---- time ------------------------------------------------------------------------- */

static void
wait_until(struct outbox *outbox, uint64_t when_ns, uint64_t now_ns)
{
	uint64_t us = when_ns > now_ns ? (when_ns - now_ns) / 1000 + 1 : 0;
	const struct timeval time = { (time_t)(us / 1000000),
		(suseconds_t)(us % 1000000) };

	event_add(&outbox->deadline_event, &time);
}

/* Where this process stood still, what ends it may have come unread: the loop runs
 * timers first, and reads not all at once. */
static void
excuse(struct sent *sent, uint64_t now_ns)
{
	uint64_t away_ns = clock_scaled_ms(CLOCK_AWAY_MS) * NS_PER_MS;

	if (sent->excused || now_ns < sent->deadline_ns + away_ns)
		return;
	sent->excused = true;
	sent->deadline_ns = now_ns +
	    clock_scaled_ms(CLOCK_EXCUSE_MS) * NS_PER_MS;
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct outbox *outbox = arg;
	uint64_t now_ns = clock_now_ns(), next_ns = UINT64_MAX;

	(void)fd;
	(void)what;
	outbox->deadline_ns = 0;
	for (unsigned i = 0; outbox->rows != NULL && i < OUTBOX_OPEN; i++) {
		struct sent *sent = &outbox->rows[i];

		if (!waits(sent) || sent->deadline_ns == 0)
			continue;
		excuse(sent, now_ns);
		if (sent->deadline_ns <= now_ns)
			finish(outbox, sent, -ETIMEDOUT, NULL);
		else if (sent->deadline_ns < next_ns)
			next_ns = sent->deadline_ns;
	}
	if (next_ns != UINT64_MAX && (outbox->deadline_ns == 0 ||
	    next_ns < outbox->deadline_ns)) {
		outbox->deadline_ns = next_ns;
		wait_until(outbox, next_ns, now_ns);
	}
	outbox_tell_room(outbox);
}

void
sent_arm(struct outbox *outbox, struct sent *sent, unsigned timeout_ms)
{
	uint64_t now_ns;

	if (timeout_ms == 0)
		return;
	now_ns = clock_now_ns();
	sent->deadline_ns = now_ns + timeout_ms * NS_PER_MS;
	if (outbox->deadline_ns != 0 &&
	    outbox->deadline_ns <= sent->deadline_ns)
		return;
	outbox->deadline_ns = sent->deadline_ns;
	wait_until(outbox, sent->deadline_ns, now_ns);
}

void
sent_init(struct outbox *outbox)
{
	evtimer_assign(&outbox->deadline_event, outbox->host->base,
	    on_deadline, outbox);
}
