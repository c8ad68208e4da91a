/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* cells.c: which cells of the table were stepped on; see cells.h. */
#include "daemon/master/cells.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/log.h"
#include "daemon/supervisor/worker_fsm.h"

static void
add_to_file(unsigned state, unsigned event)
{
#ifdef CLUSTERD_FAILPOINTS
	const char *path = getenv("CLUSTERD_TEST_CELLS");
	int fd = path == NULL ? -1 : open(path,
	    O_WRONLY | O_APPEND | O_CLOEXEC);

	if (fd < 0)
		return;
	dprintf(fd, "%s: %s\n", worker_state_name(state),
	    worker_event_name(event));
	close(fd);
#else
	(void)state;
	(void)event;
#endif
}

void
cells_note(unsigned state, unsigned event)
{
	static bool seen[WS__COUNT][WE__COUNT];
	unsigned kind = worker_edge(state, event)->kind;

	if (seen[state][event])
		return;
	seen[state][event] = true;
	add_to_file(state, event);
	if (kind == EDGE_NEVER || kind == EDGE_MISSING)
		log_error("master: bug.cell: %s in state %s",
		    worker_event_name(event), worker_state_name(state));
}
