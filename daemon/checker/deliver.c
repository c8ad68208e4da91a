/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* deliver.c: the checker's messages to keeper and master; see deliver.h. */
#include "daemon/checker/deliver.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/fd.h"
#include "daemon/conf/snapshot.h"
#include "daemon/proto/checker.h"
#include "daemon/proto/verdict.h"

/* One message; waits for room.  0 or -errno. */
static int
send_packet(int verdict, const struct verdict_packet *packet, size_t len,
    int fd)
{
	struct pollfd room = { .fd = verdict, .events = POLLOUT };
	int rc;

	for (;;) {
		rc = fd_send(verdict, packet, len, &fd, fd >= 0);
		if (rc != -EAGAIN && rc != -EWOULDBLOCK)
			return rc;
		if (poll(&room, 1, -1) < 0 && errno != EINTR)
			return -errno;
	}
}

void
deliver_finding(int verdict, const struct finding *finding)
{
	struct verdict_packet packet;
	size_t len;

	if (verdict < 0)
		return;
	len = verdict_begin(&packet, finding->warning ? VERDICT_WARNING :
	    VERDICT_ERROR);
	packet.body.error.line = finding->place.line;
	record_put_text(packet.body.error.file,
	    sizeof(packet.body.error.file), finding->place.file);
	record_put_text(packet.body.error.text,
	    sizeof(packet.body.error.text), finding->text);
	(void)send_packet(verdict, &packet, len, -1);
}

void
deliver_opening(int verdict, const struct conf_plugin *plugin,
    struct place place)
{
	struct verdict_packet packet;
	size_t len;

	if (verdict < 0)
		return;
	len = verdict_begin(&packet, VERDICT_OPENING);
	if (plugin != NULL) {
		packet.body.opening.line = place.line;
		record_put_text(packet.body.opening.file,
		    sizeof(packet.body.opening.file), place.file);
		record_put_text(packet.body.opening.name,
		    sizeof(packet.body.opening.name), plugin->name);
		record_put_text(packet.body.opening.module,
		    sizeof(packet.body.opening.module), plugin->module);
	}
	(void)send_packet(verdict, &packet, len, -1);
}

static int
gone(int rc, struct errmsg *err)
{
	if (rc == 0)
		return 0;
	errno = -rc;
	return errmsg_errno(err, "cannot send the verdict");
}

/* Bytes as a sealed memfd, sent with this message; digest as the body has it. */
static int
send_bytes(int verdict, struct verdict_packet *packet, size_t len,
    const char *name, const struct buf *bytes, struct errmsg *err)
{
	int fd = fd_memfd(name), rc = fd < 0 ? fd : 0;

	if (rc == 0)
		rc = fd_write_all(fd, buf_at(bytes), buf_len(bytes));
	if (rc == 0)
		rc = fd_seal(fd);
	if (rc == 0)
		rc = send_packet(verdict, packet, len, fd);
	fd_close(&fd);
	return gone(rc, err);
}

static void
digest_bytes(const struct buf *bytes, uint8_t digest[SHA256_SIZE])
{
	struct sha256 sha;

	sha256_init(&sha);
	sha256_add(&sha, buf_at(bytes), buf_len(bytes));
	sha256_end(&sha, digest);
}

/* Is it the first of its digest?  Two files may have one. */
static int
is_first(const struct modules *modules, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (memcmp(modules->files[i].sha256,
		    modules->files[index].sha256, SHA256_SIZE) == 0)
			return 0;
	return 1;
}

static int
send_plugins(int verdict, const struct conf *conf,
    const struct modules *modules, uint32_t *count, struct errmsg *err)
{
	for (size_t i = 0; i < modules->file_count; i++) {
		const struct module *module = &modules->files[i];
		struct verdict_packet packet;
		size_t len = verdict_begin(&packet, VERDICT_PLUGIN);
		int rc;

		if (!is_first(modules, i))
			continue;
		packet.body.plugin.size = module->size;
		memcpy(packet.body.plugin.sha256, module->sha256, SHA256_SIZE);
		for (size_t p = 0; p < conf->plugin_count; p++)
			if (strcmp(conf->plugins[p].module, module->path) == 0)
				record_put_text(packet.body.plugin.name,
				    sizeof(packet.body.plugin.name),
				    conf->plugins[p].name);
		rc = send_packet(verdict, &packet, len, module->fd);
		if (rc != 0)
			return gone(rc, err);
		++*count;
	}
	return 0;
}

int
deliver_result(int verdict, const struct conf *conf,
    const struct modules *modules, const struct buf *canonical,
    size_t warnings, struct errmsg *err)
{
	struct verdict_packet packet;
	struct buf snapshot;
	uint32_t plugins = 0;
	size_t len;
	int rc;

	buf_init(&snapshot, 0);
	rc = send_plugins(verdict, conf, modules, &plugins, err);
	if (rc == 0 && (rc = snapshot_encode(conf, SNAPSHOT_ALL,
	    &snapshot)) != 0)
		errmsg_set(err, rc, "the configuration is too large");
	if (rc == 0) {
		len = verdict_begin(&packet, VERDICT_SNAPSHOT);
		packet.body.snapshot.size = buf_len(&snapshot);
		digest_bytes(&snapshot, packet.body.snapshot.sha256);
		rc = send_bytes(verdict, &packet, len, "snapshot", &snapshot,
		    err);
	}
	if (rc == 0) {
		len = verdict_begin(&packet, VERDICT_DONE);
		packet.body.done.size = buf_len(canonical);
		packet.body.done.warnings = (uint32_t)warnings;
		packet.body.done.plugins = plugins;
		digest_bytes(canonical, packet.body.done.sha256);
		rc = send_bytes(verdict, &packet, len, "canonical", canonical,
		    err);
	}
	buf_done(&snapshot);
	return rc;
}

/* ---- keeper ----------------------------------------------------------------------- */

static void
fill_header(struct checker_header *header, const struct conf *conf)
{
	memset(header, 0, sizeof(*header));
	header->magic = CHECKER_MAGIC;
	header->version = CHECKER_VERSION;
	header->size = sizeof(*header);
	header->count = (uint32_t)conf->account_count;
	header->user = (uint32_t)conf->daemon.user_account;
	header->worker_user = (uint32_t)conf->daemon.worker_account;
	header->orphan_grace_ms = (uint64_t)conf->daemon.orphan_grace_ms;
	record_put_text(header->run_dir, sizeof(header->run_dir),
	    conf->daemon.run_dir);
	record_put_text(header->state_dir, sizeof(header->state_dir),
	    conf->daemon.state_dir);
	for (size_t i = 0; i < conf->account_count; i++) {
		const struct conf_account *from = &conf->accounts[i];
		struct checker_account *to = &header->accounts[i];

		to->uid = from->uid;
		to->gid = from->gid;
		to->ngroups = from->group_count;
		memcpy(to->groups, from->groups, sizeof(to->groups));
		record_put_text(to->name, sizeof(to->name), from->name);
	}
}

int
deliver_header(int keeper, const struct conf *conf)
{
	struct checker_header header;
	char answer;
	ssize_t n;

	fill_header(&header, conf);
	if (fd_write_all(keeper, &header, sizeof(header)) != 0)
		return -1;
	do
		n = read(keeper, &answer, 1);
	while (n < 0 && errno == EINTR);
	return n == 1 && answer == CHECKER_GO_ON ? 0 : -1;
}
