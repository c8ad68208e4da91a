/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * server.c: accepts clients, keeps their number within bounds, ticks.  The
 * only file here that owns descriptors.
 */
#include "daemon/control/server.h"

#include <errno.h>
#include <event2/event.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "daemon/control/audit.h"
#include "common/base/memory.h"
#include "daemon/control/cmd_verdict.h"

enum {
	SERVER_TICK_MS = 500,
	SERVER_ACCEPTS = 4,	/* a turn, so that those let in are read, too */
	SERVER_GRACE_MS = 250,	/* so long a new client need not make way */
};

struct event_base *
server_event_base(struct control *control)
{
	return control->base;
}

void
server_read_again(struct control *control)
{
	const struct timeval now = { 0, 0 };

	if (!evtimer_pending(control->again, NULL))
		evtimer_add(control->again, &now);
}

const struct view *
server_view_children(struct control *control, enum view_children children)
{
	static const struct view nothing;
	const struct view *view = control->host->view(control->host->context,
	    children);

	/* Whatever is said of it becomes "out of memory" (call.c). */
	control->blind = view == NULL;
	return view != NULL ? view : &nothing;
}

const struct view *
server_view(struct control *control)
{
	return server_view_children(control, CHILDREN_OF_NONE);
}

/* ---- who gets in ------------------------------------------------------------- */

/* The client, of those of uid (or of all for (uid_t)-1), that has been idle for
 * longest, or NULL. */
static struct client *
server_longest_idle(struct control *control, uid_t uid)
{
	uint64_t now = clock_now_ms();
	struct client *found = NULL;

	for (size_t i = 0; i < SERVER_CLIENTS; i++) {
		struct client *client = &control->clients[i];

		if (client->bev == NULL || !client_is_idle(client) ||
		    (uid != (uid_t)-1 && client->peer.uid != uid) ||
		    now - client->since_ms < clock_scaled_ms(SERVER_GRACE_MS))
			continue;
		if (found == NULL || client->active_ms < found->active_ms)
			found = client;
	}
	return found;
}

/* A place for the peer, or NULL: then it is told `busy'. */
static struct client *
server_find_place(struct control *control, const struct peer *peer)
{
	bool preferred = permission_is_preferred(&control->access, peer->uid);
	struct client *free_place = NULL, *idle;
	size_t used = 0, same_uid = 0;

	for (size_t i = 0; i < SERVER_CLIENTS; i++) {
		if (control->clients[i].bev == NULL) {
			free_place = &control->clients[i];
			continue;
		}
		used++;
		same_uid += control->clients[i].peer.uid == peer->uid;
	}
	if (!preferred && same_uid >= SERVER_PER_UID)
		idle = server_longest_idle(control, peer->uid);
	else if (used < SERVER_CLIENTS - (preferred ? 0 : SERVER_KEPT))
		return free_place;
	else
		idle = server_longest_idle(control, (uid_t)-1);
	if (idle != NULL)
		client_close(idle);
	return idle;
}

