/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * worker_table.h: the table of a worker's life as it is written for people,
 * typed by hand and never taken from the rows of the program.
 */
#ifndef CLUSTERD_TESTS_WORKER_TABLE_H
#define CLUSTERD_TESTS_WORKER_TABLE_H

#include "daemon/supervisor/worker_fsm.h"

/* What a cell should be; kind EDGE_MISSING where no cell is typed. */
struct worker_edge worker_table_cell(unsigned state, unsigned event);
/* Its text, for a message. */
const char *worker_table_text(unsigned state, unsigned event);

#endif
