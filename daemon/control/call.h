/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * call.h: one command while it runs.  Handlers answer through it; the
 * master does so through host.h.  A call outlives its client; what is written
 * then goes nowhere.
 */
#ifndef CLUSTERD_CONTROL_CALL_H
#define CLUSTERD_CONTROL_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/wire/request.h"
#include "common/wire/writer.h"
#include "daemon/control/control.h"
#include "daemon/control/host.h"
#include "daemon/control/permission.h"

enum {
	CALL_DISK_MS = 1000,	/* a verdict waits so long for its record */
	CALLS_MAX = 192,	/* at once, those without a client included */
	CALLS_KEPT = 64,	/* of them not for changes that clients ask for:
				 * what is read, and `stop', find room */
	CALLS_PLUGINS = 64,	/* of them for plugins at the most */
};

struct client;
struct control;
struct journal_follower;

struct control_call {
	struct control *control;
	struct control_call *next;
	struct client *client;		/* NULL: gone, or there was none */
	struct control_reader *reader;	/* of a plugin; NULL likewise */
	bool of_plugin;
	const struct command *command;
	char request_id[sizeof(((struct request *)0)->id)];
	char id[COMMAND_ID_MAX + 1];	/* "" unless it changes something */
	char answers[COMMAND_ID_MAX + 1];	/* the id named in its answer,
					 * when that is another command's */
	bool recorded;			/* in the audit, from its start on */
	bool held;			/* the master has it and will answer */
	bool lost;			/* its client is gone, and it is a read */
	char wanted_id[COMMAND_ID_MAX + 1];	/* that the client gave, or "" */
	struct control_call *joins;	/* it ends as that one does; NULL */
	char waits_for[COMMAND_ID_MAX + 1];	/* another command's verdict */
	struct peer peer;		/* copied: the client may go */
	char who[64];
	int64_t time_ms;
	char *args;			/* JSON text, for the audit; or NULL */
	char *message;			/* of `send'; or NULL */

	/* What a command that runs over several turns keeps. */
	void (*go_on)(struct control_call *call);	/* room to write again */
	struct buf body;		/* its verdict, while the disk is awaited */
	int job;			/* of the store, 0: none */
	void (*late)(struct control_call *call);	/* it did not answer … */
	uint64_t late_ms;		/* … by then; NULL: it may take its time */
	struct journal_follower *follower;
	void *context;			/* of its file; freed with it by free() */
};

/* May a client, or a plugin, begin that command now? */
bool call_has_room(const struct control *control,
    const struct command *command, bool of_plugin);

/* A new call of a client (or NULL), in the list of the control server.  NULL
 * when there are too many or memory is short. */
struct control_call *call_new(struct control *control, struct client *client,
    const struct command *command);

/* The other one is answered instead, whoever is there. */
void call_hand_over(struct control_call *call, struct control_call *other);

/* ---- answering ------------------------------------------------------------- */

/* JSON made by ourselves; taken as it is. */
void call_progress(struct control_call *call, const char *json, size_t len);
void call_row(struct control_call *call, const char *json, size_t len);
/* The last answer; the call is freed.  result: JSON text, or NULL for null. */
void call_done(struct control_call *call, const char *result);
void call_fail(struct control_call *call, const struct errmsg *err,
    const char *result);
void call_fail_with(struct control_call *call, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* call_done() with the object in buf, which is emptied.  Out of memory while
 * it was written becomes an error. */
void call_done_with(struct control_call *call, struct buf *buf);
/* call_row() likewise; false when there is nobody to read any more. */
bool call_row_with(struct control_call *call, struct buf *buf);

/* ---- while it runs ----------------------------------------------------------- */

/* Is somebody there to read what it answers? */
bool call_is_heard(const struct control_call *call);
/* There is room again for what it answers. */
void call_go_on(struct control_call *call);
/* There is nobody any more.  What the master has goes on; reads are freed by
 * call_sweep(), which the server calls every tick. */
void call_lose(struct control_call *call);
void call_sweep(struct control *control);
/* Should a pager or follower wait? */
bool call_is_full(const struct control_call *call);

/* ---- command ids and verdicts -------------------------------------------------- */

/* Give call the id that was wanted, or a random one, record it as running and
 * tell the client. */
void call_begin_change(struct control_call *call);
/* Answer call with the verdict of a command: now if it is remembered, later if
 * it runs.  false: neither, nothing was done. */
bool call_join(struct control_call *call, const char *id);
/* The command that an id belonged to, or NULL. */
const struct command *call_command_of(const struct control *control,
    const char *id);

/* At the end of the server: what waits for the disk alone is answered … */
void call_finish_all(struct control *control);
/* … and the rest is dropped without a word. */
void call_free_all(struct control *control);

#endif
