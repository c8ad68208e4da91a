/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* session.c: all others of a worker's session; see session.h. */
#include "daemon/child/session.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/child/proc.h"

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

/* Asked again when it is held: the number may be another's by then. */
static void
end(pid_t pid, pid_t session)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (pidfd < 0)
		return;
	if (getsid(pid) == session)
		syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	close(pidfd);
}

void
session_end_others(void)
{
	pid_t self = getpid();
	size_t count;
	struct proc *all = proc_read_all(&count);

	/* a worker leads its session */
	for (size_t i = 0; i < count && getsid(0) == self; i++)
		if (all[i].session == self && all[i].pid != self)
			end(all[i].pid, self);
	free(all);
}
