/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* connection.c: one connection to the control socket; see connection.h. */
#include "ctl/connection.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/clock.h"

enum { ANSWER_MAX = 16 * 1024 * 1024 };	/* bytes of one line */

int
connection_open(struct connection *connection, const char *path,
    struct errmsg *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int code;

	connection->fd = -1;
	if (strlen(path) >= sizeof(address.sun_path))
		return errmsg_set(err, ERR_NOT_FOUND,
		    "%s: longer than the address of a socket may be", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	connection->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connection->fd < 0)
		return errmsg_errno(err, "socket");
	if (connect(connection->fd, (struct sockaddr *)&address,
	    sizeof(address)) != 0) {
		code = errno == EACCES || errno == EPERM ? ERR_DENIED :
		    errno == ENOENT || errno == ECONNREFUSED ? ERR_NOT_FOUND :
		    ERR_SYSTEM;
		errmsg_set(err, code, "%s: %s%s", path, strerror(errno),
		    code == ERR_NOT_FOUND ? ": is the daemon running?" : "");
		close(connection->fd);
		connection->fd = -1;
		return code;
	}
	lines_init(&connection->lines, ANSWER_MAX);
	return 0;
}

void
connection_close(struct connection *connection)
{
	if (connection->fd < 0)
		return;
	close(connection->fd);
	connection->fd = -1;
	lines_done(&connection->lines);
}

int
connection_send(struct connection *connection, const json_t *request,
    struct errmsg *err)
{
	char *text = json_dumps(request, JSON_COMPACT);
	size_t len = text != NULL ? strlen(text) : 0, at = 0;
	ssize_t sent = 0;

	if (text == NULL)
		return errmsg_set(err, ERR_MEMORY, "out of memory");
	text[len++] = '\n';		/* in place of the NUL */
	while (at < len && sent >= 0) {
		sent = send(connection->fd, text + at, len - at, MSG_NOSIGNAL);
		if (sent > 0)
			at += (size_t)sent;
		else if (sent < 0 && errno == EINTR)
			sent = 0;
	}
	free(text);
	return at == len ? 0 : errmsg_errno(err, "the daemon has closed");
}

static int
connection_read(struct connection *connection, int64_t timeout_ms,
    struct errmsg *err)
{
	struct pollfd poll_fd = { .fd = connection->fd, .events = POLLIN };
	char chunk[16384];
	ssize_t got;
	int rc;

	rc = poll(&poll_fd, 1, timeout_ms < 0 ? -1 : (int)timeout_ms);
	if (rc == 0)
		return errmsg_set(err, ERR_TIMEOUT, "no answer");
	if (rc < 0)
		return errno == EINTR ? 0 : errmsg_errno(err, "poll");
	got = read(connection->fd, chunk, sizeof(chunk));
	if (got < 0)
		return errno == EINTR ? 0 :
		    errmsg_errno(err, "the connection broke");
	if (got == 0)
		return errmsg_set(err, ERR_SYSTEM, "the daemon has closed");
	return lines_add(&connection->lines, chunk, (size_t)got) == 0 ? 0 :
	    errmsg_set(err, ERR_MEMORY, "out of memory");
}

int
connection_receive(struct connection *connection, int64_t timeout_ms,
    json_t **out, struct errmsg *err)
{
	uint64_t end = clock_now_ms() + (timeout_ms < 0 ? 0 :
	    (uint64_t)timeout_ms);
	json_error_t error;
	size_t len;
	char *line;
	int rc;

	while ((line = lines_next(&connection->lines, &len)) == NULL) {
		uint64_t now = clock_now_ms();

		if (lines_overlong(&connection->lines))
			return errmsg_set(err, ERR_FORMAT, "endless answer");
		rc = connection_read(connection, timeout_ms < 0 ? -1 :
		    now < end ? (int64_t)(end - now) : 0, err);
		if (rc != 0)
			return rc;
	}
	*out = json_loadb(line, len, 0, &error);
	if (!json_is_object(*out)) {
		json_decref(*out);
		return errmsg_set(err, ERR_FORMAT,
		    "the answer is not of the control protocol");
	}
	return 0;
}
