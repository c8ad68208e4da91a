/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * json.h: the JSON of a RESULT or EVENT, wherever it lies: in the packet, or in a
 * file beside it.
 */
#ifndef DAEMON_PLUGIN_JSON_H
#define DAEMON_PLUGIN_JSON_H

#include <stddef.h>

#include "daemon/proto/messages.h"

struct json_text {
	const char *text;		/* terminated; "": none */
	void *map;			/* of a file; or NULL */
	size_t size;
};

/* 0, or an errno: there is no memory for it, or it is not what it says.  It lives
 * as long as the packet, and until json_close(). */
int json_open(struct json_text *json, struct channel_packet *packet,
    const int *fds, size_t count);
void json_close(struct json_text *json);

#endif
