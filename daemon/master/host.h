/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* host.h: what the master hands down to the control server. */
#ifndef CLUSTERD_MASTER_HOST_H
#define CLUSTERD_MASTER_HOST_H

struct master;

/* Serve on m->control_fd. */
void host_start_control(struct master *m);
/* Who may operate, by the configuration in force. */
void host_set_access(struct master *m);

#endif
