/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* show.c: tables, events, verdicts and the screen of `status'; see show.h. */
#include "ctl/show.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

enum { COLUMNS_MAX = 20, NAME_MAX_LEN = 32 };

struct column {
	char name[NAME_MAX_LEN];
	char head[NAME_MAX_LEN];
	unsigned width;
	bool right;		/* all values are numbers */
};

/* ---- tables ------------------------------------------------------------------ */

static unsigned
text_width(const char *text)
{
	mbstate_t state = { 0 };
	unsigned width = 0;
	size_t left = strlen(text);

	while (left > 0) {
		wchar_t letter;
		size_t len = mbrtowc(&letter, text, left, &state);
		int one;

		if (len == 0 || len > left)
			return width + (unsigned)left;
		one = wcwidth(letter);
		width += one > 0 ? (unsigned)one : 0;
		text += len;
		left -= len;
	}
	return width;
}

/* Of the name of a member without its unit, which the value shows. */
static size_t
label_length(const char *name)
{
	static const char *const units[] = { "_ms", "_kb", "_percent" };
	size_t len = strlen(name);

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t unit = strlen(units[i]);

		if (len > unit && strcmp(name + len - unit, units[i]) == 0)
			return len - unit;
	}
	return len;
}

/* "uptime_ms" is headed UPTIME. */
static size_t
columns_read(const char *text, struct column *columns)
{
	size_t count = 0;

	while (*text != '\0' && count < COLUMNS_MAX) {
		struct column *column = &columns[count++];
		size_t len = strcspn(text, " "), head;

		memset(column, 0, sizeof(*column));
		column->right = true;
		snprintf(column->name, sizeof(column->name), "%.*s", (int)len,
		    text);
		head = label_length(column->name);
		for (size_t i = 0; i < head; i++)
			column->head[i] = column->name[i] == '_' ? ' ' :
			    (char)toupper((unsigned char)column->name[i]);
		text += len + strspn(text + len, " ");
	}
	return count;
}

static const char *
state_color(const char *text)
{
	static const struct {
		const char *word, *color;
	} colors[] = {
		{ "ok", "32" }, { "ready", "32" }, { "done", "32" },
		{ "committed", "32" },
		{ "failed", "31" }, { "killing", "31" }, { "denied", "31" },
		{ "rejected", "31" }, { "rolled_back", "31" },
		{ "degraded", "33" }, { "waiting", "33" }, { "starting", "33" },
		{ "draining", "33" }, { "stopping", "33" }, { "held", "33" },
	};

	for (size_t i = 0; i < sizeof(colors) / sizeof(colors[0]); i++) {
		if (strcmp(text, colors[i].word) == 0)
			return colors[i].color;
	}
	return NULL;
}

/* One cell, padded; the last of a line is not, and is cut at the width. */
static void
print_cell(const struct ctl *ctl, const struct column *column,
    const char *text, bool last, unsigned room)
{
	const char *color = ctl->color && strcmp(column->name, "state") == 0 ?
	    state_color(text) : NULL;
	unsigned width = text_width(text);
	int pad = last && !column->right ? 0 : (int)column->width - (int)width;

	if (column->right && pad > 0)
		printf("%*s", pad, "");
	if (last && room > 0 && width > room && strlen(text) == width)
		printf("%.*s", (int)room, text);
	else if (color != NULL)
		printf("\033[%sm%s\033[0m", color, text);
	else
		fputs(text, stdout);
	if (!column->right && pad > 0)
		printf("%*s", pad, "");
	fputs(last ? "\n" : "  ", stdout);
}

static void
print_line(const struct ctl *ctl, const struct column *columns, size_t count,
    char **cells)
{
	unsigned used = 0;

	for (size_t i = 0; i < count; i++) {
		unsigned room = ctl->width > used ? ctl->width - used : 0;

		print_cell(ctl, &columns[i], cells[i], i + 1 == count, room);
		used += columns[i].width + 2;
	}
}

static void
columns_measure(struct column *columns, size_t count, size_t rows, char **cells,
    const json_t *array)
{
	for (size_t i = 0; i < count; i++) {
		columns[i].width = text_width(columns[i].head);
		columns[i].right = rows > 0;
		for (size_t row = 0; row < rows; row++) {
			const json_t *value = json_object_get(
			    json_array_get(array, row), columns[i].name);
			unsigned width = text_width(cells[row * count + i]);

			if (width > columns[i].width)
				columns[i].width = width;
			if (value != NULL && !json_is_null(value) &&
			    !json_is_integer(value))
				columns[i].right = false;
		}
	}
}

void
show_table(const struct ctl *ctl, const json_t *array, const char *names)
{
	struct column columns[COLUMNS_MAX];
	size_t count = columns_read(names, columns);
	size_t rows = json_array_size(array);
	char **cells = ctl_take((rows * count + 1) * sizeof(*cells));
	char *heads[COLUMNS_MAX];

	for (size_t row = 0; row < rows; row++) {
		for (size_t i = 0; i < count; i++)
			cells[row * count + i] = show_value(columns[i].name,
			    json_object_get(json_array_get(array, row),
			    columns[i].name));
	}
	columns_measure(columns, count, rows, cells, array);
	for (size_t i = 0; i < count; i++)
		heads[i] = columns[i].head;
	print_line(ctl, columns, count, heads);
	for (size_t row = 0; row < rows; row++)
		print_line(ctl, columns, count, cells + row * count);
	for (size_t i = 0; i < rows * count; i++)
		free(cells[i]);
	free(cells);
}

/* ---- events --------------------------------------------------------------------- */

static void
print_member(const json_t *object, const char *name, const char *form)
{
	char *text = show_value(name, json_object_get(object, name));

	printf(form, text);
	free(text);
}

void
show_event(const struct ctl *ctl, const json_t *event)
{
	const json_t *text = json_object_get(event, "text");

	(void)ctl;
	print_member(event, "seq", "%s  ");
	print_member(event, "time", "%s  ");
	print_member(event, "event", "%-20s");
	print_member(event, "worker", "  %-8s");
	print_member(event, "pid", "  %-7s");
	if (json_is_string(text))
		print_member(event, "text", "  %s");
	putchar('\n');
}

/* ---- verdicts ---------------------------------------------------------------------- */

static bool
is_shown(const char *name, const json_t *value)
{
	return strcmp(name, "api") != 0 && strcmp(name, "command_id") != 0 &&
	    strcmp(name, "text") != 0 && !json_is_null(value);
}

/* "pool web, desired 4": the members that fit a line. */
static void
print_members(FILE *out, const json_t *object, const char *between)
{
	const char *name, *before = "";
	json_t *value;

	json_object_foreach((json_t *)object, name, value) {
		char label[NAME_MAX_LEN], *text;

		if (!is_shown(name, value) || json_is_array(value))
			continue;
		snprintf(label, sizeof(label), "%.*s",
		    (int)label_length(name), name);
		text = show_value(name, value);
		fprintf(out, "%s%s %s", before, label, text);
		free(text);
		before = between;
	}
	if (*before != '\0')
		putc('\n', out);
}

static void
show_array(const char *label, const json_t *array)
{
	const json_t *element;
	size_t i;

	json_array_foreach((json_t *)array, i, element) {
		if (i == 0)
			printf("%s:\n", label);
		printf("  ");
		if (json_is_object(element)) {
			print_members(stdout, element, ", ");
		} else {
			char *text = show_value(label, element);

			printf("%s\n", text);
			free(text);
		}
	}
}

void
show_result(const struct ctl *ctl, const json_t *result)
{
	const char *text = json_string_value(json_object_get(result, "text"));
	const char *name;
	json_t *value;

	if (text != NULL) {
		show_text(text);
		return;
	}
	printf("%s: done\n", ctl->command->name);
	print_members(stdout, result, ", ");
	json_object_foreach((json_t *)result, name, value) {
		if (json_is_array(value) && is_shown(name, value))
			show_array(name, value);
	}
}

void
show_progress(const struct ctl *ctl, const json_t *progress)
{
	const json_t *words = json_object_get(progress, "text");
	char *text;

	/* The first one carries the id alone; nobody needs to read it. */
	if (json_object_size(progress) == 1 &&
	    json_object_get(progress, "command_id") != NULL)
		return;
	if (ctl->progress_line)
		fputs("\r\033[K", stderr);
	if (json_is_string(words)) {
		text = show_value("text", words);
		fprintf(stderr, "%s%s", text, ctl->progress_line ? "" : "\n");
		free(text);
	} else {
		print_members(stderr, progress, ", ");
	}
	fflush(stderr);
}

void
show_progress_end(const struct ctl *ctl)
{
	if (ctl->progress_line)
		fputs("\r\033[K", stderr);
}

/* ---- status --------------------------------------------------------------------------- */

static void
print_state(const struct ctl *ctl, const char *state)
{
	const char *color = ctl->color ? state_color(state) : NULL;

	if (color != NULL)
		printf("\033[%sm%s\033[0m", color, state);
	else
		printf("%s", state);
}

static void
print_reason(const json_t *reason)
{
	printf("  ");
	print_member(reason, "reason", "%s: ");
	print_member(reason, "text", "%s\n");
}

int
show_status(const struct ctl *ctl, const json_t *status)
{
	const char *state = json_string_value(json_object_get(status, "state"));
	const json_t *master = json_object_get(status, "master");
	const json_t *reason;
	size_t i;

	if (state == NULL)
		return CTL_FAILED;
	if (!ctl->json) {
		printf("clusterd ");
		print_member(status, "version", "%s: ");
		print_state(ctl, state);
		print_member(status, "generation", ", generation %s");
		print_member(status, "pid", ", pid %s");
		print_member(master, "pid", ", master %s");
		print_member(master, "uptime_ms", " up %s");
		print_member(master, "restarts", ", restarts %s\n");
		json_array_foreach(json_object_get(status, "reasons"), i, reason)
			print_reason(reason);
		putchar('\n');
		show_table(ctl, json_object_get(status, "pools"),
		    commands[COMMAND_POOLS].columns);
		putchar('\n');
		show_table(ctl, json_object_get(status, "workers"),
		    "worker state pid uptime_ms restarts connections requests "
		    "rss_kb doing text");
	}
	return strcmp(state, "ok") == 0 ? 0 :
	    strcmp(state, "degraded") == 0 ? 1 : 2;
}
