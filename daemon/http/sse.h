/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* sse.h: the text of a server-sent event.  Pure. */
#ifndef DAEMON_HTTP_SSE_H
#define DAEMON_HTTP_SSE_H

#include "common/base/buf.h"

struct sse_event {
	const char *comment, *event, *id;	/* NULL: none */
	const char *data;
	size_t data_len;
	uint32_t retry_ms;
};

/* Append it.  0; -EINVAL: a line end in event or id, -EMSGSIZE: it does not fit. */
int sse_compose(struct buf *buf, const struct sse_event *event);

#endif
