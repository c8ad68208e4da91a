/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * checker.h: the throw-away process that is the first to read a configuration
 * and to run a plugin's constructor.  Called by the worker's main().
 */
#ifndef CLUSTERD_CHECKER_CHECKER_H
#define CLUSTERD_CHECKER_CHECKER_H

/*
 * argv: as the program's, with --check, one of --print, --print-config,
 * --first, --reload, and FILE.  Descriptors: enum checker_fd.  Returns the exit
 * status: 0, 1 (could not check), 2 (usage) or 78 (bad configuration).
 */
int checker_main(int argc, char **argv);

#endif
