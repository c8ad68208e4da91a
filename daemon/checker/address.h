/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* address.h: the text of a listen key.  Pure; only the checker. */
#ifndef CLUSTERD_CHECKER_ADDRESS_H
#define CLUSTERD_CHECKER_ADDRESS_H

#include "common/base/errmsg.h"
#include "daemon/conf/conf.h"

/*
 * Parse IPv4:PORT, [IPv6]:PORT, unix:PATH or fd:NAME into listen (its type is
 * left alone); its texts go to conf.  0, or ERR_BAD_ARGUMENT with words.
 */
int address_parse(struct conf *conf, const char *text,
    struct conf_listen *listen, struct errmsg *err);

/* Do both name the same place?  Port 0 is never the same as another. */
int address_is_same(const struct conf_listen *a, const struct conf_listen *b);

#endif
