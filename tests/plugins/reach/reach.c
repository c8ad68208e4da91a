/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * reach.c: a plugin that reaches for what is the daemon's: /WHAT?PATH answers with
 * 0 or the errno that it met; /stop with what the control socket said.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <clusterd/plugin.h>

static int
reach_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0644);

	if (fd < 0)
		return errno;
	(void)!write(fd, "\n", 1);
	close(fd);
	return 0;
}

static int
reach_write(const char *path)
{
	return reach_open(path, O_WRONLY | O_APPEND);
}

static int
reach_make(const char *path)
{
	return reach_open(path, O_WRONLY | O_CREAT | O_EXCL);
}

static int
reach_chmod(const char *path)
{
	return chmod(path, 0777) == 0 ? 0 : errno;
}

static int
reach_rename(const char *path)
{
	char other[512];

	snprintf(other, sizeof(other), "%s.stolen", path);
	return rename(path, other) == 0 ? 0 : errno;
}

static int
reach_remove(const char *path)
{
	return unlink(path) == 0 ? 0 : errno;
}

/* The first answer to `stop', or the errno of connect(). */
static void
reach_stop(const char *path, char *out, size_t size)
{
	static const char request[] = "{\"id\":1,\"command\":\"stop\"}\n";
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct timeval limit = { 5, 0 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ssize_t n = 0;

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
		snprintf(out, size, "%d\n", errno);
	} else {
		(void)!send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL);
		n = recv(fd, out, size - 1, 0);
		out[n > 0 ? n : 0] = '\0';
	}
	close(fd);
}

static const struct {
	const char *what;
	int (*run)(const char *path);
} ways[] = {
	{ "/write", reach_write }, { "/make", reach_make },
	{ "/chmod", reach_chmod }, { "/rename", reach_rename },
	{ "/remove", reach_remove },
};

static enum cluster_verdict
handle(struct cluster_request *req, void *self)
{
	const char *what = strrchr(cluster_path(req), '/');
	const char *path = cluster_query(req);
	char text[1024] = "-1\n";

	(void)self;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (strcmp(what, ways[i].what) == 0)
			snprintf(text, sizeof(text), "%d\n", ways[i].run(path));
	if (strcmp(what, "/stop") == 0)
		reach_stop(path, text, sizeof(text));
	return cluster_reply_text(req, 200, text);
}

CLUSTER_PLUGIN(reach, .summary = "Reaches for what is the daemon's",
    .handle = handle);
