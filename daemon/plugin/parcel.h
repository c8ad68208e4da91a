/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * parcel.h: one message as a plugin wants it sent, checked and made ready: every
 * misuse ends here, as an errno below zero.  Used by outbox.c.
 */
#ifndef DAEMON_PLUGIN_PARCEL_H
#define DAEMON_PLUGIN_PARCEL_H

#include <stdbool.h>

#include <clusterd/message.h>

#include "common/base/fd.h"
#include "daemon/proto/letter.h"
#include "daemon/proto/mail_target.h"
#include "daemon/proto/messages.h"

struct parcel {
	enum channel_type type;		/* MESSAGE or ANSWER */
	struct letter letter;		/* borrows from here and from the plugin */
	struct mail_target target;	/* of MESSAGE */
	char name[LETTER_TO_MAX + 1];
	int fds[FD_PASS_MAX + 1];	/* [0]: data of a large one */
	unsigned count;			/* the plugin's own, from [1] on */
	bool moves;			/* these are to be closed */
};

/* For cluster_send(); *how is what the plugin knew of the struct. */
int parcel_fill(struct parcel *parcel, const char *to, const void *data,
    size_t len, const struct cluster_send *given, struct cluster_send *how);
/* For cluster_ask() and cluster_answer(). */
int parcel_fill_question(struct parcel *parcel, const char *to,
    const void *data, size_t len);
int parcel_fill_answer(struct parcel *parcel, uint64_t to, uint64_t ref,
    const void *data, size_t len, const struct cluster_fds *fds);

/* For cluster_child_send(): its target is known. */
int parcel_fill_child(struct parcel *parcel, const void *data, size_t len,
    const struct cluster_send *given, struct cluster_send *how);

/* Data that goes beside the frame, into fds[0], which is the caller's then. */
int parcel_make_large(struct parcel *parcel);

#endif
