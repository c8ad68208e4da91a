/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * relay_send.c: messages of the operator, by `send': from nobody's worker, and
 * done when each that they are for has read them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/errmsg.h"
#include "daemon/control/host.h"
#include "daemon/master/change.h"
#include "daemon/master/master.h"
#include "daemon/master/relay_parts.h"
#include "daemon/master/tick.h"

enum { SENDS = 16, SEND_MS = 5000 };

/* Those that are not done. */
static struct send {
	uint64_t ref;			/* 0: free */
	struct control_call *call;
	uint64_t deadline_ns;		/* of tick_awake_ns() */
	bool meant_known;
	unsigned meant, taken, failed;
	int error;			/* of one that failed */
} sends[SENDS];

static uint64_t last_ref;

static struct send *
find(uint64_t ref)
{
	for (size_t i = 0; i < SENDS; i++)
		if (sends[i].ref == ref)
			return &sends[i];
	return NULL;
}

static const char *
reason(int error)
{
	switch (error) {
	case ESRCH:	return "nobody there to read it";
	case EAGAIN:	return "too many wait there already";
	case EPIPE:	return "it ended before it read it";
	}
	return strerror(error);
}

static void
finish(struct send *send, int code, const char *why)
{
	struct errmsg err;
	char result[80];

	snprintf(result, sizeof(result), "{\"taken\":%u,\"of\":%u}",
	    send->taken, send->meant);
	if (code == 0)
		control_done(send->call, result);
	else
		control_fail(send->call, (errmsg_set(&err, code,
		    "%u of %u have read it: %s", send->taken, send->meant,
		    why), &err), result);
	send->ref = 0;
}

void
relay_tell_operator(struct master *m, const struct mail_report *report)
{
	struct send *send = find(report->ref);

	(void)m;
	if (send == NULL)		/* its time was over */
		return;
	switch ((enum mail_report_kind)report->kind) {
	case MAIL_TAKEN:
		send->taken += report->receivers;
		break;
	case MAIL_FAILED:
		send->failed += report->receivers;
		send->error = (int)report->error;
		break;
	case MAIL_MEANT:
		send->meant_known = true;
		send->meant = report->receivers;
		break;
	}
	if (!send->meant_known || send->taken + send->failed < send->meant)
		return;
	if (send->meant == 0 || (send->taken == 0 && send->error == ESRCH))
		finish(send, ERR_NOT_FOUND, reason(ESRCH));
	else
		finish(send, send->failed == 0 ? 0 : ERR_FAILED,
		    reason(send->error));
}

void
relay_look(struct master *m)
{
	uint64_t now_ns = tick_awake_ns(m);

	for (size_t i = 0; i < SENDS; i++)
		if (sends[i].ref != 0 && sends[i].deadline_ns < now_ns)
			finish(&sends[i], ERR_TIMEOUT, "the others take long");
}

static const char *
fault(const struct change *change)
{
	if (strlen(change->text) > LETTER_DATA_MAX)
		return "a message from here has at most 15 KiB";
	if (strlen(change->topic) > LETTER_WORD_MAX)
		return "a topic has at most 63 bytes";
	for (const char *at = change->topic; *at != '\0'; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return "a control character in the topic";
	return NULL;
}

void
relay_send(struct master *m, struct control_call *call,
    const struct change *change)
{
	bool several = mail_target_is_broadcast(&change->mail);
	struct send *send = find(0);
	const char *wrong = fault(change);
	struct onward onward = { .type = CHANNEL_DELIVER };

	if (wrong != NULL || send == NULL) {
		change_refuse(call, wrong != NULL ? ERR_BAD_ARGUMENT : ERR_BUSY,
		    "%s", wrong != NULL ? wrong :
		    "16 messages wait to be read already");
		return;
	}
	CHECK(call != NULL);		/* no signal sends one */
	*send = (struct send){ .ref = ++last_ref, .call = call,
	    .meant_known = !several, .meant = several ? 0 : 1,
	    .deadline_ns = tick_awake_ns(m) +
	    clock_scaled_ms(SEND_MS) * NS_PER_MS };
	onward.letter = (struct letter){ .name = "operator",
	    .flags = change->json ? LETTER_JSON : 0,
	    .instance = change->mail.instance, .topic = change->topic,
	    .data = change->text, .len = strlen(change->text) };
	onward.entry = (struct mailbox_entry){ .ref = send->ref,
	    .bytes = (uint32_t)letter_size(&onward.letter) };
	relay_pass(m, &change->mail, &onward);
	relay_leave(m);
}
