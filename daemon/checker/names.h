/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * names.h: the name service, which runs the code of others (nsswitch.conf(5)): it
 * may hang, crash, or find no memory.  So a child asks, and what it says is all
 * that comes back.  Only the checker; may block for five seconds.
 */
#ifndef CLUSTERD_CHECKER_NAMES_H
#define CLUSTERD_CHECKER_NAMES_H

#include <sys/types.h>

#include "daemon/conf/conf.h"

enum names_kind { NAMES_USER, NAMES_GROUP, NAMES_CALLER };

#define NAMES_NO_GROUP	((gid_t)-1)

struct names_answer {
	int found;
	char name[CONF_NAME_MAX];	/* of NAMES_CALLER, as much as fits */
	uid_t uid;			/* of a user */
	gid_t gid;			/* of a group; the first one of a user */
	/* of a user, NAMES_NO_GROUP for the first; none: more than fit */
	unsigned group_count;
	gid_t groups[CONF_GROUPS_MAX];
};

/*
 * What is known of a name, or of the caller's user (name: ""); each is asked about
 * once, so the name must stay.  0, also where it is not found; -1: no answer.
 */
int names_ask(enum names_kind kind, const char *name,
    struct names_answer *answer);

#endif
