/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* api_datagram.c: how a plugin answers datagrams; see datagram.h. */
#include <errno.h>
#include <string.h>

#include "daemon/plugin/api_parts.h"

int
api_datagram_send(const struct cluster_datagram_peer *to, const void *data,
    size_t len)
{
	struct udp_path path;

	if (to == NULL || (data == NULL && len > 0))
		return api_answered(-EINVAL);
	memcpy(&path, to, sizeof(path));
	return api_answered(udp_send(&api_here()->datagrams.udp, &path, data,
	    len));
}

int
api_datagram_reply(struct cluster_datagram *datagram, const void *data,
    size_t len)
{
	if (datagram == NULL || datagram != api_here()->datagrams.current)
		return api_answered(-ESTALE);
	return api_datagram_send(&datagram->from, data, len);
}
