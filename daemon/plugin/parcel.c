/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* parcel.c: what a plugin wants to send, checked; see parcel.h. */
#include "daemon/plugin/parcel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "common/base/fd.h"
#include "daemon/proto/keeper.h"

static void
begin(struct parcel *parcel, enum channel_type type)
{
	memset(parcel, 0, sizeof(*parcel));
	parcel->type = type;
	parcel->letter.name = parcel->letter.instance =
	    parcel->letter.topic = "";
}

/* ---- checks -------------------------------------------------------------------- */

static int
check_topic(const char *topic)
{
	size_t len = strlen(topic);

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)topic[i] < ' ' || topic[i] == 0x7f)
			return -EINVAL;
	return len > CLUSTER_TOPIC_MAX || strncmp(topic, "clusterd.", 9) == 0 ?
	    -EINVAL : 0;
}

static int
take_fds(struct parcel *parcel, const struct cluster_fds *fds)
{
	unsigned most = CLUSTER_MESSAGE_FDS -
	    (parcel->letter.flags & LETTER_LARGE ? 1 : 0);

	if (fds == NULL || fds->count == 0)
		return 0;
	if (fds->fd == NULL || (fds->mode != CLUSTER_FD_MOVE &&
	    fds->mode != CLUSTER_FD_DUP))
		return -EINVAL;
	if (fds->count > most)
		return -E2BIG;
	parcel->moves = fds->mode == CLUSTER_FD_MOVE;
	for (unsigned i = 0; i < fds->count; i++) {
		/* the host's own must stay where they are */
		if (fcntl(fds->fd[i], F_GETFD) < 0 ||
		    (parcel->moves && fds->fd[i] < WORKER_FD_LISTENERS))
			return -EBADF;
		parcel->fds[i + 1] = fds->fd[i];
	}
	parcel->count = parcel->letter.fds = fds->count;
	return 0;
}

static int
take_data(struct parcel *parcel, const void *data, size_t len)
{
	if (data == NULL && len > 0)
		return -EINVAL;
	if (len > CLUSTER_MESSAGE_MAX)
		return -EMSGSIZE;
	parcel->letter.data = data;
	parcel->letter.len = len;
	if (len > LETTER_DATA_MAX)
		parcel->letter.flags |= LETTER_LARGE;
	return 0;
}

static int
take_how(struct parcel *parcel, const struct cluster_send *how)
{
	if (how->flags & ~(unsigned)(CLUSTER_SEND_JSON | CLUSTER_SEND_NOT_SELF))
		return -EINVAL;
	if (how->flags & CLUSTER_SEND_JSON)
		parcel->letter.flags |= LETTER_JSON;
	if (how->flags & CLUSTER_SEND_NOT_SELF)
		parcel->letter.flags |= LETTER_NOT_SELF;
	if (how->topic != NULL)
		parcel->letter.topic = how->topic;
	return check_topic(parcel->letter.topic);
}

/* The word for the target is split: the master needs no instance. */
static int
take_target(struct parcel *parcel, const char *to)
{
	size_t len = to == NULL ? 0 : strcspn(to, "@");
	int rc;

	if (to == NULL || len > LETTER_TO_MAX)
		return -EINVAL;
	rc = mail_target_parse(to, &parcel->target);
	if (rc != 0)
		return rc;
	memcpy(parcel->name, to, len);
	parcel->name[len] = '\0';
	parcel->letter.name = parcel->name;
	parcel->letter.instance = parcel->target.instance;
	return 0;
}

static int
check_target(const struct parcel *parcel)
{
	const struct mail_target *target = &parcel->target;

	if (parcel->moves && mail_target_is_broadcast(target))
		return -EINVAL;
	if (target->kind != MAIL_TO_MASTER)
		return 0;
	if (parcel->letter.fds > 0 || target->instance[0] != '\0')
		return -EINVAL;
	return parcel->letter.len > CLUSTER_EVENT_MAX ? -EMSGSIZE : 0;
}

/* A whole struct of what the plugin knew of it. */
static int
read_how(const struct cluster_send *given, struct cluster_send *how)
{
	size_t size = given == NULL ? sizeof(*how) : given->size;

	memset(how, 0, sizeof(*how));
	if (size < sizeof(how->size))
		return -EINVAL;
	if (given != NULL)
		memcpy(how, given, size < sizeof(*how) ? size : sizeof(*how));
	return 0;
}

/* ---- the three kinds -------------------------------------------------------------- */

int
parcel_fill(struct parcel *parcel, const char *to, const void *data,
    size_t len, const struct cluster_send *given, struct cluster_send *how)
{
	int rc;

	begin(parcel, CHANNEL_MESSAGE);
	if ((rc = read_how(given, how)) != 0 ||
	    (rc = take_data(parcel, data, len)) != 0 ||
	    (rc = take_how(parcel, how)) != 0 ||
	    (rc = take_fds(parcel, &how->fds)) != 0 ||
	    (rc = take_target(parcel, to)) != 0)
		return rc;
	return check_target(parcel);
}

int
parcel_fill_question(struct parcel *parcel, const char *to, const void *data,
    size_t len)
{
	int rc;

	begin(parcel, CHANNEL_MESSAGE);
	parcel->letter.flags = LETTER_ASKS;
	if ((rc = take_data(parcel, data, len)) != 0 ||
	    (rc = take_target(parcel, to)) != 0)
		return rc;
	return mail_target_is_broadcast(&parcel->target) ||
	    parcel->target.kind == MAIL_TO_MASTER ? -EINVAL : 0;
}

int
parcel_fill_answer(struct parcel *parcel, uint64_t to, uint64_t ref,
    const void *data, size_t len, const struct cluster_fds *fds)
{
	int rc;

	begin(parcel, CHANNEL_ANSWER);
	if ((rc = take_data(parcel, data, len)) != 0 ||
	    (rc = take_fds(parcel, fds)) != 0)
		return rc;
	snprintf(parcel->name, sizeof(parcel->name), "id:%llu",
	    (unsigned long long)to);
	parcel->letter.name = parcel->name;
	parcel->letter.ref = ref;
	return 0;
}

int
parcel_fill_child(struct parcel *parcel, const void *data, size_t len,
    const struct cluster_send *given, struct cluster_send *how)
{
	int rc;

	begin(parcel, CHANNEL_MESSAGE);
	if ((rc = read_how(given, how)) != 0 ||
	    (rc = take_data(parcel, data, len)) != 0 ||
	    (rc = take_how(parcel, how)) != 0)
		return rc;
	return how->flags & CLUSTER_SEND_NOT_SELF ? -EINVAL :
	    take_fds(parcel, &how->fds);
}

int
parcel_make_large(struct parcel *parcel)
{
	int fd = fd_sealed("clusterd-message", parcel->letter.data,
	    parcel->letter.len);

	if (fd < 0)
		return fd == -EMFILE || fd == -ENFILE ? -EMFILE : -ENOMEM;
	parcel->fds[0] = fd;
	parcel->letter.fds++;
	return 0;
}
