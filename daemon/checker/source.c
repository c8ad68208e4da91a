/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * source.c: reads configuration files.  read_line() stands between the bytes
 * and inih: what inih would cut, merge or misread without a word is refused
 * there, with its line.  See source.h.
 */
#include "daemon/checker/source.h"

#include <errno.h>
#include <glob.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/escape.h"
#include "common/base/fd.h"
#include "daemon/checker/must.h"
#include "daemon/checker/value.h"

struct source_text {
	struct source_text *next;
	char bytes[];
};

/* Where a file begins a section. */
struct opened {
	size_t section;
	unsigned line;
};

/* One file while it is read. */
struct input {
	struct source *source;
	const char *name;
	const char *at, *end;
	unsigned line;		/* of the one that inih has now */
	long section;		/* index; -1: none yet; -2: not a legal one */
	struct opened *opened;	/* its sections so far */
	size_t opened_count;
};
enum { NO_SECTION = -1, BAD_SECTION = -2 };

char *
source_text(struct source *source, const char *text, size_t len)
{
	struct source_text *copy = malloc(sizeof(*copy) + len + 1);

	if (copy == NULL)
		must_end();
	memcpy(copy->bytes, text, len);
	copy->bytes[len] = '\0';
	copy->next = source->texts;
	source->texts = copy;
	return copy->bytes;
}

/* Room for one more in a list that doubles. */
static void *
grow(void *list, size_t count, size_t size)
{
	if ((count & (count - 1)) != 0)
		return list;
	list = realloc(list, (count > 0 ? 2 * count : 1) * size);
	if (list == NULL)
		must_end();
	return list;
}

void
source_init(struct source *source, struct report *report)
{
	memset(source, 0, sizeof(*source));
	source->report = report;
	source->name = "";
}

void
source_done(struct source *source)
{
	struct source_text *next;

	for (struct source_text *text = source->texts; text; text = next) {
		next = text->next;
		free(text);
	}
	free(source->sections);
	free(source->entries);
	source_init(source, source->report);
}

static struct place
here(const struct input *input)
{
	return (struct place){ input->name, input->line };
}

static const char *
section_title(const struct input *input)
{
	return input->section >= 0 ?
	    input->source->sections[input->section].title : NULL;
}

/* ---- lines ------------------------------------------------------------------ */

static int
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* 0, or what no text file has. */
static const char *
foreign_byte(const char *text, size_t len)
{
	size_t n;

	for (size_t i = 0; i < len; i += n) {
		unsigned char c = (unsigned char)text[i];

		if (c == '\0')
			return "a NUL byte";
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return "a control character";
		n = utf8_length(text + i, len - i);
		if (n == 0)
			return "bytes that are not UTF-8";
	}
	return NULL;
}

/* Length without the comment: ';' at the start or after a blank, outside
 * double quotes; and without the blanks before it. */
static size_t
strip_comment(const char *text, size_t len)
{
	int quoted = 0;

	for (size_t i = 0; i < len; i++) {
		if (quoted && text[i] == '\\' && i + 1 < len)
			i++;
		else if (text[i] == '"')
			quoted = !quoted;
		else if (text[i] == ';' && !quoted &&
		    (i == 0 || is_blank(text[i - 1])))
			len = i;
	}
	while (len > 0 && is_blank(text[len - 1]))
		len--;
	return len;
}

/* Files may add to each other's sections; within one file a second section of
 * the same name is a slip of the hand. */
static void
note_opened(struct input *input, size_t section)
{
	const struct source *source = input->source;

	for (size_t i = 0; i < input->opened_count; i++) {
		if (input->opened[i].section != section)
			continue;
		report_error(source->report, here(input),
		    source->sections[section].title, NULL,
		    "is there already, in line %u", input->opened[i].line);
		return;
	}
	input->opened = grow(input->opened, input->opened_count,
	    sizeof(*input->opened));
	input->opened[input->opened_count++] = (struct opened){ section,
		input->line };
}

static void
open_section(struct input *input, const char *name, size_t len)
{
	struct source *source = input->source;
	const char *title = source_text(source, name, len);

	for (size_t i = 0; i < source->section_count; i++) {
		if (strcmp(source->sections[i].title, title) == 0) {
			input->section = (long)i;
			note_opened(input, i);
			return;
		}
	}
	source->sections = grow(source->sections, source->section_count,
	    sizeof(*source->sections));
	source->sections[source->section_count].title = title;
	source->sections[source->section_count].place = here(input);
	input->section = (long)source->section_count++;
	note_opened(input, (size_t)input->section);
}

/* "[name]" with its comment gone.  0: refused. */
static int
take_section(struct input *input, const char *text, size_t len)
{
	const char *close = memchr(text, ']', len);
	const char *wrong = NULL;

	input->section = BAD_SECTION;
	if (close == NULL)
		wrong = "a section without its \"]\"";
	else if (close != text + len - 1)
		wrong = "text after the \"]\" of a section";
	else if (len <= 2)
		wrong = "a section without a name";
	else if (len - 2 > SOURCE_NAME_MAX)
		wrong = "the name of a section has more than 49 bytes";
	if (wrong != NULL) {
		report_error(input->source->report, here(input), NULL, NULL,
		    "%s", wrong);
		return 0;
	}
	open_section(input, text + 1, len - 2);
	return 1;
}

