/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * sorry.h: an http pool without a worker answers 503 instead of letting its
 * clients hang: after 2 s without one, at once where none is wanted.
 */
#ifndef CLUSTERD_MASTER_SORRY_H
#define CLUSTERD_MASTER_SORRY_H

#include <stdint.h>

struct master;

/* Each tick, after the verdict. */
void sorry_look(struct master *m);
/* The pool goes: whoever still waits there is told so, now. */
void sorry_end_pool(struct master *m, uint16_t pool);

#endif
