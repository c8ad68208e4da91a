/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * features.h: system calls that an old kernel does not know or a strict
 * container refuses, and what is done without them.
 */
#ifndef CLUSTERD_KEEPER_FEATURES_H
#define CLUSTERD_KEEPER_FEATURES_H

#include "common/base/errmsg.h"

/* Every role opens files by the names that /proc has for descriptors.  0, or
 * ERR_SYSTEM. */
int features_need_proc(struct errmsg *err);
/* Say in the log which are refused.  0, or ERR_SYSTEM for one that we cannot do
 * without. */
int features_check(struct errmsg *err);
/* For clusterd -V: lines to stdout. */
void features_show(void);

#endif
