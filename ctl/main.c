/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * main.c: clusterctl, the program that operates a running clusterd.
 */
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/base/escape.h"
#include "common/base/paths.h"
#include "ctl/run.h"
#include "ctl/usage.h"

void
ctl_complain(const struct ctl *ctl, const char *fmt, ...)
{
	char text[2048], line[8192];
	const char *at = text;
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	/* An error may have several lines, one a fault of the configuration. */
	do {
		size_t len = strcspn(at, "\n");

		escape_string(line, sizeof(line), at, len);
		fprintf(stderr, "%s: %s\n", ctl->program, line);
		at += len + (at[len] == '\n');
	} while (*at != '\0');
}

static void
main_look_at_terminal(struct ctl *ctl)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");
	struct winsize size;

	if (isatty(STDOUT_FILENO)) {
		ctl->color = (no_color == NULL || *no_color == '\0') &&
		    term != NULL && strcmp(term, "dumb") != 0;
		if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
			ctl->width = size.ws_col;
	}
	ctl->progress_line = isatty(STDERR_FILENO);
}

int
main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	const char *socket = getenv("CLUSTERCTL_SOCKET");
	struct ctl ctl = {
		.program = slash != NULL ? slash + 1 : argv[0],
		.socket = socket != NULL && *socket != '\0' ? socket :
		    CONTROL_SOCKET,
	};
	int status;

	setlocale(LC_CTYPE, "");
	json_set_alloc_funcs(ctl_take, free);
	if (argc > 1 && strcmp(argv[1], "--manual") == 0) {
		usage_print_manual();
		return CTL_DONE;
	}
	if (argc > 1 && strcmp(argv[1], "--complete") == 0) {
		usage_print_completions(argc - 2, argv + 2);
		return CTL_DONE;
	}
	main_look_at_terminal(&ctl);
	status = usage_parse(&ctl, argc, argv);
	if (status < 0)
		status = run_command(&ctl);
	json_decref(ctl.args);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		ctl_complain(&ctl, "cannot write the output");
		return CTL_FAILED;
	}
	return status;
}
