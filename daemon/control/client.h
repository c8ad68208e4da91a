/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * client.h: one connection of the control socket: bytes in and out, bounded in
 * size and time.  What its lines mean is dispatch.c's matter.
 */
#ifndef CLUSTERD_CONTROL_CLIENT_H
#define CLUSTERD_CONTROL_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/wire/lines.h"
#include "daemon/control/permission.h"

enum {
	CLIENT_UNREAD_MAX = 4 * 1024 * 1024,	/* bytes of answers, then closed */
	CLIENT_FULL = 256 * 1024,	/* pagers and followers wait above this */
};

struct bufferevent;
struct control;
struct control_call;

/* A place in the array of struct control. */
struct client {
	struct control *control;
	struct bufferevent *bev;	/* NULL: the place is free */
	struct peer peer;
	struct lines lines;
	struct control_call *call;	/* the command that runs, or NULL */
	bool closing;			/* as soon as all is written */
	bool said_all;			/* its direction is closed: it listens */
	bool more;			/* lines wait for the next turn */
	bool reading;			/* inside its own read callback */
	uint64_t since_ms;		/* connected */
	uint64_t active_ms;		/* last complete line or end of a command */
	uint64_t line_ms;		/* a half line began; 0: none */
	uint64_t unread_ms;		/* last time the peer read; 0: all read */
};

/* Take over fd, a connected socket, into a free place.  0 or ERR_MEMORY, and
 * fd is closed. */
int client_open(struct client *client, struct control *control, int fd,
    const struct peer *peer, struct errmsg *err);
/* Close now.  Its command goes on without it.  Legal on a free place. */
void client_close(struct client *client);
/* Close as soon as all is written; nothing is read any more. */
void client_close_later(struct client *client);

/* One try to write what waits, then close. */
void client_flush_and_close(struct client *client);
/* Rights may have changed: look again.  0 or an ERR_ code. */
int client_read_peer_again(struct client *client, struct errmsg *err);

/* Append bytes of an answer.  May close the client. */
void client_write(struct client *client, const void *data, size_t len);
bool client_is_full(const struct client *client);

/* Its command has ended: go on with the lines that wait. */
void client_go_on(struct client *client);
/* In the next turn, after server_read_again(). */
void client_read_more(struct client *client);

/* No command runs, so it may make way for another. */
bool client_is_idle(const struct client *client);

/* Every tick: close it when it is too slow. */
void client_check_time(struct client *client, uint64_t now_ms);

#endif
