/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* evil_lie.c: lies of a worker to its master: on its page, its control channel
 * and its connections socket. */
#include "evil.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FD_CHANNEL = 3, FD_CONNECTIONS, FD_LIFELINE, FD_PAGE };
enum { PAGE_BYTES = 16384, BEAT = 16, BUSY_UNTIL = 21, GAUGES = 24, COUNTERS = 32,
	HISTOGRAM = 160, DOING = 256 };		/* in words of 8 bytes */

/* Hold the loop, so that a lie is not mended by the next beat. */
static void
hold_loop(int ms)
{
	poll(NULL, 0, ms);
}

static void
randomize(void *at, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((unsigned char *)at)[i] = (unsigned char)random();
}

enum cluster_verdict
do_page(struct cluster_request *req, struct evil *evil, const char *arg)
{
	uint64_t *page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE,
	    MAP_SHARED, FD_PAGE, 0);

	if (page == MAP_FAILED)
		return CLUSTER_FAIL;
	if (strcmp(arg, "truncate") == 0)
		return say_result(req, ftruncate(FD_PAGE, 0) == 0 ? 0 : -errno);
	if (strcmp(arg, "busy") == 0) {
		page[BUSY_UNTIL] = UINT64_MAX;		/* until for ever */
		for (;;)
			pause();
	}
	if (strcmp(arg, "beat_future") == 0)
		page[BEAT] += 1000000000000ull;
	else if (strcmp(arg, "counter_huge") == 0)
		memset(page + COUNTERS, 0x7f, (HISTOGRAM - COUNTERS) * 8);
	else if (strcmp(arg, "gauges") == 0)
		memset(page + GAUGES, 0xff, 64);
	else if (strcmp(arg, "seq_odd") == 0)
		for (int i = 0; i < 32; i++)
			page[DOING + i * 32] |= 1;
	else if (strcmp(arg, "random") == 0)
		randomize(page, PAGE_BYTES);
	if (strcmp(arg, "counter_back") == 0) {
		page[COUNTERS] += 1000;
		hold_loop(400);
		page[COUNTERS] -= 1000;
	}
	hold_loop(400);
	return say(req, "lied\n");
}

/* One frame of the control channel: header, then a body of zeros. */
static int
send_frame(uint16_t type, uint32_t length, size_t size, int flags)
{
	unsigned char frame[16 + 16384 + 16] = { 0 };

	memcpy(frame, &type, sizeof(type));
	memcpy(frame + 4, &length, sizeof(length));
	return send(FD_CHANNEL, frame, size, MSG_NOSIGNAL | flags) < 0 ?
	    -errno : 0;
}

