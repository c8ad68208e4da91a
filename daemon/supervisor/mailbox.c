/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* mailbox.c: letters on their way to one worker; see mailbox.h. */
#include "daemon/supervisor/mailbox.h"

#include <stdlib.h>

#include "common/base/check.h"

_Static_assert((MAILBOX_LETTERS & (MAILBOX_LETTERS - 1)) == 0, "a ring");

bool
mailbox_has_room(struct mailbox *box, const struct mailbox_entry *entry)
{
	if (box->count >= MAILBOX_LETTERS ||
	    box->bytes + entry->bytes > MAILBOX_BYTES ||
	    box->large + entry->large > MAILBOX_LARGE ||
	    box->fds + entry->fds > MAILBOX_FDS)
		return false;
	if (box->ring == NULL)
		box->ring = calloc(MAILBOX_LETTERS, sizeof(*box->ring));
	return box->ring != NULL;
}

static struct mailbox_entry *
at(const struct mailbox *box, unsigned index)
{
	return &box->ring[(box->first + index) % MAILBOX_LETTERS];
}

void
mailbox_put(struct mailbox *box, const struct mailbox_entry *entry)
{
	CHECK(box->ring != NULL && box->count < MAILBOX_LETTERS);
	*at(box, box->count++) = *entry;
	box->bytes += entry->bytes;
	box->large += entry->large;
	box->fds += entry->fds;
}

static struct mailbox_entry
count_out(struct mailbox *box, const struct mailbox_entry *entry)
{
	box->count--;
	box->bytes -= entry->bytes;
	box->large -= entry->large;
	box->fds -= entry->fds;
	return *entry;
}

struct mailbox_entry
mailbox_take(struct mailbox *box)
{
	const struct mailbox_entry *entry = at(box, 0);

	CHECK(box->count > 0);
	box->first = (box->first + 1) % MAILBOX_LETTERS;
	return count_out(box, entry);
}

struct mailbox_entry
mailbox_undo(struct mailbox *box)
{
	CHECK(box->count > 0);
	return count_out(box, at(box, box->count - 1));
}

void
mailbox_done(struct mailbox *box)
{
	free(box->ring);
	*box = (struct mailbox){ 0 };
}
