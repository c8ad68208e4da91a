/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* notify.c: what service managers are told; see notify.h. */
#include "daemon/keeper/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/clock.h"

void
notify_init(struct keeper *k)
{
	const char *path = getenv("NOTIFY_SOCKET");
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t len = path != NULL ? strlen(path) : 0;

	k->notify.fd = -1;
	if (len < 2 || len >= sizeof(un.sun_path) ||
	    (*path != '/' && *path != '@'))
		return;
	memcpy(un.sun_path, path, len);
	if (*path == '@')
		un.sun_path[0] = '\0';
	k->notify.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0);
	if (k->notify.fd >= 0 && connect(k->notify.fd, (void *)&un,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		fd_close(&k->notify.fd);
	if (usec != NULL && (pid == NULL || strtol(pid, NULL, 10) == getpid()))
		k->notify.watchdog_ns = strtoull(usec, NULL, 10) * 1000 / 2;
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

static void
notify_send(struct keeper *k, const char *text)
{
	if (k->notify.fd >= 0)
		(void)fd_send(k->notify.fd, text, strlen(text), NULL, 0);
}

void
notify_show(struct keeper *k, const struct keeper_msg_show *show)
{
	struct notify *notify = &k->notify;
	char text[256];

	if (show->ready && !notify->was_ready) {
		notify->was_ready = 1;
		notify_send(k, "READY=1");
	}
	if (show->phase == PHASE_RELOADING && notify->phase != show->phase) {
		snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
		    (unsigned long long)clock_now_ns() / 1000);
		notify_send(k, text);
	} else if (show->phase == PHASE_RUNNING &&
	    notify->phase == PHASE_RELOADING) {
		notify_send(k, "READY=1");
	}
	notify->phase = show->phase;
	if (strcmp(notify->text, show->text) != 0) {
		snprintf(text, sizeof(text), "STATUS=%s", show->text);
		notify_send(k, text);
		memcpy(notify->text, show->text, sizeof(notify->text));
	}
}

void
notify_stopping(struct keeper *k, uint64_t ms)
{
	char text[80];

	snprintf(text, sizeof(text), "STOPPING=1\nEXTEND_TIMEOUT_USEC=%llu",
	    (unsigned long long)ms * 1000);
	notify_send(k, text);
}

static const char *
stored_name(const struct listener *listener, char name[32])
{
	if (listener->flags & BIND_CONTROL)
		snprintf(name, 32, "control");
	else
		snprintf(name, 32, "listener-%u", listener->id);
	return name;
}

int
notify_is_stored(const char *name)
{
	return strcmp(name, "control") == 0 ||
	    strncmp(name, "listener-", 9) == 0;
}

void
notify_forget(struct keeper *k, const char *name)
{
	char text[112];

	snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%.63s", name);
	notify_send(k, text);
}

void
notify_forget_listener(struct keeper *k, const struct listener *listener)
{
	char name[32];

	notify_forget(k, stored_name(listener, name));
}

void
notify_store_listener(struct keeper *k, const struct listener *listener)
{
	char text[80], name[32];

	if (k->notify.fd < 0)
		return;
	snprintf(text, sizeof(text), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s",
	    stored_name(listener, name));
	(void)fd_send(k->notify.fd, text, strlen(text), &listener->fd, 1);
}

uint64_t
notify_tick(struct keeper *k, uint64_t now_ns)
{
	struct notify *notify = &k->notify;

	if (notify->fd < 0 || notify->watchdog_ns == 0)
		return 0;
	if (now_ns >= notify->next_ns) {
		notify->next_ns = now_ns + notify->watchdog_ns;
		notify_send(k, "WATCHDOG=1");
	}
	return notify->next_ns;
}