/* A packet as it is, with a descriptor that is nothing much. */
static int
send_with_fd(const void *packet, size_t size)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .header = { CMSG_LEN(sizeof(int)), SOL_SOCKET,
		SCM_RIGHTS } };
	struct iovec part = { (void *)(uintptr_t)packet, size };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control) };

	memset(CMSG_DATA(&control.header), 0, sizeof(int));
	return sendmsg(FD_CHANNEL, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int
send_frame_with_fd(uint16_t type, uint32_t length)
{
	unsigned char frame[16 + 256] = { 0 };

	memcpy(frame, &type, sizeof(type));
	memcpy(frame + 4, &length, sizeof(length));
	return send_with_fd(frame, 16 + length);
}

/* A MESSAGE of nothing to a worker "x/0", as daemon/proto/letter.h has it: the
 * frame's head, the number of letters, and one. */
static void
make_letter(uint64_t frame[8])
{
	static const uint64_t letter[] = {
		8 | (uint64_t)(8 + 40) << 32, 0, 1, 40, 0, 0,
		(uint64_t)3 << 32, 0x302f78 };

	memcpy(frame, letter, sizeof(letter));
}

static int
send_letter(void)
{
	uint64_t frame[8];

	make_letter(frame);
	return send(FD_CHANNEL, frame, sizeof(frame), MSG_NOSIGNAL) < 0 ?
	    -errno : 0;
}

/* To "x 0". */
static int
send_to_nobody(void)
{
	uint64_t frame[8];

	make_letter(frame);
	frame[7] ^= '/' << 8 ^ ' ' << 8;
	return send(FD_CHANNEL, frame, sizeof(frame), MSG_NOSIGNAL) < 0 ?
	    -errno : 0;
}

/* LETTER_LARGE, of 65536 bytes, whose file is none that is sealed. */
static int
send_unsealed(void)
{
	uint64_t frame[8];

	make_letter(frame);
	frame[3] |= (uint64_t)8 << 32;
	frame[6] |= 65536 | (uint64_t)1 << 56;
	return send_with_fd(frame, sizeof(frame));
}

/* TAKEN: so many letters of that master were read, which sent none. */
static int
send_taken(uint64_t master, uint64_t letters)
{
	const uint64_t frame[] = { 22 | (uint64_t)16 << 32, 0,
		master | letters << 32, 0 };

	return send(FD_CHANNEL, frame, sizeof(frame), MSG_NOSIGNAL) < 0 ?
	    -errno : 0;
}

/* COMMAND: `scale', of the plugin that is so many'th; this one may nothing. */
static int
send_command(uint32_t instance)
{
	uint32_t frame[14] = { 10, 40, 1, 0, instance };

	memcpy(frame + 6, "scale", 5);
	return send(FD_CHANNEL, frame, sizeof(frame), MSG_NOSIGNAL) < 0 ?
	    -errno : 0;
}

/* Of a master before the first one. */
static int
send_taken_before(void)
{
	return send_taken(0, 1);
}

/* So many at once. */
static int
send_many(int (*send_one)(void), int count)
{
	struct pollfd one = { FD_CHANNEL, POLLOUT, 0 };

	for (int i = 0; i < count; i++) {
		int rc;

		while ((rc = send_one()) == -EAGAIN)
			poll(&one, 1, 1000);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* A word with type and length of a frame; size differs where that is the lie.
 * Types are those of daemon/proto/messages.def. */
static const struct { const char *word; uint16_t type; uint32_t length; size_t size; }
frames[] = {
	{ "ready", 3, 8, 24 }, { "drained", 6, 8, 24 }, { "fatal", 4, 584, 600 },
	{ "online", 1, 72, 88 }, { "unknown", 99, 0, 16 }, { "none", 0, 0, 16 },
	{ "master", 11, 8, 24 }, { "cut", 3, 8, 20 }, { "short", 3, 8, 7 },
	{ "long", 8, 16385, 16 + 16385 }, { "empty", 3, 0, 16 },
	{ "follow", 27, 272, 288 }, { "letter", 8, 48, 64 },
};

static int
lie(const char *word)
{
	int size = 1;

	if (strcmp(word, "fds") == 0)
		return send_frame_with_fd(7, 256);
	if (strcmp(word, "flood") == 0)	/* a plugin may send thousands */
		return send_many(send_letter, 100000);
	if (strcmp(word, "command") == 0)
		return send_command(0);
	if (strcmp(word, "stranger") == 0)
		return send_command(99);
	if (strcmp(word, "nobody") == 0)
		return send_to_nobody();
	if (strcmp(word, "unsealed") == 0)
		return send_unsealed();
	if (strcmp(word, "taken") == 0)
		return send_taken(1, 5);
	if (strcmp(word, "taken_after") == 0)	/* of one still to come */
		return send_taken(1000, 1);
	if (strcmp(word, "taken_flood") == 0)
		return send_many(send_taken_before, 5000);
	if (strcmp(word, "write") == 0)
		return send(FD_CONNECTIONS, frames, 64, MSG_NOSIGNAL) < 0 ?
		    -errno : 0;
	if (strcmp(word, "shutdown") == 0)
		return shutdown(FD_CONNECTIONS, SHUT_RDWR);
	if (strcmp(word, "buffers") == 0)
		return setsockopt(FD_CONNECTIONS, SOL_SOCKET, SO_RCVBUF, &size,
		    sizeof(size)) | setsockopt(FD_CONNECTIONS, SOL_SOCKET,
		    SO_SNDBUF, &size, sizeof(size));
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++)
		if (strcmp(word, frames[i].word) == 0)
			return send_frame(frames[i].type, frames[i].length,
			    frames[i].size, 0);
	return -EINVAL;
}

/* WORD, or WORD:FIFO to wait first and hold the loop after. */
enum cluster_verdict
do_frame(struct cluster_request *req, struct evil *evil, const char *arg)
{
	const char *fifo = strchr(arg, ':');
	char word[32];
	int rc;

	snprintf(word, sizeof(word), "%.*s", fifo == NULL ? (int)strlen(arg) :
	    (int)(fifo - arg), arg);
	if (fifo != NULL)
		wait_for(fifo + 1);
	rc = lie(word);
	if (fifo != NULL)
		hold_loop(800);
	return say_result(req, rc);
}
