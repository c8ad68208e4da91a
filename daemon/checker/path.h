/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * path.h: opens a file by walking its path, and looks at everything that
 * somebody else could have put in the way.  Only the checker; may block.
 */
#ifndef CLUSTERD_CHECKER_PATH_H
#define CLUSTERD_CHECKER_PATH_H

#include <sys/types.h>

#include "common/base/errmsg.h"

/* Who may own a component, besides root. */
struct path_owners {
	uid_t keeper, user;
};

/*
 * Walk an absolute path, following links.  Every component walked (directory,
 * link, the file) must belong to root or one of owners and not be writable by
 * others: a sticky directory of root's may be, and by its group if that is the
 * owner's private one.  The file must be regular, without setuid or setgid.
 * Returns the descriptor, opened for reading in the walk, or an ERR_ code with
 * words.  A breach of the rules is no failure: its words are in *breach, and
 * breach->code is 0 where there is none.
 */
int path_open(const char *path, const struct path_owners *owners,
    struct errmsg *breach, struct errmsg *err);

#endif
