/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* usage.c: the command line, read by the rows of commands; see usage.h. */
#include "ctl/usage.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/stamp.h"

enum { WORDS_MAX = 64, USAGE_WIDTH = 27 };

struct words {
	const char *list[WORDS_MAX];
	size_t count;
	bool help;		/* --help or -h among them */
};

/* ---- help ---------------------------------------------------------------------- */

void
usage_print_all(const struct ctl *ctl)
{
	char usage[160];

	printf("usage: %s [-s SOCKET] [--json] [--no-color] COMMAND [ARGS]\n\n",
	    ctl->program);
	for (size_t i = 0; i < COMMAND__COUNT; i++) {
		command_usage(&commands[i], usage, sizeof(usage));
		printf("  %-*s%s%-*s  %s%s\n", USAGE_WIDTH, usage,
		    strlen(usage) > USAGE_WIDTH ? "\n  " : "",
		    strlen(usage) > USAGE_WIDTH ? USAGE_WIDTH : 0, "",
		    commands[i].help,
		    commands[i].absent ? " (not in this version)" : "");
	}
	printf("\nWORKER is POOL/SLOT (web/0), a pool, or all.  The socket is "
	    "-s, else\n$CLUSTERCTL_SOCKET, else the default.  `%s help "
	    "COMMAND' says more.\n", ctl->program);
}

void
usage_print_command(const struct ctl *ctl, const struct command *command)
{
	char usage[160];

	printf("usage: %s %s\n\n%s.\n", ctl->program,
	    command_usage(command, usage, sizeof(usage)), command->help);
	if (command->more != NULL)
		printf("%s\n", command->more);
	if (command->absent)
		printf("Not in this version.\n");
	printf("Needs the right to %s.\n", access_name(command->access));
}

static void
print_mdoc_text(const char *text)
{
	const char *begin = text;

	for (; *text != '\0'; text++) {
		if (*text == '\\')
			printf("\\e");
		else if (*text == '`')
			printf("\\(oq");
		else if (*text == '\'')
			printf("\\(cq");
		else if (*text == '-' && (text == begin || text[-1] == ' ' ||
		    text[-1] == '-'))
			printf("\\-");
		else
			putchar(*text);
		/* A sentence begins a line: mdoc spaces it. */
		if (*text == '.' && text[1] == ' ' && text[2] == ' ') {
			putchar('\n');
			text += 2;
		}
	}
	puts(text[-(text > begin)] == '.' ? "" : ".");
}

void
usage_print_manual(void)
{
	for (size_t i = 0; i < COMMAND__COUNT; i++) {
		const struct command *command = &commands[i];

		printf(".It Cm %s", command->name);
		for (const struct argument *arg = command->arguments;
		    arg->name != NULL; arg++) {
			bool loose = arg->optional || arg->kind == ARG_FLAG;
			const char *word = argument_word(arg);

			printf("%s", loose ? " Op" : "");
			if (arg->option != NULL)
				printf(" Fl %s", arg->option + 1);
			if (*word != '\0')
				printf(" Ar %s", word);
		}
		putchar('\n');
		print_mdoc_text(command->help);
		if (command->more != NULL)
			print_mdoc_text(command->more);
		if (command->absent)
			printf("Not in this version.\n");
	}
}

/* ---- words ------------------------------------------------------------------------ */

/* Does `name' begin with the words given, and what is its next word? */
static const char *
next_word(const char *name, int count, char **words)
{
	for (int i = 0; i < count; i++) {
		size_t len = strlen(words[i]);

		if (strncmp(name, words[i], len) != 0 || name[len] != ' ')
			return NULL;
		name += len + 1;
	}
	return name;
}

void
usage_print_completions(int count, char **words)
{
	const struct command *command = NULL;
	char two[64];

	for (size_t i = 0; i < COMMAND__COUNT; i++) {
		const char *word = next_word(commands[i].name, count, words);

		if (word != NULL)
			printf("%.*s\n", (int)strcspn(word, " "), word);
	}
	if (count > 1) {
		snprintf(two, sizeof(two), "%s %s", words[0], words[1]);
		command = command_by_name(two);
	}
	if (count > 0 && command == NULL)
		command = command_by_name(words[0]);
	if (command == NULL)
		return;
	for (const struct argument *arg = command->arguments;
	    arg->name != NULL; arg++)
		if (arg->option != NULL)
			printf("%s\n", arg->option);
}

