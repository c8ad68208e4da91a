/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * naive_http.h: messages read at once, all bytes there, as fuzz_conn.c compares
 * them with what a connection makes of the same bytes in pieces.
 */
#ifndef TESTS_FUZZ_NAIVE_HTTP_H
#define TESTS_FUZZ_NAIVE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/http/head.h"

enum { NAIVE_BODY = 8192, NAIVE_FIELDS = 16, NAIVE_TRAILERS = 16 };

enum naive_result { NAIVE_MORE, NAIVE_WHOLE, NAIVE_REFUSED };

struct naive_request {
	enum naive_result result;
	struct head head;
	size_t end;			/* WHOLE: where the next one begins */
	uint16_t status;		/* REFUSED */
	size_t body_len;		/* MORE, REFUSED: as far as it goes */
	char body[NAIVE_BODY];
	struct head_field fields[NAIVE_FIELDS];
};

/* The request that buf begins with; bodies are of NAIVE_BODY bytes at most. */
void naive_read_request(struct naive_request *request, const char *buf,
    size_t len, const struct head_limits *limits);

struct naive_answer {
	int status;			/* 1xx are passed over */
	bool closes;			/* it says that it is the last */
};

/* The answer that buf begins with; to_head: it has no body.  How many bytes it
 * takes; 0: it is not whole.  Aborts where it is no answer at all. */
size_t naive_read_answer(const char *buf, size_t len, bool to_head,
    struct naive_answer *answer);

#endif
