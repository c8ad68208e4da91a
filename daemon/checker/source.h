/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * source.h: configuration files as a list of sections and entries, before
 * anybody knows what a key means.  The reader is ours line by line; inih
 * splits `name = value'.  Only the checker.
 */
#ifndef CLUSTERD_CHECKER_SOURCE_H
#define CLUSTERD_CHECKER_SOURCE_H

#include <stddef.h>

#include "common/base/file.h"
#include "daemon/checker/report.h"

enum {
	SOURCE_LINE_MAX = 4096,		/* bytes of a line, newline included */
	SOURCE_NAME_MAX = 49,		/* of a section or key: what inih keeps */
	SOURCE_FILE_MAX = 1 << 20,
	SOURCE_DEPTH_MAX = 8,		/* of includes */
	SOURCE_FILES_MAX = 256,
	SOURCE_ENTRIES_MAX = 65536,
};

/* Sections of one title in several files are one section; twice in one file is
 * an error. */
struct source_section {
	const char *title;		/* "pool web" */
	struct place place;		/* of the first */
};

struct source_entry {
	size_t section;
	const char *key, *value;	/* value: quotes and escapes resolved */
	struct place place;
};

struct source {
	const char *name;		/* of the first file */
	struct source_section *sections;
	size_t section_count;
	struct source_entry *entries;
	size_t entry_count;
	struct report *report;		/* borrowed */
	/*
	 * Opens a file for an include or the first one: descriptor, or -1 with
	 * the finding reported at `from`.  NULL: include is not followed.
	 */
	int (*open_file)(const char *path, struct place from, void *arg);
	void *open_arg;

	/* private */
	struct source_text *texts;
	struct file_id open[SOURCE_DEPTH_MAX + 1];
	unsigned depth, files;
};

void source_init(struct source *source, struct report *report);
void source_done(struct source *source);

/* Read a file and what it includes; findings go to the report.  Path must be
 * absolute if includes in it are to be found. */
void source_read(struct source *source, const char *path);

/* The same of bytes in memory, named name. */
void source_parse(struct source *source, const char *name, const char *data,
    size_t len);

/* A copy of text that lives as long as source; never NULL (exits 1 when memory
 * is out: the checker is throw-away). */
char *source_text(struct source *source, const char *text, size_t len);

#endif
