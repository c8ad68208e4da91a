/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * control.h: the control socket of the master, from outside.  Clients send one
 * JSON object a line; each becomes a command of common/table/commands.def.
 * Everything is bounded; nothing blocks; no client can harm another or the
 * loop.  Runs in the master's loop thread alone.
 */
#ifndef CLUSTERD_CONTROL_CONTROL_H
#define CLUSTERD_CONTROL_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/base/errmsg.h"
#include "daemon/control/host.h"

enum { CONTROL_WORKER_UIDS = 64 };

struct event_base;
struct journal;
struct store;

/* Who may what.  Copied; changed by a committed reload. */
struct control_access {
	uid_t user;		/* the daemon's own account: admin, as uid 0 */
	gid_t group;		/* operate; (gid_t)-1: none */
	bool read_all;		/* others may read */
	uid_t worker_uids[CONTROL_WORKER_UIDS];	/* refused, unless == user */
	size_t worker_uid_count;
};

struct control;

/*
 * Begin to serve on listen_fd, a listening, non-blocking Unix stream socket,
 * which stays the caller's (the keeper made it).  host, journal and store are
 * borrowed until control_stop(); store may be NULL (history is then what the
 * journal has in memory).  Returns 0 and *out, or an ERR_ code.
 */
int control_start(struct event_base *base, int listen_fd,
    const struct control_host *host, const struct control_access *access,
    struct journal *journal, struct store *store, struct control **out,
    struct errmsg *err);

/* Close all clients, after one try to write what they have not read yet. */
void control_stop(struct control *control);

/* ---- commands of plugins --------------------------------------------------- */

enum control_said { CONTROL_ROW, CONTROL_PROGRESS, CONTROL_DONE };

/*
 * Who asks where it is no client of the socket: a worker, for one of its plugins.
 * Part of the asker, who stays until it has heard DONE or has called
 * control_lose().  Neither function may call the control server.
 */
struct control_reader {
	/* A piece of the answer, borrowed for the call.  DONE is the last: the
	 * whole of it but for its "id"; error: 0 or an errno. */
	void (*hear)(struct control_reader *reader, enum control_said said,
	    const char *json, size_t len, int error);
	/* Rows wait while it is, until control_go_on(). */
	bool (*is_full)(const struct control_reader *reader);
	struct control_call *call;	/* ours; NULL: nothing runs */
};

/* All borrowed for the call. */
struct control_ask {
	const char *command;
	const char *args;	/* JSON text of an object; "": none */
	const char *id;		/* of the command, if it changes something */
	const char *who;	/* "plugin:hello@web/0" */
	uint64_t grants;	/* of common/table/grants.h */
	uid_t uid;		/* of the worker's process */
	gid_t gid;
	pid_t pid;
};

/* Begin a command.  It ends by DONE, also inside this call.  ERR_DENIED if it was
 * not granted, else 0. */
int control_ask(struct control *control, struct control_reader *reader,
    const struct control_ask *ask);
/* Nobody hears any more; a change goes on. */
void control_lose(struct control_reader *reader);
void control_go_on(struct control_reader *reader);

void control_set_access(struct control *control,
    const struct control_access *access);
/* The keeper made the socket again. */
int control_set_listener(struct control *control, int listen_fd,
    struct errmsg *err);

/* Run a change that no client asked for (a signal of the main process).  It is
 * recorded like any other; who is "signal HUP" or the like.  An empty id is
 * filled. */
void control_submit(struct control *control, const struct change *change);

/*
 * After a restart of the master: the call of a command that the memo says is
 * running, so that `verdict' waits for it.  The host answers it as if start()
 * had given it.  NULL when memory is short.
 */
struct control_call *control_adopt(struct control *control,
    enum command_id command, const char *id, const char *who);

/* After a restart of the master: what waited in line for the one before begins
 * anew, as soon as the database has told.  The database may be behind: reloads
 * asked for by reload_ms and other changes by change_ms (wall clock) have begun
 * under that one, whatever it says of them. */
void control_resume_waiting(struct control *control, int64_t reload_ms,
    int64_t change_ms);

/* When it was asked for, in ms of the wall clock. */
int64_t control_asked_ms(const struct control_call *call);

/*
 * After a restart of the master: how the last change of the one before ended.
 * Copied.  It counts where the database says nothing else of it: the record
 * may have been on its way when that master died.
 */
struct control_ended {
	char id[COMMAND_ID_MAX + 1];
	enum command_id command;
	char who[64];
	struct errmsg err;		/* code 0: done */
	char result[512];		/* JSON, or "" */
};
void control_set_ended(struct control *control,
    const struct control_ended *ended);

#endif
