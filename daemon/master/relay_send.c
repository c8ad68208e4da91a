/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* relay_send.c: messages of the operator: `send'. */
#include "daemon/master/master.h"
#include "daemon/master/relay_parts.h"

void
relay_tell_operator(struct master *m, const struct mail_report *report)
{
	(void)m;
	(void)report;
}
