/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * rawepoll.c: the limit.  One process that does the least an HTTP server can:
 * accept, read, find the empty line, write a prebuilt answer with the fields
 * that clusterd sends; or the 1 KiB that a POST brought.  usage: rawepoll PORT
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static const char answer[] =
    "HTTP/1.1 200 OK\r\n"
    "Date: Tue, 24 Nov 2026 12:00:00 GMT\r\n"
    "Server: clusterd\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Content-Length: 14\r\n"
    "\r\n"
    "Hello, World!\n";

static const char last_answer[] =
    "HTTP/1.1 200 OK\r\n"
    "Date: Tue, 24 Nov 2026 12:00:00 GMT\r\n"
    "Server: clusterd\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Content-Length: 14\r\n"
    "Connection: close\r\n"
    "\r\n"
    "Hello, World!\n";

/* For a POST: its body, of 1 KiB. */
static const char echo[] =
    "HTTP/1.1 200 OK\r\n"
    "Date: Tue, 24 Nov 2026 12:00:00 GMT\r\n"
    "Server: clusterd\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Content-Length: 1024\r\n"
    "\r\n";

static void
watch(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		close(fd);
}

/* One answer for each empty line in what was read. */
static void
serve(int fd)
{
	char buf[16384], out[sizeof(answer) * 64];
	ssize_t n = read(fd, buf, sizeof(buf) - 1);
	size_t used = 0;

	if (n <= 0) {
		close(fd);
		return;
	}
	buf[n] = '\0';
	if (buf[0] == 'P') {
		if (n < 1024)
			return;			/* the head alone */
		memcpy(out, echo, sizeof(echo) - 1);
		memcpy(out + sizeof(echo) - 1, buf + n - 1024, 1024);
		if (write(fd, out, sizeof(echo) - 1 + 1024) < 0)
			close(fd);
		return;
	}
	if (strstr(buf, "Connection: close") != NULL) {
		if (write(fd, last_answer, sizeof(last_answer) - 1) < 0)
			perror("rawepoll: write");
		close(fd);
		return;
	}
	for (char *at = buf; (at = strstr(at, "\r\n\r\n")) != NULL; at += 4) {
		memcpy(out + used, answer, sizeof(answer) - 1);
		used += sizeof(answer) - 1;
		if (used + sizeof(answer) > sizeof(out))
			break;
	}
	if (used > 0 && write(fd, out, used) < 0)
		close(fd);
}

int
main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener, epoll, one = 1;

	if (argc != 2) {
		fputs("usage: rawepoll PORT\n", stderr);
		return 2;
	}
	address.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 1024) < 0) {
		perror("rawepoll");
		return 1;
	}
	epoll = epoll_create1(0);
	watch(epoll, listener);
	for (;;) {
		struct epoll_event events[64];
		int n = epoll_wait(epoll, events, 64, -1);

		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;

			if (fd != listener)
				serve(fd);
			else if ((fd = accept4(listener, NULL, NULL,
			    SOCK_NONBLOCK)) >= 0)
				watch(epoll, fd);
		}
	}
}
