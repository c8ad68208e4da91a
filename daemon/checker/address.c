/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* address.c: the text of a listen key; see address.h. */
#include "daemon/checker/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/base/parse.h"
#include "daemon/checker/must.h"

static void
set_text(struct conf *conf, struct conf_listen *listen, const char *text)
{
	listen->text = must_text(conf, text, strlen(text));
}

static int
parse_unix(struct conf *conf, const char *text, struct conf_listen *listen,
    struct errmsg *err)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const char *path = text + strlen("unix:");
	size_t len = strlen(path);

	if (path[0] != '/')
		return errmsg_set(err, ERR_BAD_ARGUMENT,
		    "the path of a Unix socket must be absolute, not \"%.64s\"",
		    path);
	if (len >= sizeof(un.sun_path))
		return errmsg_set(err, ERR_BAD_ARGUMENT,
		    "the path of a Unix socket has %zu bytes, more than %zu",
		    len, sizeof(un.sun_path) - 1);
	if (path[len - 1] == '/')
		return errmsg_set(err, ERR_BAD_ARGUMENT,
		    "\"%s\" is a directory", path);
	memcpy(un.sun_path, path, len + 1);
	listen->family = AF_UNIX;
	listen->len = (uint32_t)(offsetof(struct sockaddr_un, sun_path) +
	    len + 1);
	memcpy(listen->address, &un, sizeof(un));
	set_text(conf, listen, text);
	return 0;
}

static int
parse_inherited(struct conf *conf, const char *text,
    struct conf_listen *listen, struct errmsg *err)
{
	const char *name = text + strlen("fd:");
	size_t len = strlen(name);

	if (len == 0 || len > 64 || strspn(name, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.@") != len)
		return errmsg_set(err, ERR_BAD_ARGUMENT,
		    "\"%.64s\" is not the name of a descriptor "
		    "(FileDescriptorName=)", name);
	set_text(conf, listen, text);
	listen->inherited = listen->text + strlen("fd:");
	return 0;
}

/* The port after the last ':' of an address; its end is *host_end. */
static int
parse_port(const char *text, const char **host_end, uint16_t *port,
    struct errmsg *err)
{
	const char *colon = strrchr(text, ':');
	uint64_t number;

	if (colon == NULL || (text[0] == '[' && strchr(colon, ']') != NULL))
		return errmsg_set(err, ERR_BAD_ARGUMENT,
		    "\"%.64s\" has no port; it must be ADDRESS:PORT", text);
	if (parse_number(colon + 1, strlen(colon + 1), &number) != 0 ||
	    number > 65535)
		return errmsg_set(err, ERR_BAD_ARGUMENT,
		    "\"%.64s\" is not a port, which is 0-65535", colon + 1);
	*port = htons((uint16_t)number);
	*host_end = colon;
	return 0;
}

static int
wrong_host(const char *host, size_t len, const char *port, struct errmsg *err)
{
	const char *instead = NULL;

	if ((len == 9 && memcmp(host, "localhost", 9) == 0))
		instead = "127.0.0.1";
	else if (len == 0 || (len == 1 && host[0] == '*'))
		instead = "0.0.0.0";
	if (instead != NULL)
		return errmsg_set(err, ERR_BAD_ARGUMENT,
		    "\"%.*s\" is not an IP address; did you mean \"%s%s\"?",
		    (int)len, host, instead, port);
	if (memchr(host, ':', len) != NULL && host[0] != '[')
		return errmsg_set(err, ERR_BAD_ARGUMENT,
		    "an IPv6 address stands in brackets; did you mean "
		    "\"[%.*s]%s\"?", (int)len, host, port);
	return errmsg_set(err, ERR_BAD_ARGUMENT,
	    "\"%.*s\" is not an IP address", len > 64 ? 64 : (int)len, host);
}

static int
parse_ip(struct conf *conf, const char *text, struct conf_listen *listen,
    struct errmsg *err)
{
	char host[INET6_ADDRSTRLEN + 2], canonical[INET6_ADDRSTRLEN + 16];
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in in = { .sin_family = AF_INET };
	const char *end = text;
	uint16_t port = 0;
	size_t len;
	int rc = parse_port(text, &end, &port, err);

	if (rc != 0)
		return rc;
	len = (size_t)(end - text);
	if (len >= sizeof(host))
		return wrong_host(text, len, end, err);
	memcpy(host, text, len);
	host[len] = '\0';
	if (inet_pton(AF_INET, host, &in.sin_addr) == 1) {
		in.sin_port = port;
		listen->family = AF_INET;
		listen->len = sizeof(in);
		memcpy(listen->address, &in, sizeof(in));
		snprintf(canonical, sizeof(canonical), "%s:%u", host,
		    ntohs(port));
		set_text(conf, listen, canonical);
		return 0;
	}
	if (len < 3 || host[0] != '[' || host[len - 1] != ']')
		return wrong_host(text, len, end, err);
	host[len - 1] = '\0';
	if (inet_pton(AF_INET6, host + 1, &in6.sin6_addr) != 1)
		return wrong_host(text, len, end, err);
	in6.sin6_port = port;
	listen->family = AF_INET6;
	listen->len = sizeof(in6);
	memcpy(listen->address, &in6, sizeof(in6));
	inet_ntop(AF_INET6, &in6.sin6_addr, host, sizeof(host));
	snprintf(canonical, sizeof(canonical), "[%s]:%u", host, ntohs(port));
	set_text(conf, listen, canonical);
	return 0;
}

int
address_parse(struct conf *conf, const char *text, struct conf_listen *listen,
    struct errmsg *err)
{
	const char *blank = strpbrk(text, " \t");

	if (blank != NULL) {
		blank += strspn(blank, " \t");
		if (strcmp(blank, "tls") == 0)
			return errmsg_set(err, ERR_BAD_ARGUMENT,
			    "\"tls\" is not in this version");
		return errmsg_set(err, ERR_BAD_ARGUMENT,
		    "\"%.64s\" after the address is not understood", blank);
	}
	if (strncmp(text, "unix:", 5) == 0)
		return parse_unix(conf, text, listen, err);
	if (strncmp(text, "fd:", 3) == 0)
		return parse_inherited(conf, text, listen, err);
	return parse_ip(conf, text, listen, err);
}

static int
is_any_port(const struct conf_listen *listen)
{
	struct sockaddr_in in;

	if (listen->family != AF_INET && listen->family != AF_INET6)
		return 0;
	memcpy(&in, listen->address, sizeof(in));
	return in.sin_port == 0;	/* sin6_port lies at the same place */
}

int
address_is_same(const struct conf_listen *a, const struct conf_listen *b)
{
	return a->type == b->type && !is_any_port(a) &&
	    strcmp(a->text, b->text) == 0;
}
