/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* report.c: collects what is wrong with a configuration; see report.h. */
#include "daemon/checker/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/errmsg.h"

int
report_init(struct report *report)
{
	memset(report, 0, sizeof(*report));
	report->findings = calloc(REPORT_MAX, sizeof(*report->findings));
	return report->findings != NULL ? 0 : ERR_MEMORY;
}

void
report_done(struct report *report)
{
	free(report->findings);
	memset(report, 0, sizeof(*report));
}

static void
report_add(struct report *report, int warning, struct place place,
    const char *section, const char *key, const char *fmt, va_list args)
{
	struct finding *finding;
	size_t size = sizeof(finding->text);
	int n = 0;

	*(warning ? &report->warnings : &report->errors) += 1;
	if (report->count == REPORT_MAX)
		return;
	finding = &report->findings[report->count++];
	finding->place = place;
	finding->warning = warning;
	if (section != NULL)
		n += snprintf(finding->text, size, "[%.100s]%s%.100s: ", section,
		    key != NULL ? " " : "", key != NULL ? key : "");
	vsnprintf(finding->text + n, size - (size_t)n, fmt, args);
}

void
report_error(struct report *report, struct place place, const char *section,
    const char *key, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	report_add(report, 0, place, section, key, fmt, args);
	va_end(args);
}

void
report_warning(struct report *report, struct place place, const char *section,
    const char *key, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	report_add(report, 1, place, section, key, fmt, args);
	va_end(args);
}

static int
same_file(const struct finding *a, const struct finding *b)
{
	return strcmp(a->place.file, b->place.file) == 0;
}

/* Does b belong before a, which was found first? */
static int
is_earlier(const struct finding *b, const struct finding *a,
    const struct report *report)
{
	const struct finding *first = &report->findings[report->flushed];

	if (same_file(a, b))
		return b->place.line < a->place.line;
	while (!same_file(first, a) && !same_file(first, b))
		first++;
	return same_file(first, b);
}

/* Insertion sort: stable, and there are at most REPORT_MAX. */
static void
sort_findings(struct report *report, const struct finding **order)
{
	for (size_t i = report->flushed; i < report->count; i++) {
		const struct finding *finding = &report->findings[i];
		size_t at = i - report->flushed;

		for (; at > 0 && is_earlier(finding, order[at - 1], report);
		    at--)
			order[at] = order[at - 1];
		order[at] = finding;
	}
}

void
report_flush(struct report *report, report_sink sink, void *arg)
{
	const struct finding *order[REPORT_MAX];

	sort_findings(report, order);
	for (size_t i = 0; i < report->count - report->flushed; i++)
		sink(order[i], arg);
	report->flushed = report->count;
}
