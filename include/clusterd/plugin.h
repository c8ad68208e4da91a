/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * plugin.h: the one header of a plugin.  A plugin is a shared object with one
 * exported constant, made by CLUSTER_PLUGIN; doc/plugin-guide.md shows how.
 * The same facts are in an ELF note, which the host reads before it runs a
 * line of the plugin.
 */
#ifndef CLUSTERD_PLUGIN_H
#define CLUSTERD_PLUGIN_H

#include <clusterd/answer.h>
#include <clusterd/api.h>
#include <clusterd/body.h>
#include <clusterd/datagram.h>
#include <clusterd/fields.h>
#include <clusterd/filter.h>
#include <clusterd/message.h>
#include <clusterd/process.h>
#include <clusterd/stream.h>
#include <clusterd/timer.h>
#include <clusterd/worker.h>

#define CLUSTER_MAGIC 0x55506c63u		/* "clPU" */
#define CLUSTER_NOTE_OWNER "clusterd"
#define CLUSTER_NOTE_TYPE 1u

/* May be set before the header is included: the version of the plugin, and
 * flags below. */
#ifndef CLUSTER_PLUGIN_VERSION
#define CLUSTER_PLUGIN_VERSION "1"
#endif
#ifndef CLUSTER_PLUGIN_FLAGS
#define CLUSTER_PLUGIN_FLAGS 0
#endif

enum cluster_plugin_flag {
	/* Refuse a host whose minor version is below the one compiled for. */
	CLUSTER_NEEDS_MINOR = 1,
};

/* ---- options ---------------------------------------------------------------- */

enum cluster_option_type {
	CLUSTER_TYPE_END,
	CLUSTER_TYPE_STRING,		/* const char *; lives as long as the plugin */
	CLUSTER_TYPE_SECRET,		/* the same, masked wherever it is shown */
	CLUSTER_TYPE_NUMBER,		/* int64_t */
	CLUSTER_TYPE_SIZE,		/* uint64_t, bytes: "8k" */
	CLUSTER_TYPE_DURATION,		/* uint64_t, milliseconds: "30s" */
	CLUSTER_TYPE_SWITCH,		/* int, 0 or 1: "yes", "no" */
	CLUSTER_TYPE_WORD,		/* int, index into words */
};

/* One key of the plugin's section; the host checks the value and stores it at
 * offset in self before start().  Rows never change size within a major. */
struct cluster_option {
	const char *name;
	const char *fallback;		/* as it would be written; NULL: required */
	const char *words;		/* TYPE_WORD: "low|middle|high" */
	const char *help;
	int64_t min, max;		/* NUMBER, SIZE, DURATION; STRING: bytes */
	uint32_t type;			/* enum cluster_option_type */
	uint32_t offset, width;		/* of the member in self */
	uint32_t reserved;
};

#define CLUSTER_OPTION_(type_, struct_, member_, fallback_, min_, max_,	\
    words_, help_)							\
	{ .name = #member_, .fallback = fallback_, .words = words_,	\
	    .help = help_, .min = min_, .max = max_, .type = type_,	\
	    .offset = offsetof(struct_, member_),			\
	    .width = sizeof(((struct_ *)0)->member_) }

#define CLUSTER_OPTION_STRING(struct_, member, fallback, help)		\
	CLUSTER_OPTION_(CLUSTER_TYPE_STRING, struct_, member, fallback,	\
	    0, 65536, NULL, help)
#define CLUSTER_OPTION_SECRET(struct_, member, fallback, help)		\
	CLUSTER_OPTION_(CLUSTER_TYPE_SECRET, struct_, member, fallback,	\
	    0, 65536, NULL, help)
#define CLUSTER_OPTION_NUMBER(struct_, member, fallback, min, max, help) \
	CLUSTER_OPTION_(CLUSTER_TYPE_NUMBER, struct_, member, fallback,	\
	    min, max, NULL, help)
#define CLUSTER_OPTION_SIZE(struct_, member, fallback, min, max, help)	\
	CLUSTER_OPTION_(CLUSTER_TYPE_SIZE, struct_, member, fallback,	\
	    min, max, NULL, help)
#define CLUSTER_OPTION_DURATION(struct_, member, fallback, min, max, help) \
	CLUSTER_OPTION_(CLUSTER_TYPE_DURATION, struct_, member, fallback, \
	    min, max, NULL, help)
#define CLUSTER_OPTION_SWITCH(struct_, member, fallback, help)		\
	CLUSTER_OPTION_(CLUSTER_TYPE_SWITCH, struct_, member, fallback,	\
	    0, 1, NULL, help)
#define CLUSTER_OPTION_WORD(struct_, member, fallback, words, help)	\
	CLUSTER_OPTION_(CLUSTER_TYPE_WORD, struct_, member, fallback,	\
	    0, 0, words, help)
#define CLUSTER_OPTION_END { .type = CLUSTER_TYPE_END }

