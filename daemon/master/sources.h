/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * sources.h: are the files that the plugins came from still what was accepted?
 * Workers have copies of their own, so nothing depends on it but a word in
 * `status'.  A thread looks, every few seconds, as a file system may not
 * answer; it reads a file only when it is another than at the look before, and
 * knows neither the master nor the memo.  All functions are for the loop thread;
 * they do not wait.
 */
#ifndef CLUSTERD_MASTER_SOURCES_H
#define CLUSTERD_MASTER_SOURCES_H

#include <stdbool.h>
#include <stddef.h>

struct conf;
struct sources;

struct sources *sources_new(void);

/* Look again, at the plugins of the configuration in force.  If the last look is
 * still under way, this one is left out. */
void sources_look(struct sources *sources, const struct conf *conf);

/* The file of a plugin of this configuration, by its index, is missing or has
 * another content.  False where that is not known (yet). */
bool sources_is_changed(const struct sources *sources, const struct conf *conf,
    size_t plugin);

#endif
