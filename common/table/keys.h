/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * keys.h: the rows of keys.def as a table: what a key is called, what it may
 * be, when a change applies.  Parser, checks, snapshot, diff, manual page and
 * sample are made from it.  Pure; all roles.
 */
#ifndef CLUSTERD_TABLE_KEYS_H
#define CLUSTERD_TABLE_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/paths.h"

/* Values of a number that are words. */
enum { CONF_OFF = -1, CONF_AUTO = -2 };

enum key_scope { SCOPE_DAEMON, SCOPE_POOL, SCOPE_PLUGIN };
enum { SCOPE__COUNT = 3 };

enum key_kind {
	/* members are int64_t */
	KIND_NUMBER,		/* 0 or more, or CONF_OFF, CONF_AUTO */
	KIND_SIGNED,		/* may be below 0; no words */
	KIND_SIZE,		/* bytes */
	KIND_DURATION,		/* ms; the member's name ends in _ms */
	KIND_PERCENT,		/* 0..100 */
	KIND_OCTAL,		/* a mode */
	KIND_WORD,		/* number of the word, an enum below */
	KIND_SHARE,		/* N, or CONF_SHARE_PERCENT + percent */
	KIND_DERIVED,		/* no key of the file */
	/* members are const char *, never NULL */
	KIND_TEXT,
	KIND_PATH,		/* absolute */
	KIND_PATHS,		/* absolute, separated by ':' */
	KIND_FILE,		/* a word of .words, or an absolute path */
	KIND_ACCOUNT,		/* name; "auto" is resolved to it */
	KIND_GROUP,
	KIND_RANGE,		/* "auto", "N" or "MIN..MAX" */
	KIND_CPUS,		/* "off", "auto" or "0-3,8" */
	KIND_MODULE,		/* file; the member is the path that was read */
	KIND_DERIVED_TEXT,	/* no key of the file */
	/* no member: lists of struct conf */
	KIND_LIST,
};

enum { CONF_SHARE_PERCENT = 1 << 20 };

enum key_applies {
	APPLIES_LIVE,		/* at commit; no worker is replaced */
	APPLIES_RELOAD,		/* by rolling the pool's workers */
	APPLIES_RESTART,	/* a reload refuses the change */
};

/* Each list of words as an enum, in the order of words.def. */
#define WORD(id, text) id,
#define WORDS(name, ...) enum key_##name { __VA_ARGS__ };
#include "common/table/words.def"
#undef WORD

enum key_id {
#define KEY_ROW(scope, id, number, member, name, kind, ...) KEY_##scope##_##id,
#include "common/table/keys.def"
};
enum { KEY__COUNT = 0
#define KEY_ROW(scope, id, number, member, name, kind, ...) + 1
#include "common/table/keys.def"
};

/* In pools of which protocols a key means something. */
enum key_only { ONLY_ALL, ONLY_CONNECTIONS, ONLY_HTTP };

struct key {
	const char *name;
	uint16_t number;	/* permanent */
	uint8_t scope;		/* enum key_scope */
	uint8_t kind;		/* enum key_kind */
	uint8_t applies;	/* enum key_applies */
	uint8_t repeatable, required;
	uint8_t may_off;	/* the word off: CONF_OFF */
	uint8_t to_worker;	/* SCOPE_DAEMON: in a worker's snapshot too */
	uint8_t secret;
	uint8_t only;		/* enum key_only */
	uint8_t absent;		/* kept, and without effect in this version */
	const char *may_auto;	/* NULL, or what the word auto means */
	const char *preset;	/* default as in the file; NULL: none */
	int64_t min, max;	/* of the value; bytes of a text, items of a list */
	const char *const *list;	/* KIND_WORD: its words, NULL at the end */
	const char *words;	/* the form of a text or list, for people */
	const char *unit;	/* where the kind does not say it */
	const char *help;
};

extern const struct key keys[KEY__COUNT];

/* Is it a line of the file (not worked out by the checker)? */
static inline int
key_is_written(const struct key *key)
{
	return key->kind != KIND_DERIVED && key->kind != KIND_DERIVED_TEXT;
}

/* Is its member an int64_t (else a text, or nothing for KIND_LIST)? */
static inline int
key_is_number(const struct key *key)
{
	return key->kind <= KIND_DERIVED;
}

/* Row of a key that is written in a section of this scope, or NULL. */
const struct key *key_by_name(enum key_scope scope, const char *name);
/* Row of a permanent number, or NULL. */
const struct key *key_by_number(unsigned number);
/* The key or word of the section nearest to a wrong one, for "did you mean";
 * NULL if none is near. */
const char *key_nearest(enum key_scope scope, const char *name);

/*
 * Parse the text of a number-valued key.  0 and *value, or an ERR_ code with
 * words for the operator ("must be 100ms-1h, not \"7\"") in err.
 */
struct errmsg;
int key_parse(const struct key *key, const char *text, int64_t *value,
    struct errmsg *err);
/* Is value one that key_parse() could have given?  (What a snapshot holds.) */
int key_value_is_legal(const struct key *key, int64_t value);
/* The canonical text of a value: key_parse() gives the value back.
 * Returns out, terminated. */
char *key_format(const struct key *key, int64_t value, char *out, size_t size);
/* The range as people read it: "off, 100ms-24h".  Returns out. */
char *key_format_range(const struct key *key, char *out, size_t size);
/* "live", "reload", "restart" */
const char *key_applies_name(enum key_applies applies);

/* Edit distance (Levenshtein, with transposition), at most max + 1. */
unsigned word_distance(const char *a, const char *b, unsigned max);

#endif