/* ---- the exported constant --------------------------------------------------- */

struct cluster_task;

struct cluster_plugin {
	size_t descriptor_size;		/* of this struct, as compiled */
	uint32_t magic;
	uint16_t abi_major, abi_minor;
	const char *name, *summary, *version;
	uint32_t flags;
	const struct cluster_api **api;		/* set by the host */
	const struct cluster_option *options;	/* ended by OPTION_END; NULL */
	size_t size;			/* of self, which is zeroed first */

	/*
	 * Callbacks; NULL where the plugin has none.  All run in the loop of a
	 * worker and must not block (cluster_busy() for the exceptions).
	 *
	 * start: once, options are in self.  May block up to start_timeout.
	 * CLUSTER_LATER (since 1.2): it goes on, and the worker is not ready
	 * before cluster_ready(), nor later than start_timeout.  Any other but
	 * 0: the worker ends and is tried again (see cluster_fatal).
	 */
	int (*start)(void *self);
	/* stop: once, no request is open any more.  May block, stop_timeout. */
	void (*stop)(void *self);
	/* handle: a request, its body complete.  req is borrowed: until it is
	 * answered when LATER is returned, else for the call. */
	enum cluster_verdict (*handle)(struct cluster_request *req, void *self);
	/* on_stream: stream.h; a connection of a pool of protocol tcp. */
	void (*on_stream)(struct cluster_stream *stream, void *self);
	/* on_datagram: datagram.h; one to a pool of protocol udp. */
	void (*on_datagram)(struct cluster_datagram *datagram, void *self);
	/* on_drain: the worker takes no more connections; end what is long. */
	void (*on_drain)(void *self);
	/* on_message: message.h; borrowed for the call. */
	void (*on_message)(const struct cluster_message *message, void *self);
	/* on_room: stream_write() said -EAGAIN, there is room now.  req is NULL
	 * where cluster_send() said so, or cluster_send_room() 0. */
	void (*on_room)(struct cluster_request *req, void *self);
	const struct cluster_task *tasks;

	/* since 1.3 */
	/* body.h; on_head: a request that has a body, before that is read. */
	enum cluster_verdict (*on_head)(struct cluster_request *req,
	    void *self);

	/* filter.h */
	/* on_request: before the handler, its body complete, or before its
	 * on_head where it has one.  PASS: it goes on;
	 * DONE, LATER: answered, or to be, by this filter; FAIL: 500. */
	enum cluster_verdict (*on_request)(struct cluster_request *req,
	    void *self);
	/* on_response: the head of an answer is about to be made, also where
	 * the host answers (404).  It may be changed. */
	void (*on_response)(struct cluster_request *req, void *self);

};

/* The note's contents; 4-byte aligned, no padding. */
struct cluster_note {
	uint32_t magic;
	uint16_t abi_major, abi_minor;
	uint32_t descriptor_size;	/* sizeof(struct cluster_plugin) */
	uint32_t api_size;		/* sizeof(struct cluster_api) */
	char name[32], version[32];
	uint32_t flags;
	uint32_t option_size;		/* sizeof(struct cluster_option) */
};

/* The same as it lies in the section .note.clusterd. */
struct cluster_elf_note {
	uint32_t name_size, desc_size, type;
	char owner[12];			/* sizeof(CLUSTER_NOTE_OWNER), padded to 4 */
	struct cluster_note desc;
};

#define CLUSTER_PLUGIN(name_, ...)					\
	const struct cluster_api *cluster_host;				\
	static const struct cluster_elf_note cluster_note_here		\
	    __attribute__((section(".note.clusterd"), used,		\
	    aligned(4))) = {						\
		sizeof(CLUSTER_NOTE_OWNER), sizeof(struct cluster_note), \
		CLUSTER_NOTE_TYPE, CLUSTER_NOTE_OWNER,			\
		{ CLUSTER_MAGIC, CLUSTER_ABI_MAJOR, CLUSTER_ABI_MINOR,	\
		    sizeof(struct cluster_plugin),			\
		    sizeof(struct cluster_api), #name_,			\
		    CLUSTER_PLUGIN_VERSION, CLUSTER_PLUGIN_FLAGS,	\
		    sizeof(struct cluster_option) }			\
	};								\
	extern const struct cluster_plugin cluster_plugin;		\
	__attribute__((visibility("default")))				\
	const struct cluster_plugin cluster_plugin = {			\
		.descriptor_size = sizeof(struct cluster_plugin),	\
		.magic = CLUSTER_MAGIC,					\
		.abi_major = CLUSTER_ABI_MAJOR,				\
		.abi_minor = CLUSTER_ABI_MINOR,				\
		.name = #name_, .version = CLUSTER_PLUGIN_VERSION,	\
		.flags = CLUSTER_PLUGIN_FLAGS, .api = &cluster_host,	\
		__VA_ARGS__						\
	}

#endif
