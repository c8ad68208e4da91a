/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * logfile.h: how a file is opened that lines are appended to: without following
 * a link, and only a regular file with one name or a character device, so that
 * nothing that somebody has put there is written to.
 */
#ifndef CLUSTERD_JOURNAL_LOGFILE_H
#define CLUSTERD_JOURNAL_LOGFILE_H

#include <stdbool.h>

struct errmsg;

/*
 * Open path, an absolute one, for appending; made if missing (0640).  what is
 * it called in words: "log".  0 and *fd, which is non-blocking where that means
 * anything; or an ERR_ code, with words that name the file.  May block (disk).
 */
int logfile_open(const char *what, const char *path, int *fd,
    struct errmsg *err);

/* A regular file without a name: nobody would ever read it. */
bool logfile_is_removed(int fd);

#endif
