/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* signals.c: see signals.h. */
#include "common/base/signals.h"

#include <signal.h>

void
signals_ignore(void)
{
	static const int ignored[] = { SIGPIPE, SIGHUP, SIGINT, SIGQUIT,
	    SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU, SIGXFSZ };

	for (unsigned i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
}
