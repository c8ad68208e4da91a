/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * report.h: what is wrong with a configuration: all of it, in one run, as
 * "FILE:LINE: [section] key: what is wrong".  Only the checker; one thread.
 */
#ifndef CLUSTERD_CHECKER_REPORT_H
#define CLUSTERD_CHECKER_REPORT_H

#include <stddef.h>

/* Where something was written.  line 0: nowhere in particular. */
struct place {
	const char *file;
	unsigned line;
};

enum { REPORT_MAX = 200 };	/* findings kept; the rest is only counted */

struct finding {
	struct place place;
	int warning;
	char text[768];		/* "[section] key: what is wrong" */
};

/* Takes each finding once, in the order of the files; see report_flush(). */
typedef void (*report_sink)(const struct finding *finding, void *arg);

struct report {
	struct finding *findings;	/* REPORT_MAX of them */
	size_t count, flushed;
	size_t errors, warnings;	/* also those that are not kept */
};

int report_init(struct report *report);		/* 0 or ERR_MEMORY */
void report_done(struct report *report);

/*
 * section ("pool web") and key may be NULL.  A secret's value must not be in
 * the words.
 */
void report_error(struct report *report, struct place place,
    const char *section, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
void report_warning(struct report *report, struct place place,
    const char *section, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* Give the findings since the last flush to sink, sorted by line within each
 * file, files in the order of their first finding. */
void report_flush(struct report *report, report_sink sink, void *arg);

#endif
