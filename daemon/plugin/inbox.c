/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* inbox.c: messages that come to plugins; see inbox.h. */
#include "daemon/plugin/inbox.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/base/fd.h"
#include "daemon/plugin/pass.h"
#include "daemon/plugin/host.h"

static bool
wants(const struct plugin *plugin, const char *instance)
{
	return plugin->started && plugin->desc.on_message != NULL &&
	    (instance[0] == '\0' || strcmp(instance, plugin->instance) == 0);
}

static bool
is_wanted(const struct host *host, const char *instance)
{
	for (size_t i = 0; i < host->plugin_count; i++)
		if (wants(&host->plugins[i], instance))
			return true;
	return false;
}

/* Another worker has made it, so it is believed in nothing. */
static int
map_large(struct inbox *inbox, int fd, size_t len)
{
	struct stat status;

	if (len == 0 || !fd_is_sealed(fd) || fstat(fd, &status) != 0 ||
	    (size_t)status.st_size != len)
		return EBADMSG;
	inbox->large = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
	if (inbox->large != MAP_FAILED)
		return 0;
	inbox->large = NULL;
	return EAGAIN;
}

int
inbox_judge(struct host *host, const struct letter *letter, bool is_answer,
    const int *fds, bool lost)
{
	if (!is_answer && pass_is_one(letter))
		return pass_judge(host, letter, lost);
	if (!is_answer && !is_wanted(host, letter->instance))
		return ESRCH;
	if (lost && letter->fds > 0)
		return EAGAIN;
	if (letter->flags & LETTER_LARGE)
		return map_large(&host->inbox, fds[0], letter->len);
	return 0;
}

static void
show(struct host *host, const struct letter *letter,
    const struct cluster_message *m)
{
	for (unsigned i = 0; i < host->plugin_count; i++) {
		const struct plugin *plugin = &host->plugins[i];
		struct host_frame frame;

		if (!wants(plugin, letter->instance))
			continue;
		frame = host_enter(host, DOING_MESSAGE, i);
		plugin->desc.on_message(m, plugin->self);
		host_leave(host, frame);
	}
}

void
inbox_deliver(struct host *host, const struct letter *letter, bool is_answer,
    int *fds)
{
	struct inbox *inbox = &host->inbox;
	unsigned large = letter->flags & LETTER_LARGE ? 1 : 0;
	const struct cluster_message m = {
		.size = sizeof(m),
		.topic = letter->topic, .from = letter->name,
		.from_id = letter->from_id,
		.data = large ? inbox->large : letter->data,
		.len = letter->len, .fd_count = letter->fds - large,
		.flags = letter->flags & LETTER_JSON ? CLUSTER_SEND_JSON : 0,
		.wants_answer = (letter->flags & LETTER_ASKS) != 0,
	};

	if (!is_answer && pass_is_one(letter)) {
		pass_take(host, letter, fds);
		return;
	}
	inbox->current = &m;
	inbox->letter = letter;
	inbox->fds = fds + large;
	inbox->answered = false;
	if (is_answer)
		outbox_answered(&host->outbox, letter->ref, &m);
	else
		show(host, letter, &m);
	inbox->current = NULL;
	if (large)
		munmap(inbox->large, letter->len);
	inbox->large = NULL;
}

void
inbox_show(struct inbox *inbox, const struct cluster_message *m, int *fds)
{
	inbox->current = m;
	inbox->letter = NULL;
	inbox->fds = fds;
	inbox->answered = false;
}

void
inbox_hide(struct inbox *inbox)
{
	inbox->current = NULL;
}

int
inbox_take_fd(struct host *host, const struct cluster_message *m,
    unsigned index)
{
	struct inbox *inbox = &host->inbox;
	int fd;

	if (m == NULL || m != inbox->current)
		return -ESTALE;
	if (index >= m->fd_count || inbox->fds[index] < 0)
		return -EBADF;
	fd = inbox->fds[index];
	inbox->fds[index] = -1;
	return fd;
}

int
inbox_answer(struct host *host, const struct cluster_message *m,
    const void *data, size_t len, const struct cluster_fds *fds)
{
	struct inbox *inbox = &host->inbox;
	int rc;

	if (m == NULL || m != inbox->current)
		return -ESTALE;
	if (!m->wants_answer)
		return -EINVAL;
	if (inbox->answered)
		return -EALREADY;
	rc = outbox_answer(&host->outbox, m->from_id, inbox->letter->ref, data,
	    len, fds);
	inbox->answered = rc == 0;
	return rc;
}
