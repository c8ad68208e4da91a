/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * errmsg.h: an error with its words.  Words are made once, where the knowledge
 * is; callers pass the code on and log or show the text at the edge.
 * All roles; does not allocate, does not block, keeps errno.
 */
#ifndef CLUSTERD_BASE_ERRMSG_H
#define CLUSTERD_BASE_ERRMSG_H

#include <stdarg.h>

/* Codes are negative and start at -1001, so none is ever a -errno. */
enum err_number {
	ERR__NUMBER_NONE,
#define ERROR(id, name) ERR__NUMBER_##id,
#include "common/base/errors.def"
};
enum err_code {
#define ERROR(id, name) ERR_##id = -1000 - ERR__NUMBER_##id,
#include "common/base/errors.def"
};

struct errmsg {
	int code;		/* 0, or an ERR_ code */
	char text[512];		/* words for a person, always terminated */
};

/* Put code and words into err (which may be NULL); returns code, so that
 * `return errmsg_set(err, ERR_X, …)` reads in one line.  Too long: cut. */
int errmsg_set(struct errmsg *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int errmsg_vset(struct errmsg *err, int code, const char *fmt, va_list args)
    __attribute__((format(printf, 3, 0)));

/* The same with ": <strerror(errno)>" added.  Code is ERR_SYSTEM. */
int errmsg_errno(struct errmsg *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Put words before those already in err: "store: " + text.  Returns the code. */
int errmsg_prefix(struct errmsg *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The control protocol's word for a code: "bad_argument"; "internal" for one
 * that is unknown. */
const char *err_name(int code);

#endif
