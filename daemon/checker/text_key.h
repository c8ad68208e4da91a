/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* text_key.h: what the texts among the values may be.  Pure; only the checker. */
#ifndef CLUSTERD_CHECKER_TEXT_KEY_H
#define CLUSTERD_CHECKER_TEXT_KEY_H

#include "common/base/errmsg.h"
#include "common/table/keys.h"

/* Is text right for the row, which is no number and no list?  0, or
 * ERR_BAD_ARGUMENT with words. */
int text_check(const struct key *key, const char *text, struct errmsg *err);

/* NAME=VALUE that a worker may have: NULL, or what is wrong. */
const char *text_check_env(const char *text);

/* "N" or "MIN..MAX" (not auto) of a row of KIND_RANGE.  0 or an ERR_ code. */
int text_parse_range(const struct key *key, const char *text, int64_t *min,
    int64_t *max, struct errmsg *err);

#endif
