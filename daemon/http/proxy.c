/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* proxy.c: see proxy.h. */
#include "daemon/http/proxy.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/parse.h"
#include "daemon/http/scan.h"

enum {
	V1_LONGEST = 107,		/* with CRLF */
	V2_FIXED = 16,
	V2_LOCAL = 0x20, V2_PROXY = 0x21,
	V2_UNSPEC = 0x00, V2_TCP4 = 0x11, V2_TCP6 = 0x21, V2_UNIX = 0x31,
};

static const char v1_start[] = "PROXY ";
static const char v2_start[] = "\r\n\r\n\0\r\nQUIT\n";

/* ---- version 1: a line --------------------------------------------------------- */

/* The next word of the line, which ends it or stands before one blank. */
static bool
take_word(const char **at, const char *end, char *word, size_t size)
{
	const char *start = *at, *stop;
	size_t len;

	if (start >= end)
		return false;
	stop = memchr(start, ' ', (size_t)(end - start));
	len = (size_t)((stop == NULL ? end : stop) - start);
	if (len == 0 || len >= size)
		return false;
	memcpy(word, start, len);
	word[len] = '\0';
	*at = start + len + (stop != NULL);
	return true;
}

static bool
take_address(const char **at, const char *end, int family, uint8_t *address)
{
	char word[INET6_ADDRSTRLEN];

	return take_word(at, end, word, sizeof(word)) &&
	    inet_pton(family, word, address) == 1;
}

static bool
take_port(const char **at, const char *end, uint16_t *port)
{
	char word[6];
	uint64_t number;

	if (!take_word(at, end, word, sizeof(word)) ||
	    (word[0] == '0' && word[1] != '\0') ||
	    parse_number(word, strlen(word), &number) != 0 ||
	    number > UINT16_MAX)
		return false;
	*port = (uint16_t)number;
	return true;
}

/* What follows "PROXY ", without the CRLF. */
static bool
parse_line(const char *at, const char *end, struct proxy *out)
{
	uint8_t ours[16];
	uint16_t our_port;
	char word[8];

	if (scan_skip_bytes(at, end, SCAN_VALUE) < end ||
	    !take_word(&at, end, word, sizeof(word)))
		return false;
	if (strcmp(word, "UNKNOWN") == 0)
		return true;		/* the rest may be anything */
	if (strcmp(word, "TCP4") == 0)
		out->family = AF_INET;
	else if (strcmp(word, "TCP6") == 0)
		out->family = AF_INET6;
	else
		return false;
	return take_address(&at, end, out->family, out->address) &&
	    take_address(&at, end, out->family, ours) &&
	    take_port(&at, end, &out->port) &&
	    take_port(&at, end, &our_port) && at == end && end[-1] != ' ';
}

static enum proxy_result
parse_v1(const char *buf, size_t len, struct proxy *out)
{
	size_t start = sizeof(v1_start) - 1;
	size_t most = len < V1_LONGEST ? len : V1_LONGEST;
	const char *lf;

	if (memcmp(buf, v1_start, len < start ? len : start) != 0)
		return PROXY_REFUSED;
	lf = memchr(buf, '\n', most);
	if (lf == NULL)
		return len < V1_LONGEST ? PROXY_MORE : PROXY_REFUSED;
	if (lf[-1] != '\r' || !parse_line(buf + start, lf - 1, out))
		return PROXY_REFUSED;
	out->len = (size_t)(lf - buf) + 1;
	return PROXY_DONE;
}

/* ---- version 2: bytes ---------------------------------------------------------- */

static uint16_t
number_at(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* What follows the addresses is of no use to us, but it must add up. */
static bool
is_list(const uint8_t *at, size_t len)
{
	while (len > 0) {
		size_t item;

		if (len < 3)
			return false;
		item = 3 + (size_t)number_at(at + 1);
		if (item > len)
			return false;
		at += item;
		len -= item;
	}
	return true;
}

static bool
take_addresses(uint8_t kind, const uint8_t *at, size_t len, struct proxy *out)
{
	size_t size;

	switch (kind) {
	case V2_UNSPEC:
		return true;
	case V2_TCP4:
		out->family = AF_INET;
		size = 12;
		break;
	case V2_TCP6:
		out->family = AF_INET6;
		size = 36;
		break;
	case V2_UNIX:
		out->family = AF_UNIX;
		size = 216;
		break;
	default:
		return false;
	}
	if (len < size || !is_list(at + size, len - size))
		return false;
	if (kind == V2_UNIX)
		return true;
	memcpy(out->address, at, size / 2 - 2);
	out->port = number_at(at + size - 4);
	return true;
}

static enum proxy_result
parse_v2(const char *buf, size_t len, struct proxy *out)
{
	const uint8_t *at = (const uint8_t *)buf;
	size_t start = sizeof(v2_start) - 1, rest;

	if (memcmp(buf, v2_start, len < start ? len : start) != 0)
		return PROXY_REFUSED;
	if (len > start && at[start] != V2_LOCAL && at[start] != V2_PROXY)
		return PROXY_REFUSED;
	if (len < V2_FIXED)
		return PROXY_MORE;
	rest = number_at(at + V2_FIXED - 2);
	if (len < V2_FIXED + rest)
		return PROXY_MORE;
	out->local = at[start] == V2_LOCAL;
	if (!out->local &&
	    !take_addresses(at[start + 1], at + V2_FIXED, rest, out))
		return PROXY_REFUSED;
	out->len = V2_FIXED + rest;
	return PROXY_DONE;
}

enum proxy_result
proxy_parse(const char *buf, size_t len, struct proxy *out)
{
	struct proxy proxy = { .family = AF_UNSPEC };
	enum proxy_result result;

	if (len == 0)
		return PROXY_MORE;
	result = buf[0] == v1_start[0] ? parse_v1(buf, len, &proxy) :
	    parse_v2(buf, len, &proxy);
	if (result == PROXY_DONE)
		*out = proxy;
	return result;
}