/* An error to somebody who is not let in: one try, then closed. */
static void
server_turn_away(int fd, int code, const char *text)
{
	char line[256];
	int len = snprintf(line, sizeof(line), "{\"id\":null,\"ok\":false,"
	    "\"error\":{\"code\":\"%s\",\"text\":\"%s\"}}\n", err_name(code),
	    text);

	(void)send(fd, line, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

static void
server_admit(struct control *control, int fd)
{
	struct client *place;
	struct errmsg err;
	struct peer peer;

	if (permission_read_peer(fd, &control->access, &peer, &err) != 0) {
		log_warn("control: %s", err.text);
		close(fd);
		return;
	}
	if (peer.access == ACCESS_NONE) {
		audit_turned_away(control, &peer);
		server_turn_away(fd, ERR_DENIED,
		    "this account may not operate the daemon");
		return;
	}
	place = server_find_place(control, &peer);
	if (place == NULL) {
		server_turn_away(fd, ERR_BUSY, "too many clients");
		return;
	}
	if (client_open(place, control, fd, &peer, &err) != 0)
		log_warn("control: new client: %s", err.text);
}

static void
on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct control *control = arg;

	(void)what;
	for (int i = 0; i < SERVER_ACCEPTS; i++) {
		int client = accept4(fd, NULL, NULL,
		    SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (client >= 0) {
			server_admit(control, client);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno != EAGAIN) {
			/* No descriptors, or worse: not a busy loop. */
			log_warn("control: accept: %s", strerror(errno));
			event_del(control->listener);
			control->paused = true;
		}
		return;
	}
}

static void
on_again(evutil_socket_t fd, short what, void *arg)
{
	struct control *control = arg;

	(void)fd;
	(void)what;
	for (size_t i = 0; i < SERVER_CLIENTS; i++)
		client_read_more(&control->clients[i]);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct control *control = arg;
	uint64_t now = clock_now_ms();

	(void)fd;
	(void)what;
	for (size_t i = 0; i < SERVER_CLIENTS; i++)
		client_check_time(&control->clients[i], now);
	call_sweep(control);
	if (control->paused && control->listener != NULL) {
		control->paused = false;
		event_add(control->listener, NULL);
	}
}

/* ---- life ------------------------------------------------------------------------- */

int
control_set_listener(struct control *control, int listen_fd,
    struct errmsg *err)
{
	struct event *listener = NULL;

	if (listen_fd >= 0) {
		listener = event_new(control->base, listen_fd,
		    EV_READ | EV_PERSIST, on_accept, control);
		if (listener == NULL || event_add(listener, NULL) != 0) {
			if (listener != NULL)
				event_free(listener);
			return errmsg_set(err, ERR_MEMORY, "out of memory");
		}
	}
	if (control->listener != NULL)
		event_free(control->listener);
	control->listener = listener;
	control->paused = false;
	return 0;
}

void
control_set_access(struct control *control,
    const struct control_access *access)
{
	control->access = *access;
	for (size_t i = 0; i < SERVER_CLIENTS; i++) {
		struct client *client = &control->clients[i];
		struct errmsg err;

		if (client->bev == NULL)
			continue;
		/* A right that is taken away is gone at once. */
		if (client_read_peer_again(client, &err) != 0 ||
		    client->peer.access == ACCESS_NONE)
			client_close(client);
	}
}

int
control_start(struct event_base *base, int listen_fd,
    const struct control_host *host, const struct control_access *access,
    struct journal *journal, struct store *store, struct control **out,
    struct errmsg *err)
{
	struct control *control = calloc(1, sizeof(*control));
	const unsigned tick_ms = clock_scaled_ms(SERVER_TICK_MS);
	const struct timeval tick = {
		.tv_sec = tick_ms / 1000, .tv_usec = tick_ms % 1000 * 1000,
	};
	int rc;

	if (control == NULL)
		return errmsg_set(err, ERR_MEMORY, "out of memory");
	/* A request without memory is refused in its own words. */
	json_set_alloc_funcs(memory_take, memory_free);
	control->base = base;
	control->host = host;
	control->access = *access;
	control->journal = journal;
	control->store = store;
	if ((rc = control_set_listener(control, listen_fd, err)) != 0)
		goto out;
	control->again = evtimer_new(base, on_again, control);
	control->tick = event_new(base, -1, EV_PERSIST, on_tick, control);
	if (control->again == NULL || control->tick == NULL ||
	    event_add(control->tick, &tick) != 0) {
		rc = errmsg_set(err, ERR_MEMORY, "out of memory");
		goto out;
	}
	verdict_load(control);
	*out = control;
	control = NULL;
out:
	control_stop(control);
	return rc;
}

void
control_stop(struct control *control)
{
	if (control == NULL)
		return;
	verdict_load_cancel(control);
	call_finish_all(control);
	for (size_t i = 0; i < SERVER_CLIENTS; i++)
		client_flush_and_close(&control->clients[i]);
	call_free_all(control);
	if (control->listener != NULL)
		event_free(control->listener);
	if (control->tick != NULL)
		event_free(control->tick);
	if (control->again != NULL)
		event_free(control->again);
	free(control);
}
