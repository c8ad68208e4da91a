/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * must.h: memory of a checker.  One that gets none ends with a word and a status:
 * what it had to leave out must not pass for what was asked for.
 */
#ifndef CLUSTERD_CHECKER_MUST_H
#define CLUSTERD_CHECKER_MUST_H

#include <stddef.h>

#include "daemon/conf/conf.h"

/* "checker: out of memory", and the end. */
_Noreturn void must_end(void);

/* conf_text(), never NULL. */
const char *must_text(struct conf *conf, const char *text, size_t len);

/* What one of conf_add_...() gave; NULL: the list is full. */
void *must_row(void *row);

#endif
