/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * pages.h: error_page of a pool: which answers of the host have a file of the
 * operator's for their body.  The files are read here and travel with the
 * configuration.  Only the checker; may block.
 */
#ifndef CLUSTERD_CHECKER_PAGES_H
#define CLUSTERD_CHECKER_PAGES_H

#include "daemon/checker/modules.h"

/* One entry, "STATUS[,STATUS...] FILE"; 0, or an ERR_ code with words: nothing was
 * taken. */
int pages_take(struct conf *conf, struct conf_pool *pool, const char *value,
    struct errmsg *err);

/* Read all the files, by the rules of paths.  Findings go to the report. */
void pages_read(struct schema *schema, const struct path_policy *policy);

#endif
