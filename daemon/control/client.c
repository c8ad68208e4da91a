/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * client.c: one connection of the control socket.  Called by libevent and by
 * the calls that answer; a client may vanish in any client_write(), so callers
 * look at client->bev afterwards or do not touch it again.
 */
#include "daemon/control/client.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "daemon/control/call.h"
#include "daemon/control/dispatch.h"
#include "daemon/control/server.h"

enum {
	CLIENT_IDLE_MS = 30000,
	CLIENT_HALF_LINE_MS = 5000,
	CLIENT_UNREAD_MS = 10000,
	CLIENT_CHUNK = 16 * 1024,
	CLIENT_LINES = 4,	/* a turn, then others have theirs */
};

/* Lines are cut only while no command runs: one at a time, in order.  What
 * waits then stays in the bufferevent, whose high mark bounds it. */
static void
client_read(struct client *client)
{
	struct evbuffer *input = bufferevent_get_input(client->bev);
	char chunk[CLIENT_CHUNK], *line;
	unsigned lines = 0;
	size_t len;
	int got;

	client->reading = true;
	client->more = false;
	while (client->bev != NULL && client->call == NULL &&
	    !client->closing) {
		if (lines == CLIENT_LINES) {
			client->more = true;
			server_read_again(client->control);
			break;
		}
		line = lines_next(&client->lines, &len);
		if (line != NULL) {
			lines++;
			client->active_ms = clock_now_ms();
			dispatch_line(client, line, len);
			continue;
		}
		if (lines_overlong(&client->lines)) {
			dispatch_overlong(client);
			break;
		}
		got = evbuffer_remove(input, chunk, sizeof(chunk));
		if (got <= 0)
			break;
		if (lines_add(&client->lines, chunk, (size_t)got) != 0) {
			client_close(client);
			break;
		}
	}
	client->reading = false;
	if (client->bev == NULL)
		return;
	if (client->said_all && client->call == NULL && !client->more) {
		client_close_later(client);
		return;
	}
	if (client->call != NULL || client->more ||
	    lines_rest(&client->lines) == 0)
		client->line_ms = 0;
	else if (client->line_ms == 0)
		client->line_ms = clock_now_ms();
}

static void
on_read(struct bufferevent *bev, void *arg)
{
	struct client *client = arg;

	(void)bev;
	/* What is to come in the next turn is not done in this one. */
	if (!client->more)
		client_read(client);
}

/* The output is below its low mark. */
static void
on_write(struct bufferevent *bev, void *arg)
{
	struct client *client = arg;

	if (evbuffer_get_length(bufferevent_get_output(bev)) == 0 &&
	    client->closing)
		client_close(client);
	else if (client->call != NULL)
		call_go_on(client->call);
}

/* Nobody reads any more either. */
static bool
client_is_gone(const struct client *client)
{
	struct pollfd fd = { .fd = bufferevent_getfd(client->bev) };

	return poll(&fd, 1, 0) > 0 && (fd.revents & (POLLHUP | POLLERR));
}

/* Whoever has said all, as `echo ... | socat' does, still wants his answers. */
static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct client *client = arg;

	(void)bev;
	if (what & BEV_EVENT_ERROR || client_is_gone(client)) {
		client_close(client);
		return;
	}
	client->said_all = true;
	if (!client->more)
		client_read(client);
}

/* The peer has read something: the clock of unread answers starts again. */
static void
on_output(struct evbuffer *output, const struct evbuffer_cb_info *info,
    void *arg)
{
	struct client *client = arg;

	if (evbuffer_get_length(output) == 0)
		client->unread_ms = 0;
	else if (info->n_deleted > 0 || client->unread_ms == 0)
		client->unread_ms = clock_now_ms();
}

int
client_open(struct client *client, struct control *control, int fd,
    const struct peer *peer, struct errmsg *err)
{
	struct bufferevent *bev = bufferevent_socket_new(
	    server_event_base(control), fd, BEV_OPT_CLOSE_ON_FREE);

	if (bev == NULL) {
		close(fd);
		return errmsg_set(err, ERR_MEMORY, "out of memory");
	}
	memset(client, 0, sizeof(*client));
	client->control = control;
	client->bev = bev;
	client->peer = *peer;
	client->since_ms = client->active_ms = clock_now_ms();
	lines_init(&client->lines, LINES_REQUEST_MAX);
	evbuffer_add_cb(bufferevent_get_output(bev), on_output, client);
	bufferevent_setwatermark(bev, EV_READ, 0, LINES_REQUEST_MAX);
	bufferevent_setwatermark(bev, EV_WRITE, CLIENT_FULL / 4, 0);
	bufferevent_setcb(bev, on_read, on_write, on_event, client);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
	return 0;
}

void
client_close(struct client *client)
{
	struct bufferevent *bev = client->bev;

	if (bev == NULL)
		return;
	client->bev = NULL;
	if (client->call != NULL)
		call_lose(client->call);
	client->call = NULL;
	evbuffer_remove_cb(bufferevent_get_output(bev), on_output, client);
	bufferevent_free(bev);
	lines_done(&client->lines);
}

void
client_close_later(struct client *client)
{
	if (client->bev == NULL)
		return;
	client->closing = true;
	bufferevent_disable(client->bev, EV_READ);
	bufferevent_setwatermark(client->bev, EV_WRITE, 0, 0);
	if (evbuffer_get_length(bufferevent_get_output(client->bev)) == 0)
		client_close(client);
}

void
client_flush_and_close(struct client *client)
{
	if (client->bev == NULL)
		return;
	evbuffer_unfreeze(bufferevent_get_output(client->bev), 1);
	evbuffer_write(bufferevent_get_output(client->bev),
	    bufferevent_getfd(client->bev));
	client_close(client);
}

int
client_read_peer_again(struct client *client, struct errmsg *err)
{
	return permission_read_peer(bufferevent_getfd(client->bev),
	    &client->control->access, &client->peer, err);
}

void
client_write(struct client *client, const void *data, size_t len)
{
	struct evbuffer *output;

	if (client->bev == NULL)
		return;
	output = bufferevent_get_output(client->bev);
	if (evbuffer_get_length(output) + len > CLIENT_UNREAD_MAX ||
	    bufferevent_write(client->bev, data, len) != 0)
		client_close(client);
}

bool
client_is_full(const struct client *client)
{
	return client->bev != NULL && evbuffer_get_length(
	    bufferevent_get_output(client->bev)) > CLIENT_FULL;
}

void
client_go_on(struct client *client)
{
	if (client->bev == NULL)
		return;
	client->active_ms = clock_now_ms();
	/* Inside client_read() the loop there goes on by itself. */
	if (client->reading)
		return;
	client->more = true;
	server_read_again(client->control);
}

void
client_read_more(struct client *client)
{
	if (client->bev != NULL && client->more && !client->reading)
		client_read(client);
}

bool
client_is_idle(const struct client *client)
{
	return client->call == NULL;
}

void
client_check_time(struct client *client, uint64_t now_ms)
{
	if (client->bev == NULL)
		return;
	if (client->said_all && client_is_gone(client))
		client_close(client);
	else if (client->unread_ms != 0 && now_ms > client->unread_ms +
	    clock_scaled_ms(CLIENT_UNREAD_MS))
		client_close(client);
	else if (client->line_ms != 0 && now_ms > client->line_ms +
	    clock_scaled_ms(CLIENT_HALF_LINE_MS))
		client_close(client);
	else if (client_is_idle(client) && now_ms > client->active_ms +
	    clock_scaled_ms(CLIENT_IDLE_MS))
		client_close(client);
}