static int
usage_fail(const struct ctl *ctl, const struct command *command)
{
	char usage[160];

	if (command != NULL)
		fprintf(stderr, "usage: %s %s\n", ctl->program,
		    command_usage(command, usage, sizeof(usage)));
	else
		fprintf(stderr, "`%s help' lists the commands\n", ctl->program);
	return CTL_USAGE;
}

/* Options for all commands, wherever they stand; the rest are words. */
static int
usage_take_options(struct ctl *ctl, int argc, char **argv,
    struct words *words)
{
	bool plain = false;	/* after "--" */

	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];

		if (plain || word[0] != '-') {
			if (words->count == WORDS_MAX) {
				ctl_complain(ctl, "too many arguments");
				return CTL_USAGE;
			}
			words->list[words->count++] = word;
		} else if (strcmp(word, "--") == 0) {
			plain = true;
		} else if (strcmp(word, "--json") == 0) {
			ctl->json = true;
		} else if (strcmp(word, "--no-color") == 0) {
			ctl->color = false;
		} else if (strcmp(word, "-h") == 0 ||
		    strcmp(word, "--help") == 0) {
			words->help = true;
		} else if (strcmp(word, "-V") == 0 ||
		    strcmp(word, "--version") == 0) {
			printf("clusterctl %s\n", build_stamp);
			return CTL_DONE;
		} else if (strncmp(word, "-s", 2) == 0) {
			ctl->socket = word[2] != '\0' ? word + 2 : argv[++i];
			if (ctl->socket == NULL) {
				ctl_complain(ctl, "-s needs the path of a socket");
				return usage_fail(ctl, NULL);
			}
		} else if (words->count < WORDS_MAX) {
			words->list[words->count++] = word;
		}
	}
	return -1;
}

/* The command that the first one or two words name; *used is how many. */
static const struct command *
usage_find(const struct words *words, size_t *used)
{
	const struct command *command = NULL;
	char two[64];

	if (words->count == 0)
		return NULL;
	if (words->count > 1) {
		snprintf(two, sizeof(two), "%s %s", words->list[0],
		    words->list[1]);
		command = command_by_name(two);
		*used = 2;
	}
	if (command == NULL) {
		command = command_by_name(words->list[0]);
		*used = 1;
	}
	return command;
}

static int
usage_unknown(const struct ctl *ctl, const struct words *words)
{
	const struct command *like = command_like(words->list[0]);
	size_t len = strlen(words->list[0]);
	bool family = false;
	char usage[160];

	for (size_t i = 0; i < COMMAND__COUNT; i++) {
		if (strncmp(commands[i].name, words->list[0], len) == 0 &&
		    commands[i].name[len] == ' ') {
			fprintf(stderr, "usage: %s %s\n", ctl->program,
			    command_usage(&commands[i], usage, sizeof(usage)));
			family = true;
		}
	}
	if (family)
		return CTL_USAGE;
	ctl_complain(ctl, "there is no command \"%s\"%s%s%s", words->list[0],
	    like != NULL ? ", did you mean `" : "",
	    like != NULL ? like->name : "", like != NULL ? "'?" : "");
	return usage_fail(ctl, NULL);
}

/* ---- arguments ---------------------------------------------------------------------- */

/* The argument that an option names, and its value if written with '='. */
static const struct argument *
find_option(const struct command *command, const char *word,
    const char **value)
{
	for (const struct argument *arg = command->arguments;
	    arg->name != NULL; arg++) {
		size_t len = arg->option != NULL ? strlen(arg->option) : 0;

		if (len == 0 || strncmp(word, arg->option, len) != 0)
			continue;
		if (word[len] == '\0' || word[len] == '=') {
			*value = word[len] == '=' ? word + len + 1 : NULL;
			return arg;
		}
	}
	return NULL;
}

