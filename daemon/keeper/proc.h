/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* proc.h: names in directories of /proc, without the heap that opendir() uses. */
#ifndef CLUSTERD_KEEPER_PROC_H
#define CLUSTERD_KEEPER_PROC_H

/* Calls visit() with each numeric name in a directory until it returns what is
 * not 0, and returns that; 0 also where the directory cannot be read. */
int proc_each_number(const char *dir, int (*visit)(const char *dir,
    const char *name, void *context), void *context);

#endif
