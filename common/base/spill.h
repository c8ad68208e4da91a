/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* spill.h: a file for what is too long for memory. */
#ifndef CLUSTERD_BASE_SPILL_H
#define CLUSTERD_BASE_SPILL_H

/*
 * A file without a name in the directory of TMPDIR, or where that is none or
 * takes none, in /var/tmp: close-on-exec, for reading and writing, this user's
 * alone.  It is gone when its last descriptor is closed.  Returns the
 * descriptor, which is the caller's, or -errno.
 */
int spill_open(void);

#endif
