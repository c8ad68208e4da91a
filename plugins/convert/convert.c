/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* convert.c: answers with what a program makes of the body; see README. */
#include <clusterd/plugin.h>

#include <stdlib.h>

enum { WORDS_MAX = 64, WORDS_TOLD = 1000 };

struct convert {
	const char *command, *type;
	uint64_t time, max_output, memory, cpu;
	char *words;			/* the command, cut up */
	const char *argv[WORDS_MAX + 1];
	struct cluster_rlimit limits[3];
};

static const struct cluster_option options[] = {
	CLUSTER_OPTION_STRING(struct convert, command, NULL,
	    "Program and arguments, separated by spaces"),
	CLUSTER_OPTION_STRING(struct convert, type, "application/octet-stream",
	    "Content-Type of what it writes"),
	CLUSTER_OPTION_DURATION(struct convert, time, "30s", 1, 3600000,
	    "How long it may take"),
	CLUSTER_OPTION_SIZE(struct convert, max_output, "16M", 1, 1 << 30,
	    "How much it may write"),
	CLUSTER_OPTION_SIZE(struct convert, memory, "512M", 1 << 20, INT64_MAX,
	    "Its address space"),
	CLUSTER_OPTION_DURATION(struct convert, cpu, "30s", 1000, 3600000,
	    "Its time on a processor"),
	CLUSTER_OPTION_END
};

static const char *const environment[] = { "PATH=/usr/local/bin:/usr/bin:/bin",
	NULL };

/* ---- the end of the program ------------------------------------------------------ */

static void
say(struct cluster_request *req, int status, const void *text, size_t len)
{
	cluster_reply_copy(req, status, "text/plain; charset=utf-8", text, len);
}

static void
say_text(struct cluster_request *req, int status, const char *text)
{
	say(req, status, text, strlen(text));
}

/* Its last words, as it wrote them. */
static void
say_words(struct cluster_request *req, const struct cluster_result *result)
{
	size_t len = result->err_len < WORDS_TOLD ? result->err_len :
	    WORDS_TOLD;

	say(req, 422, (const char *)result->err + result->err_len - len, len);
}

static void
answer(const struct convert *convert, struct cluster_request *req,
    const struct cluster_result *result)
{
	switch (result->exit.cause) {
	case CLUSTER_CAUSE_EXIT:
		if (result->exit.code != 0)
			say_words(req, result);
		else if (result->lost > 0)
			say_text(req, 502, "it wrote too much\n");
		else if (cluster_reply_copy(req, 200, convert->type,
		    result->out, result->out_len) != 0)
			say_text(req, 500, "no answer could be made\n");
		break;
	case CLUSTER_CAUSE_TIMEOUT:
		say_text(req, 504, "it took too long\n");
		break;
	case CLUSTER_CAUSE_OVERFLOW:
		say_text(req, 502, "it wrote too much\n");
		break;
	case CLUSTER_CAUSE_STOPPING:
		say_text(req, 503, "the worker ends\n");
		break;
	default:			/* CANCELLED: nobody hears */
		say_text(req, 502, "it was killed\n");
		break;
	}
}

/* One request; its own memory, as the request may end before the program. */
struct job {
	const struct convert *convert;
	struct cluster_request *req;
};

static void
on_done(const struct cluster_result *result, void *arg)
{
	struct job *job = arg;

	answer(job->convert, job->req, result);
	free(job);
}

/* ---- requests -------------------------------------------------------------------- */

static enum cluster_verdict
refuse(const struct convert *convert, struct cluster_request *req, int error)
{
	if (error == -EAGAIN) {
		cluster_set_header(req, "Retry-After", "1");
		return cluster_reply_text(req, 503, "as many run as may\n");
	}
	cluster_log(CLUSTER_ERROR, "%s: %s", convert->argv[0],
	    strerror(-error));
	return CLUSTER_FAIL;
}

static enum cluster_verdict
begin(struct convert *convert, struct cluster_request *req)
{
	struct cluster_spawn how = { .size = sizeof(how), .env = environment,
	    .timeout_ms = (unsigned)convert->time, .rlimits = convert->limits,
	    .max_output = convert->max_output, .with = req };
	struct job *job = malloc(sizeof(*job));
	struct cluster_child *child;
	int rc;

	if (job == NULL)
		return CLUSTER_FAIL;
	*job = (struct job){ convert, req };
	how.stdio[0].kind = CLUSTER_STDIO_DATA;
	how.stdio[0].data = cluster_body(req, &how.stdio[0].len);
	rc = cluster_exec_file(convert->argv[0], convert->argv, &how, on_done,
	    job, &child);
	if (rc != 0) {
		free(job);
		return refuse(convert, req, rc);
	}
	cluster_deadline(req, 0);	/* the program has its own */
	return CLUSTER_LATER;
}

static enum cluster_verdict
handle(struct cluster_request *req, void *self)
{
	if (strcmp(cluster_method(req), "POST") == 0)
		return begin(self, req);
	cluster_set_header(req, "Allow", "POST");
	return cluster_reply_text(req, 405, "POST what is to be converted\n");
}

/* ---- start and stop -------------------------------------------------------------- */

/* The command into words; -1: it is none, as was said. */
static int
cut_up(struct convert *convert)
{
	char *rest = convert->words = strdup(convert->command);
	unsigned count = 0;
	const char *word;

	while ((word = strsep(&rest, " ")) != NULL) {
		if (word[0] == '\0')
			continue;
		if (count == WORDS_MAX) {
			cluster_fatal(CLUSTER_FATAL_CONFIG,
			    "command: more than 64 words");
			return -1;
		}
		convert->argv[count++] = word;
	}
	if (count == 0)
		cluster_fatal(CLUSTER_FATAL_CONFIG, "command: no words");
	return count == 0 ? -1 : 0;
}

static int
start(void *self)
{
	struct convert *convert = self;
	rlim_t seconds = (rlim_t)(convert->cpu + 999) / 1000;

	convert->limits[0] = (struct cluster_rlimit){ RLIMIT_AS,
	    convert->memory, convert->memory };
	convert->limits[1] = (struct cluster_rlimit){ RLIMIT_CPU, seconds,
	    seconds + 1 };
	convert->limits[2].resource = -1;
	return cut_up(convert);
}

static void
stop(void *self)
{
	struct convert *convert = self;

	free(convert->words);
}

CLUSTER_PLUGIN(convert,
	.summary = "Answers with what a program makes of the body",
	.options = options, .size = sizeof(struct convert),
	.start = start, .stop = stop, .handle = handle);
