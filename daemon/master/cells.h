/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * cells.h: which cells of the table of states this master has stepped on.  One
 * that cannot happen is logged once.  Builds with --enable-failpoints add each,
 * the first time, to the file that CLUSTERD_TEST_CELLS names: tests compare them
 * with what the model of the supervisor has explored.
 */
#ifndef CLUSTERD_MASTER_CELLS_H
#define CLUSTERD_MASTER_CELLS_H

void cells_note(unsigned state, unsigned event);

#endif
