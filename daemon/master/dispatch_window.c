/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * dispatch_window.c: how many connections may lie in front of a worker.  The
 * kernel's queue counts them: SIOCOUTQ, in units of one message.
 */
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/failpoint.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "daemon/master/dispatch.h"
#include "daemon/master/dispatch_parts.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/proto/connection.h"

static uint64_t
queue_bytes(int fd)
{
	int bytes = 0;

	if (FP("dispatch.outq") != 0 || ioctl(fd, SIOCOUTQ, &bytes) != 0 ||
	    bytes < 0)
		return UINT64_MAX;
	return (uint64_t)bytes;
}

void
dispatch_measure(struct master *m)
{
	struct connection_passed message = { .version = CONNECTION_VERSION };
	uint64_t bytes = UINT64_MAX;
	int pair[2];

	if (fd_seqpacket_pair(pair) == 0) {
		if (fd_send(pair[0], &message, sizeof(message), &pair[1], 1) ==
		    0)
			bytes = queue_bytes(pair[0]);
		close(pair[0]);
		close(pair[1]);
	}
	if (bytes >= sizeof(message) && bytes <= 65536) {
		m->window_unit = (size_t)bytes;
		return;
	}
	m->window_unit = 0;
	log_warn("dispatch: the kernel does not tell how long a queue is; "
	    "dispatch_window is 1");
}

static uint64_t
ask_waiting(struct master *m, const struct process *process)
{
	struct pollfd end = { .fd = process->fd[PFD_CONNECTIONS_END],
		.events = POLLIN };
	uint64_t bytes;

	if (m->window_unit == 0)
		return end.fd >= 0 && poll(&end, 1, 0) > 0 ? 1 : 0;
	if (process->fd[PFD_CONNECTIONS] < 0)
		return 0;
	bytes = queue_bytes(process->fd[PFD_CONNECTIONS]);
	/* Without an answer now: as if it were full. */
	return bytes == UINT64_MAX ? 64 :
	    (bytes + m->window_unit / 2) / m->window_unit;
}

uint64_t
dispatch_waiting(struct master *m, struct process *process)
{
	process->waiting_most = ask_waiting(m, process);
	return process->waiting_most;
}

/* Only we put connections there: what the kernel said last and what was sent since
 * is the most there can be.  It is asked anew once that is a whole window, unless
 * it tells by itself when there is room. */
uint64_t
dispatch_waiting_most(struct master *m, struct process *process,
    unsigned window)
{
	if (process->waiting_most >= window && !process->awaited)
		return dispatch_waiting(m, process);
	return process->waiting_most;
}

unsigned
dispatch_window(struct master *m, uint16_t pool)
{
	const struct conf_pool *conf = master_pool_now(m, pool);

	if (m->window_unit == 0)
		return 1;
	return conf != NULL ? (unsigned)conf->dispatch_window : 2;
}

/* The kernel calls the socket writable while fewer than W messages wait. */
void
dispatch_set_window(struct master *m, struct process *process, unsigned window)
{
	int half = (int)((2 * window - 1) * m->window_unit);

	if (process->window == window || m->window_unit == 0)
		return;
	process->window = window;
	/* The kernel doubles what it is given: (4W - 2) units. */
	setsockopt(process->fd[PFD_CONNECTIONS], SOL_SOCKET, SO_SNDBUF, &half,
	    sizeof(half));
}
