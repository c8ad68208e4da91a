/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* json.c: the JSON of a message of the master; see json.h. */
#include "daemon/plugin/json.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/base/fd.h"

static int
open_file(struct json_text *json, int fd)
{
	struct stat status;
	void *map;

	if (!fd_is_sealed(fd) || fstat(fd, &status) != 0 || status.st_size < 1)
		return EBADMSG;
	map = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return ENOMEM;
	json->map = map;
	json->size = (size_t)status.st_size;
	json->text = map;
	if (json->text[json->size - 1] == '\0')
		return 0;
	json_close(json);
	return EBADMSG;
}

int
json_open(struct json_text *json, struct channel_packet *packet,
    const int *fds, size_t count)
{
	size_t len;
	char *tail = (char *)channel_tail(packet, &len);

	memset(json, 0, sizeof(*json));
	if (count > 0)
		return open_file(json, fds[0]);
	tail[len] = '\0';	/* what may follow it is far from the end */
	json->text = tail;
	return 0;
}

void
json_close(struct json_text *json)
{
	if (json->map != NULL)
		munmap(json->map, json->size);
	json->map = NULL;
}
