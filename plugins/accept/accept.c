/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* accept.c: what an Accept-Encoding field allows; see accept.h. */
#include "accept.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define TOKEN_END " \t,;="
#define BLANKS " \t"

/* A qvalue, 0 to 1 with up to three decimals, in thousandths; what is none
 * counts as 0: it asks for nothing that we understand. */
static unsigned
accept_read_weight(const char *at, const char **end)
{
	unsigned weight, unit = 100;

	*end = at + strcspn(at, BLANKS ",;");
	if (*at != '0' && *at != '1')
		return 0;
	weight = *at++ == '1' ? 1000 : 0;
	if (at < *end && *at++ != '.')
		return 0;
	for (; at < *end; at++, unit /= 10) {
		if (*at < '0' || *at > '9' || unit == 0)
			return 0;
		weight += (unsigned)(*at - '0') * unit;
	}
	return weight <= 1000 ? weight : 0;
}

/* Parameters up to the comma; the one that counts is q. */
static const char *
accept_read_parameters(const char *at, unsigned *weight)
{
	*weight = 1000;
	for (;;) {
		at += strspn(at, BLANKS);
		if (*at == ',' || *at == '\0')
			return at;
		if (*at != ';') {		/* no list: heed nothing of it */
			*weight = 0;
			at += strcspn(at, ",");
			return at;
		}
		at++;
		at += strspn(at, BLANKS);
		if ((*at | 0x20) == 'q' && at[1] == '=')
			*weight = accept_read_weight(at + 2, &at);
		else
			at += strcspn(at, ",;");
	}
}

static bool
is_name(const char *at, size_t len, const char *name)
{
	return strlen(name) == len && strncasecmp(at, name, len) == 0;
}

unsigned
accept_weight(const char *value, const char *coding)
{
	unsigned weight, any = 0;

	if (value == NULL)
		return 0;
	while (*value != '\0') {
		const char *name;
		size_t len;

		value += strspn(value, BLANKS ",");
		name = value;
		len = strcspn(name, TOKEN_END);
		value = accept_read_parameters(name + len, &weight);
		if (len > 2 && strncasecmp(name, "x-", 2) == 0) {
			name += 2;		/* x-gzip is gzip */
			len -= 2;
		}
		if (is_name(name, len, coding))
			return weight;
		if (is_name(name, len, "*"))
			any = weight;
	}
	return any;
}