/* "name = value" as inih may see it.  0: refused. */
static int
check_entry(struct input *input, const char *text, size_t len)
{
	struct report *report = input->source->report;
	size_t at = 0, name;

	while (at < len && text[at] != '=' && text[at] != ':')
		at++;
	for (name = at; name > 0 && is_blank(text[name - 1]); name--)
		continue;
	if (at == len)
		report_error(report, here(input), section_title(input), NULL,
		    "\"%.40s\" is not \"KEY = VALUE\"", text);
	else if (text[at] == ':')
		report_error(report, here(input), section_title(input), NULL,
		    "\":\" before the first \"=\"; it must be \"KEY = VALUE\"");
	else if (name == 0)
		report_error(report, here(input), section_title(input), NULL,
		    "nothing before the \"=\"");
	else if (name > SOURCE_NAME_MAX)
		report_error(report, here(input), section_title(input), NULL,
		    "the name of a key has more than 49 bytes");
#if !HAVE_DECL_INI_ALLOW_INLINE_COMMENTS
	/* this inih would take it for a comment; ours are gone already */
	else if (strstr(text, " ;") != NULL || strstr(text, "\t;") != NULL)
		report_error(report, here(input), section_title(input), NULL,
		    "\" ;\" inside quotes is not possible with this build's "
		    "inih");
#endif
	else
		return 1;
	return 0;
}

/* What inih gets instead of the line: itself, or an empty one. */
static int
judge_line(struct input *input, const char *text, size_t len)
{
	struct report *report = input->source->report;
	const char *foreign = foreign_byte(text, len);

	if (foreign != NULL) {
		report_error(report, here(input), NULL, NULL, "%s", foreign);
		return 0;
	}
	if (is_blank(text[0])) {
		report_error(report, here(input), section_title(input), NULL,
		    "a blank at the start of a line; a value cannot be "
		    "continued");
		return 0;
	}
	if (text[0] == '[')
		return take_section(input, text, len);
	return check_entry(input, text, len);
}

