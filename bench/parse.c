/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * parse.c: what reading one request head costs, against the least that any
 * server does with it: finding its end.  Both are measured in turn, in short
 * rounds, and the medians are compared, so that a noisy machine hurts both.
 *
 *	parse [ROUNDS]	a table; 200 rounds
 *	parse wrk|browser N	N times and nothing else, for callgrind
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/http/head.h"

enum { FIELDS = 100, CALLS = 2000 };

static const struct head_limits limits = { 32768, 8192, FIELDS };

static const struct request {
	const char *name, *text;
} requests[] = {
	{ "wrk", "GET /hello HTTP/1.1\r\n"
	    "Host: 127.0.0.1:8080\r\n"
	    "User-Agent: wrk/4.1.0\r\n"
	    "Accept: */*\r\n"
	    "X: y\r\n"
	    "\r\n" },
	{ "browser", "GET /articles/2024/11/the-long-road?page=2&sort=date"
	    " HTTP/1.1\r\n"
	    "Host: www.example.com\r\n"
	    "Connection: keep-alive\r\n"
	    "Cache-Control: max-age=0\r\n"
	    "Upgrade-Insecure-Requests: 1\r\n"
	    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"
	    " (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36\r\n"
	    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,"
	    "image/avif,image/webp,*/*;q=0.8\r\n"
	    "Referer: https://www.example.com/articles/2024/11/\r\n"
	    "Accept-Encoding: gzip, deflate, br\r\n"
	    "Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
	    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark;"
	    " consent=yes; last=2024-11-02T10:00:00Z; list=a%2Cb%2Cc; seen=0123456789abcdef; region=eu-w\r\n"
	    "If-None-Match: \"5f3c-60a1b2c3d4e5f\"\r\n"
	    "\r\n" },
};
enum { REQUESTS = sizeof(requests) / sizeof(requests[0]) };

/* Kept, so that no call is thought away. */
static volatile size_t sink;

static void
parse_head(const char *text, size_t len)
{
	struct head_field fields[FIELDS];
	struct head head;

	head_init(&head, &limits, fields);
	if (head_parse(&head, text, len) != HEAD_DONE)
		abort();
	sink = head.offset;
}

static void
find_end(const char *text, size_t len)
{
	const char *end = memmem(text, len, "\r\n\r\n", 4);

	sink = (size_t)(end - text);
}

static double
measure_ns(void (*call)(const char *, size_t), const char *text, size_t len)
{
	struct timespec from, to;

	clock_gettime(CLOCK_MONOTONIC, &from);
	for (int i = 0; i < CALLS; i++)
		call(text, len);
	clock_gettime(CLOCK_MONOTONIC, &to);
	return ((double)(to.tv_sec - from.tv_sec) * 1e9 +
	    (double)(to.tv_nsec - from.tv_nsec)) / CALLS;
}

static int
compare_times(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
compare(const struct request *request, size_t rounds)
{
	double *parse = calloc(rounds, sizeof(*parse));
	double *find = calloc(rounds, sizeof(*find));
	size_t len = strlen(request->text);

	if (parse == NULL || find == NULL)
		abort();
	for (size_t i = 0; i < rounds; i++) {
		parse[i] = measure_ns(parse_head, request->text, len);
		find[i] = measure_ns(find_end, request->text, len);
	}
	qsort(parse, rounds, sizeof(*parse), compare_times);
	qsort(find, rounds, sizeof(*find), compare_times);
	printf("%-8s %4zu bytes  parse %6.1f ns (10 %%: %6.1f, 90 %%: %6.1f)  "
	    "end %5.1f ns  ratio %.1f\n", request->name, len,
	    parse[rounds / 2], parse[rounds / 10], parse[rounds * 9 / 10],
	    find[rounds / 2], parse[rounds / 2] / find[rounds / 2]);
	free(parse);
	free(find);
}

int
main(int argc, char **argv)
{
	long rounds = argc == 2 ? strtol(argv[1], NULL, 10) : 200;

	for (size_t i = 0; i < REQUESTS; i++) {
		if (argc < 3 && rounds > 0)
			compare(&requests[i], (size_t)rounds);
		else if (argc == 3 && strcmp(argv[1], requests[i].name) == 0)
			for (long n = strtol(argv[2], NULL, 10); n > 0; n--)
				parse_head(requests[i].text,
				    strlen(requests[i].text));
	}
	return 0;
}
