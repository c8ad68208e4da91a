/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * ask.h: commands that do not come over the socket (control_ask() and its like
 * in control.h), as call.c answers them.
 */
#ifndef CLUSTERD_CONTROL_ASK_H
#define CLUSTERD_CONTROL_ASK_H

#include "daemon/control/control.h"

/* The last of it: body is the final answer without its braces, as verdicts are
 * kept. */
void ask_hear_done(struct control_reader *reader, const char *body);
/* There is no memory for the answer, or a row was left out: it is none. */
void ask_hear_lost(struct control_reader *reader);

#endif
