/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* word.h: the words of a page: relaxed atomics, one writing thread each. */
#ifndef DAEMON_SCOREBOARD_WORD_H
#define DAEMON_SCOREBOARD_WORD_H

#include <stdint.h>

#define WORD_GET(word) __atomic_load_n(&(word), __ATOMIC_RELAXED)
#define WORD_SET(word, value) \
	__atomic_store_n(&(word), (value), __ATOMIC_RELAXED)

#endif
