/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * elf_note.h: what a plugin says of itself in its ELF note, read from the bytes
 * of the file before a line of it runs.  The bytes are not trusted: every
 * offset is checked.  Pure but for elf_note_read(); worker and checker.
 */
#ifndef DAEMON_PLUGIN_ELF_NOTE_H
#define DAEMON_PLUGIN_ELF_NOTE_H

#include <clusterd/plugin.h>

#include "common/base/errmsg.h"
#include "daemon/proto/messages.h"

/*
 * Find the note in the whole file of len bytes.  0 and *note (name and version
 * are terminated), or ERR_FORMAT with words: no ELF of this machine, cut short,
 * no note, more than one.
 */
int elf_note_find(const void *file, size_t len, struct cluster_note *note,
    struct errmsg *err);

/* The same of the file behind fd, whose offset does not matter. */
int elf_note_read(int fd, struct cluster_note *note, struct errmsg *err);

/*
 * May a plugin with this note run in this host?  FATAL_NONE, or FATAL_ABI with
 * words that name both versions.
 */
enum fatal_class elf_note_judge(const struct cluster_note *note,
    struct errmsg *err);

#endif
