/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* networks.c: see networks.h. */
#include "daemon/conf/networks.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/errmsg.h"
#include "common/base/parse.h"

/* ---- reading ------------------------------------------------------------------- */

/* The bits behind those that count: they would be a question without answer. */
static bool
has_rest(const struct network *network)
{
	unsigned size = network->family == AF_INET ? 4 : 16;

	for (unsigned i = network->bits / 8; i < size; i++) {
		unsigned mask = i == network->bits / 8 ?
		    0xffu >> network->bits % 8 : 0xff;

		if ((network->address[i] & mask) != 0)
			return true;
	}
	return false;
}

static int
parse_network(struct network *network, const char *word, struct errmsg *err)
{
	const char *slash = strchr(word, '/');
	size_t len = slash == NULL ? strlen(word) : (size_t)(slash - word);
	char address[INET6_ADDRSTRLEN];
	uint64_t bits;

	memset(network, 0, sizeof(*network));
	if (strcmp(word, "unix") == 0) {
		network->family = AF_UNIX;
		return 0;
	}
	network->family = memchr(word, ':', len) != NULL ? AF_INET6 : AF_INET;
	bits = network->family == AF_INET ? 32 : 128;
	network->bits = (uint8_t)bits;
	if (len >= sizeof(address))
		len = 0;
	memcpy(address, word, len);
	address[len] = '\0';
	if (inet_pton(network->family, address, network->address) != 1 ||
	    (slash != NULL && (parse_number(slash + 1, strlen(slash + 1),
	    &bits) != 0 || bits > network->bits)))
		return errmsg_set(err, ERR_BAD_ARGUMENT, "\"%.64s\" is no "
		    "address, ADDRESS/BITS or \"unix\"", word);
	network->bits = (uint8_t)bits;
	if (has_rest(network))
		return errmsg_set(err, ERR_BAD_ARGUMENT, "\"%.64s\" has an "
		    "address with more than %u bits", word, network->bits);
	return 0;
}

int
networks_parse(struct networks *networks, const char *text,
    struct errmsg *err)
{
	static const char separators[] = ", \t";
	char word[80];
	size_t len;
	int rc;

	networks->count = 0;
	for (;; text += len) {
		text += strspn(text, separators);
		len = strcspn(text, separators);
		if (len == 0)
			return 0;
		if (networks->count == NETWORKS_MAX)
			return errmsg_set(err, ERR_BAD_ARGUMENT,
			    "has more than %d networks", NETWORKS_MAX);
		if (len >= sizeof(word))
			return errmsg_set(err, ERR_BAD_ARGUMENT,
			    "\"%.64s...\" is no address", text);
		memcpy(word, text, len);
		word[len] = '\0';
		rc = parse_network(&networks->rows[networks->count++], word,
		    err);
		if (rc != 0)
			return rc;
	}
}

/* ---- asking -------------------------------------------------------------------- */

static bool
is_in(const struct network *network, const uint8_t *address)
{
	unsigned whole = network->bits / 8, rest = network->bits % 8;

	if (memcmp(network->address, address, whole) != 0)
		return false;
	return rest == 0 || ((network->address[whole] ^ address[whole]) &
	    (0xff00u >> rest)) == 0;
}

bool
networks_contain(const struct networks *networks, unsigned family,
    const uint8_t address[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (family == AF_INET6 &&
	    memcmp(address, mapped, sizeof(mapped)) == 0) {
		family = AF_INET;
		address += sizeof(mapped);
	}
	for (unsigned i = 0; i < networks->count; i++)
		if (networks->rows[i].family == family &&
		    is_in(&networks->rows[i], address))
			return true;
	return false;
}
