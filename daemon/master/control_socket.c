/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * control_socket.c: the socket that operators connect to.  The keeper makes it
 * and keeps it; its rights follow the configuration, and one whose path is lost
 * is made again.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "common/base/fd.h"
#include "common/base/log.h"
#include "daemon/master/host.h"
#include "daemon/master/link.h"
#include "daemon/master/listeners.h"
#include "daemon/master/master.h"
#include "daemon/master/start.h"

static void
on_control_remade(struct master *m, uint64_t unused,
    const struct link_packet *answer)
{
	(void)unused;
	if (answer->packet->header.type != KEEPER_BOUND)
		return;		/* looked at again in 5 s */
	fd_close(&m->control_fd);
	m->control_fd = answer->fds[0];
	answer->fds[0] = -1;
	host_start_control(m);
}

void
start_look_at_control(struct master *m)
{
	struct keeper_packet packet;
	struct stat st;
	char path[300];

	if (m->control_deaf && !m->ending)
		host_start_control(m);
	snprintf(path, sizeof(path), "%s/control.sock",
	    m->conf->daemon.run_dir);
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	    (m->control_inode == 0 || m->control_inode == st.st_ino)) {
		m->control_inode = st.st_ino;
		return;
	}
	log_warn("control: %s is lost or another; it is made again", path);
	m->control_inode = 0;
	keeper_begin(&packet, KEEPER_REMAKE, 0);
	packet.body.remake.listener = LISTENER_CONTROL;
	link_request(m->link, &packet, NULL, 0, on_control_remade, 0);
}

static void
on_control_bound(struct master *m, uint64_t unused,
    const struct link_packet *answer)
{
	const struct keeper_packet *p = answer->packet;

	(void)unused;
	if (m->ending)
		return;
	if (p->header.type != KEEPER_BOUND) {
		master_end(m, EXIT_BIND, "cannot bind the control socket: %s",
		    p->body.error.text);
		return;
	}
	fd_close(&m->control_fd);
	m->control_fd = answer->fds[0];
	answer->fds[0] = -1;
	host_start_control(m);
	if (!m->attached)
		start_service(m);
}

static void
fill_control(struct master *m, struct keeper_packet *packet)
{
	struct keeper_msg_bind *bind = &packet->body.bind;
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	snprintf(un.sun_path, sizeof(un.sun_path), "%s/control.sock",
	    m->conf->daemon.run_dir);
	keeper_begin(packet, KEEPER_BIND, 0);
	bind->listener = LISTENER_CONTROL;
	bind->type = BIND_STREAM;
	bind->backlog = 128;
	bind->flags = BIND_CONTROL;
	bind->mode = m->conf->daemon.control_read == READ_ALL ? 0666 : 0660;
	bind->gid = (uint32_t)m->conf->daemon.control_gid;
	bind->address_len = sizeof(un);
	memcpy(bind->address, &un, sizeof(un));
}

void
start_bind_control(struct master *m)
{
	struct keeper_packet packet;

	fill_control(m, &packet);
	link_request(m->link, &packet, NULL, 0, on_control_bound, 0);
}

static void
on_control_changed(struct master *m, uint64_t unused,
    const struct link_packet *answer)
{
	(void)m;
	(void)unused;
	if (answer->packet->header.type != KEEPER_BOUND)
		log_error("control: %s", answer->packet->body.error.text);
}

/* Who may connect is for the socket to say, too. */
void
start_change_control(struct master *m)
{
	struct keeper_packet packet;

	if (m->control_fd < 0)
		return;		/* not bound yet */
	fill_control(m, &packet);
	link_request(m->link, &packet, NULL, 0, on_control_changed, 0);
}
