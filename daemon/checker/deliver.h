/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* deliver.h: the checker's messages to keeper and master.  Blocks until they
 * are taken; who does not take them has ended, and then the checker does. */
#ifndef CLUSTERD_CHECKER_DELIVER_H
#define CLUSTERD_CHECKER_DELIVER_H

#include "daemon/checker/modules.h"

struct buf;

/* On the verdict socket, if verdict >= 0. */
void deliver_finding(int verdict, const struct finding *finding);
void deliver_opening(int verdict, const struct conf_plugin *plugin,
    struct place place);
/* PLUGINs, SNAPSHOT and DONE.  0 or an ERR_ code with words. */
int deliver_result(int verdict, const struct conf *conf,
    const struct modules *modules, const struct buf *canonical,
    size_t warnings, struct errmsg *err);

/* To the keeper: the header, and wait for "go on".  0: go on; -1: it is gone. */
int deliver_header(int keeper, const struct conf *conf);

#endif
