/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * usage.h: from the words of a shell to a command and its arguments, and the
 * texts that say how.
 */
#ifndef CLUSTERD_CTL_USAGE_H
#define CLUSTERD_CTL_USAGE_H

#include "ctl/ctl.h"

/*
 * Read the command line into ctl.  Returns -1 to go on, or an exit status:
 * help was printed, or what is wrong was said.
 */
int usage_parse(struct ctl *ctl, int argc, char **argv);

void usage_print_all(const struct ctl *ctl);
void usage_print_command(const struct ctl *ctl, const struct command *command);

/* The section COMMANDS of the manual page, in mdoc. */
void usage_print_manual(void);
/* What may follow these words, one a line, for shells. */
void usage_print_completions(int count, char **words);

#endif
