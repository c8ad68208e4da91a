/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * mail_target.h: whom a message is for, as a word: "web/0", "web", "all",
 * "id:4711" or "master", each optionally with "@INSTANCE" behind it.  Pure;
 * read by the worker that sends, by the master and by its control socket.
 */
#ifndef DAEMON_PROTO_MAIL_TARGET_H
#define DAEMON_PROTO_MAIL_TARGET_H

#include <stdbool.h>
#include <stdint.h>

enum mail_target_kind {
	MAIL_TO_SLOT,			/* the worker that serves there */
	MAIL_TO_POOL,
	MAIL_TO_ALL,
	MAIL_TO_ID,			/* that process and no successor */
	MAIL_TO_MASTER,			/* the event worker.message */
};

enum {
	MAIL_NAME_MAX = 31,		/* characters of a pool or instance */
	MAIL_SLOT_MAX = 65534,
};

struct mail_target {
	enum mail_target_kind kind;
	char pool[MAIL_NAME_MAX + 1];	/* TO_SLOT, TO_POOL */
	uint32_t slot;			/* TO_SLOT */
	uint64_t id;			/* TO_ID; never 0 */
	char instance[MAIL_NAME_MAX + 1];	/* "": every one that listens */
};

/* 0, or -EINVAL: no such word.  *out is untouched then. */
int mail_target_parse(const char *text, struct mail_target *out);

/* Might it name more than one worker? */
bool mail_target_is_broadcast(const struct mail_target *target);

#endif