/* The reader of inih: the next line, always with a newline. */
static char *
read_line(char *out, int size, void *stream)
{
	struct input *input = stream;
	size_t len, most = size > 2 ? (size_t)size - 2 : 0;
	const char *text = input->at, *newline;
	char first[64];

	if (text == input->end)
		return NULL;
	newline = memchr(text, '\n', (size_t)(input->end - text));
	len = (size_t)((newline != NULL ? newline : input->end) - text);
	input->at = newline != NULL ? newline + 1 : input->end;
	input->line++;
	if (input->line == 1 && len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3, len -= 3;
	if (newline != NULL && len > 0 && text[len - 1] == '\r')
		len--;
	if (len > SOURCE_LINE_MAX - 2 || len > most) {
		escape_string(first, sizeof(first), text, 30);
		report_error(input->source->report, here(input),
		    section_title(input), NULL,
		    "the line \"%s...\" has %zu bytes, more than %d", first,
		    len, SOURCE_LINE_MAX - 2);
		len = 0;
	}
	if (len > 0 && text[0] == '#')
		len = 0;
	len = strip_comment(text, len);
	memcpy(out, text, len);
	out[len] = '\0';
	if (len > 0 && !judge_line(input, out, len))
		len = 0;
	memcpy(out + len, "\n", 2);
	return out;
}

/* ---- entries ----------------------------------------------------------------- */

static void include_files(struct input *input, const char *pattern);

static int
on_entry(void *arg, const char *section, const char *key, const char *text)
{
	struct input *input = arg;
	struct source *source = input->source;
	struct source_entry *entry;
	const char *wrong;
	char *value;

	(void)section;		/* our own: inih cuts names */
	if (input->section == BAD_SECTION)
		return 1;
	if (input->section == NO_SECTION) {
		report_error(source->report, here(input), NULL, NULL,
		    "\"%s\" stands before the first section", key);
		return 1;
	}
	value = source_text(source, text, strlen(text));
	if ((wrong = value_unquote(value)) != NULL) {
		report_error(source->report, here(input), section_title(input),
		    key, "%s", wrong);
		return 1;
	}
	if (source->entry_count == SOURCE_ENTRIES_MAX)
		return 1;
	source->entries = grow(source->entries, source->entry_count,
	    sizeof(*entry));
	entry = &source->entries[source->entry_count++];
	entry->section = (size_t)input->section;
	entry->key = source_text(source, key, strlen(key));
	entry->value = value;
	entry->place = here(input);
	if (strcmp(key, "include") == 0 &&
	    strcmp(section_title(input), "daemon") == 0)
		include_files(input, value);
	return 1;
}

static void
prepare_inih(void)
{
	/* Debian's library has these as variables; elsewhere it was built with
	 * its own, and read_line() is told the size of the buffer. */
#if HAVE_DECL_INI_USE_STACK
	ini_use_stack = 1;
#endif
#if HAVE_DECL_INI_MAX_LINE
	ini_max_line = SOURCE_LINE_MAX;
#endif
#if HAVE_DECL_INI_ALLOW_MULTILINE
	ini_allow_multiline = 0;
#endif
#if HAVE_DECL_INI_ALLOW_INLINE_COMMENTS
	ini_allow_inline_comments = 0;
#endif
#if HAVE_DECL_INI_STOP_ON_FIRST_ERROR
	ini_stop_on_first_error = 0;
#endif
}

void
source_parse(struct source *source, const char *name, const char *data,
    size_t len)
{
	struct input input = {
		.source = source, .name = source_text(source, name,
		    strlen(name)), .at = data, .end = data + len,
		.section = NO_SECTION,
	};

	if (source->name[0] == '\0')
		source->name = input.name;
	prepare_inih();
	/* the return value only confirms what is in the report */
	(void)ini_parse_stream(read_line, &input, on_entry, &input);
	free(input.opened);
}

/* ---- files --------------------------------------------------------------------- */

/* The whole file, or NULL with errno. */
static char *
read_all(int fd, size_t *len)
{
	char *data = malloc(SOURCE_FILE_MAX + 1);
	ssize_t n = 1;

	if (data == NULL)
		must_end();
	for (*len = 0; n > 0 && *len <= SOURCE_FILE_MAX;) {
		n = read(fd, data + *len, SOURCE_FILE_MAX + 1 - *len);
		if (n > 0)
			*len += (size_t)n;
		else if (n < 0 && errno == EINTR)
			n = 1;
	}
	if (n >= 0)
		return data;
	free(data);
	return NULL;
}

/* 0: it is being read at this moment, further up. */
static int
enter_file(struct source *source, int fd)
{
	struct stat status;

	if (fstat(fd, &status) != 0)
		return 0;
	for (unsigned i = 0; i < source->depth; i++)
		if (file_is(&status, &source->open[i]))
			return 0;
	source->open[source->depth] = file_id_of(&status);
	return 1;
}

static void
read_file(struct source *source, const char *path, struct place from)
{
	int fd = source->open_file(path, from, source->open_arg);
	size_t len;
	char *data;

	if (fd < 0)
		return;
	if (!enter_file(source, fd)) {
		report_error(source->report, from, "daemon", "include",
		    "%s includes itself", path);
		fd_close(&fd);
		return;
	}
	data = read_all(fd, &len);
	if (data == NULL)
		report_error(source->report, from, NULL, NULL,
		    "cannot read %s: %s", path, strerror(errno));
	else if (len > SOURCE_FILE_MAX)
		report_error(source->report, from, NULL, NULL,
		    "%s has more than %d bytes", path, SOURCE_FILE_MAX);
	fd_close(&fd);
	if (data != NULL && len <= SOURCE_FILE_MAX) {
		source->depth++;
		source_parse(source, path, data, len);
		source->depth--;
	}
	free(data);
}

void
source_read(struct source *source, const char *path)
{
	struct place from = { source_text(source, path, strlen(path)), 0 };

	read_file(source, path, from);
}

/* pattern, relative to the directory of the file that says it */
static const char *
absolute_pattern(struct input *input, const char *pattern)
{
	const char *slash = strrchr(input->name, '/');
	char path[2 * SOURCE_LINE_MAX];

	if (pattern[0] == '/' || slash == NULL)
		return pattern;
	snprintf(path, sizeof(path), "%.*s%s", (int)(slash - input->name) + 1,
	    input->name, pattern);
	return source_text(input->source, path, strlen(path));
}

static void
include_files(struct input *input, const char *pattern)
{
	struct source *source = input->source;
	const char *path = absolute_pattern(input, pattern);
	struct place from = here(input);
	glob_t found = { 0 };
	int rc;

	if (source->open_file == NULL)
		return;
	if (source->depth > SOURCE_DEPTH_MAX) {
		report_error(source->report, from, "daemon", "include",
		    "more than %d files deep", SOURCE_DEPTH_MAX);
		return;
	}
	rc = glob(path, GLOB_ERR, NULL, &found);
	if (rc == GLOB_NOMATCH && strpbrk(pattern, "*?[") == NULL)
		report_error(source->report, from, "daemon", "include",
		    "%s does not exist", path);
	else if (rc != 0 && rc != GLOB_NOMATCH)
		report_error(source->report, from, "daemon", "include",
		    "cannot read %s: %s", path, strerror(errno));
	for (size_t i = 0; rc == 0 && i < found.gl_pathc; i++) {
		if (++source->files > SOURCE_FILES_MAX) {
			report_error(source->report, from, "daemon", "include",
			    "more than %d files", SOURCE_FILES_MAX);
			break;
		}
		read_file(source, found.gl_pathv[i], from);
	}
	globfree(&found);
}
