/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* options.h: the command line of clusterd.  Pure but for getcwd(). */
#ifndef CLUSTERD_KEEPER_OPTIONS_H
#define CLUSTERD_KEEPER_OPTIONS_H

#include "common/base/errmsg.h"

enum run_mode { RUN_SERVE, RUN_CHECK, RUN_PRINT_CONFIG, RUN_VERSION, RUN_HELP,
	RUN_FAILPOINTS };

struct options {
	enum run_mode mode;
	int detach;
	char file[200];		/* configuration, absolute; as in WELCOME */
};

/* 0, or ERR_BAD_ARGUMENT with words (exit status 2). */
int options_parse(int argc, char **argv, struct options *options,
    struct errmsg *err);

extern const char options_usage[];

#endif
