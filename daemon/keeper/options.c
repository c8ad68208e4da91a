/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* options.c: the command line of clusterd; see options.h. */
#include "daemon/keeper/options.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/paths.h"

const char options_usage[] =
"usage: " PROGRAM_CLUSTERD " [-c FILE] [-t] [-T] [-d] [-V] [-h]\n"
"  -c FILE  configuration [" CONFIG_FILE "]\n"
"  -t       check it and exit\n"
"  -T       check it and print what is in effect, defaults included\n"
"  -d       detach once it serves\n"
"  -V       version, features, libraries\n"
"  -h       this\n"
"Exit status: 0 stopped as asked, 1 failed, 2 usage, 3 already running,\n"
"4 cannot bind, 5 state database from a newer version, 78 bad configuration.\n";

static const struct option long_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ "list-failpoints", no_argument, NULL, 'F' },
	{ NULL, 0, NULL, 0 },
};

static int
set_file(struct options *options, const char *file, struct errmsg *err)
{
	char dir[PATH_MAX] = "";
	int n;

	if (*file == '\0')
		return errmsg_set(err, ERR_BAD_ARGUMENT, "-c: empty name");
	if (*file != '/' && getcwd(dir, sizeof(dir)) == NULL)
		return errmsg_errno(err, "-c %s: current directory", file);
	n = snprintf(options->file, sizeof(options->file), "%s%s%s", dir,
	    *file != '/' ? "/" : "", file);
	if (n < 0 || (size_t)n >= sizeof(options->file))
		return errmsg_set(err, ERR_BAD_ARGUMENT,
		    "-c %s: longer than %zu bytes", file,
		    sizeof(options->file) - 1);
	return 0;
}

int
options_parse(int argc, char **argv, struct options *options,
    struct errmsg *err)
{
	const char *file = CONFIG_FILE;
	int c;

	memset(options, 0, sizeof(*options));
	opterr = 0;
	optind = 1;
	while ((c = getopt_long(argc, argv, ":c:tTdVh", long_options,
	    NULL)) != -1) {
		switch (c) {
		case 'c': file = optarg; break;
		case 't': options->mode = RUN_CHECK; break;
		case 'T': options->mode = RUN_PRINT_CONFIG; break;
		case 'd': options->detach = 1; break;
		case 'V': options->mode = RUN_VERSION; break;
		case 'h': options->mode = RUN_HELP; break;
		case 'F': options->mode = RUN_FAILPOINTS; break;
		case ':':
			return errmsg_set(err, ERR_BAD_ARGUMENT,
			    "%s needs an argument", argv[optind - 1]);
		default:
			return errmsg_set(err, ERR_BAD_ARGUMENT,
			    "unknown option %s", argv[optind - 1]);
		}
	}
	if (optind < argc)
		return errmsg_set(err, ERR_BAD_ARGUMENT, "%s: no argument is "
		    "expected", argv[optind]);
	return set_file(options, file, err);
}
