/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * diff.h: what a reload would change: which keys, when each applies, which
 * pools have to be rolled.  Pure; the master's reload and `config diff'.
 */
#ifndef CLUSTERD_CONF_DIFF_H
#define CLUSTERD_CONF_DIFF_H

#include "daemon/conf/conf.h"

struct errmsg;

enum diff_what { DIFF_CHANGED, DIFF_ADDED, DIFF_REMOVED };

struct diff_row {
	enum diff_what what;
	enum key_applies applies;
	char section[CONF_NAME_MAX + 8];	/* "pool web" */
	const char *key;	/* of keys.def, or of the plugin; "" for a
				 * whole section added or removed */
	/* Values as in the file, secrets as ***; NULL: not there.  Live as
	 * long as the diff; key and texts as long as both configurations. */
	const char *before, *after;
};

struct diff {
	struct diff_row *rows;
	size_t count;
	size_t refused;		/* rows that need a restart */
	/* by index of the new configuration: workers must be replaced */
	uint8_t roll[CONF_POOLS_MAX];
	/* of those that need not: what a worker has read differs in live keys
	 * alone, and its routes and plugins have the numbers they had */
	uint8_t alike[CONF_POOLS_MAX];
	/* by index of the new, of the old one: is not in the other */
	uint8_t added[CONF_POOLS_MAX], removed[CONF_POOLS_MAX];

	struct diff_text *texts;	/* private */
};

/* Compare; the rows are in the order of keys.def, sections in that of the new
 * configuration, removed ones last.  0 or ERR_MEMORY; either way the caller
 * calls diff_done(). */
int diff_make(const struct conf *before, const struct conf *after,
    struct diff *diff);
void diff_done(struct diff *diff);

/*
 * Make the accounts of a configuration the keeper's list (uid and gid of each,
 * from ACCOUNT_LIST), so that their numbers are those that SPAWN names; before
 * it is shared.  0, or ERR_CONFLICT naming one that the keeper does not know: it
 * needs a restart, and the configuration must not be used.
 */
int conf_renumber_accounts(struct conf *conf, const uint32_t *uids,
    const uint32_t *gids, size_t count, struct errmsg *err);

#endif