/* The first argument without option that has no value yet. */
static const struct argument *
find_place(const struct ctl *ctl)
{
	for (const struct argument *arg = ctl->command->arguments;
	    arg->name != NULL; arg++) {
		if (arg->option == NULL && (arg->kind == ARG_REST ||
		    json_object_get(ctl->args, arg->name) == NULL))
			return arg;
	}
	return NULL;
}

static bool
set_argument(const struct ctl *ctl, const struct argument *arg,
    const char *value)
{
	const char *before = json_string_value(json_object_get(ctl->args,
	    arg->name));
	json_t *text;

	if (arg->kind == ARG_FLAG)
		text = json_true();
	else if (arg->kind == ARG_REST && before != NULL)
		text = json_sprintf("%s %s", before, value);
	else
		text = json_string(value);
	if (text == NULL) {
		ctl_complain(ctl, "%s: not valid UTF-8", arg->name);
		return false;
	}
	json_object_set_new(ctl->args, arg->name, text);
	return true;
}

static bool
is_option(const char *word)
{
	return word[0] == '-' && word[1] != '\0' &&
	    !isdigit((unsigned char)word[1]);
}

static int
usage_take_arguments(struct ctl *ctl, const struct words *words, size_t at)
{
	const struct command *command = ctl->command;

	for (; at < words->count; at++) {
		const char *word = words->list[at], *value = word;
		const struct argument *arg;

		if (is_option(word)) {
			arg = find_option(command, word, &value);
			if (arg != NULL && arg->kind != ARG_FLAG &&
			    value == NULL && at + 1 < words->count)
				value = words->list[++at];
			if (arg != NULL && (arg->kind == ARG_FLAG) !=
			    (value == NULL)) {
				ctl_complain(ctl, "%s %s", arg->option,
				    arg->kind == ARG_FLAG ? "takes no value" :
				    "needs a value");
				return usage_fail(ctl, command);
			}
		} else {
			arg = find_place(ctl);
		}
		if (arg == NULL) {
			ctl_complain(ctl, "`%s' has no argument \"%s\"",
			    command->name, word);
			return usage_fail(ctl, command);
		}
		if (!set_argument(ctl, arg, value))
			return usage_fail(ctl, command);
	}
	for (const struct argument *arg = command->arguments;
	    arg->name != NULL; arg++) {
		if (arg->optional || arg->kind == ARG_FLAG ||
		    json_object_get(ctl->args, arg->name) != NULL)
			continue;
		ctl_complain(ctl, "`%s': %s is missing", command->name,
		    argument_word(arg));
		return usage_fail(ctl, command);
	}
	return -1;
}

static int
usage_help(struct ctl *ctl)
{
	const char *name = json_string_value(json_object_get(ctl->args,
	    "command"));
	const struct command *command;

	if (name == NULL) {
		usage_print_all(ctl);
		return CTL_DONE;
	}
	command = command_by_name(name);
	if (command == NULL) {
		struct words words = { .list = { name }, .count = 1 };

		return usage_unknown(ctl, &words);
	}
	usage_print_command(ctl, command);
	return CTL_DONE;
}

int
usage_parse(struct ctl *ctl, int argc, char **argv)
{
	struct words words = { .count = 0 };
	size_t used = 0;
	int status = usage_take_options(ctl, argc, argv, &words);

	if (status >= 0)
		return status;
	ctl->command = usage_find(&words, &used);
	if (ctl->command == NULL && words.count > 0)
		return usage_unknown(ctl, &words);
	if (ctl->command == NULL && words.help) {
		usage_print_all(ctl);
		return CTL_DONE;
	}
	if (ctl->command == NULL) {
		ctl_complain(ctl, "no command");
		return usage_fail(ctl, NULL);
	}
	if (words.help) {
		usage_print_command(ctl, ctl->command);
		return CTL_DONE;
	}
	ctl->args = json_object();
	status = usage_take_arguments(ctl, &words, used);
	if (status < 0 && ctl->command->id == COMMAND_HELP && !ctl->json)
		return usage_help(ctl);
	return status;
}
