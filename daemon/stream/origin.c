/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* origin.c: see origin.h.  By hand: it is done for each datagram. */
#include "daemon/stream/origin.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

/* What comes after a colon, or a dot, at the end of the text. */
static char *
put_number(char *at, unsigned number)
{
	char digits[8];
	unsigned count = 0;

	do
		digits[count++] = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	while (count > 0)
		*at++ = digits[--count];
	return at;
}

static char *
put_inet(char *at, const uint8_t *address)
{
	for (int i = 0; i < 4; i++) {
		at = put_number(at, address[i]);
		*at++ = i < 3 ? '.' : ':';
	}
	return at;
}

static char *
put_inet6(char *at, const void *address)
{
	*at++ = '[';
	inet_ntop(AF_INET6, address, at, INET6_ADDRSTRLEN);
	at += strlen(at);
	*at++ = ']';
	*at++ = ':';
	return at;
}

void
origin_put_text(char text[ORIGIN_TEXT], int family, const void *address,
    uint16_t port)
{
	if (family == AF_INET) {
		text = put_inet(text, address);
	} else if (family == AF_INET6) {
		text = put_inet6(text, address);
	} else {
		memcpy(text, "unix", sizeof("unix"));
		return;
	}
	*put_number(text, port) = '\0';
}
