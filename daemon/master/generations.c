/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* generations.c: accepted configurations; see generations.h. */
#include "daemon/master/generations.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "daemon/conf/snapshot.h"
#include "daemon/master/master.h"
#include "daemon/master/turn.h"
#include "daemon/proto/snapshot.h"
#include "daemon/store/store.h"

struct generation *
master_generation(struct master *m, uint64_t number)
{
	for (size_t i = 0; i < MASTER_GENERATIONS; i++)
		if (m->generations[i].number == number && number != 0)
			return &m->generations[i];
	return NULL;
}

const struct conf_pool *
master_pool_conf(struct master *m, uint64_t number, const char *pool)
{
	struct generation *generation = master_generation(m, number);
	const struct conf *conf = generation != NULL ? generation->conf :
	    m->conf;

	return conf == NULL ? NULL : conf_pool_by_name(conf, pool);
}

uint64_t
generations_next(struct master *m)
{
	const struct memo_globals *globals = &turn_look(m)->globals;
	uint64_t highest = m->store != NULL ?
	    store_load(m->store)->generation : 0;

	if (globals->generation > highest)
		highest = globals->generation;
	if (globals->trans_generation > highest)
		highest = globals->trans_generation;
	if (globals->last_generation > highest)
		highest = globals->last_generation;
	for (size_t i = 0; i < MASTER_GENERATIONS; i++)
		if (m->generations[i].number > highest)
			highest = m->generations[i].number;
	return highest + 1;
}

/* Under the snapshots of a generation, the number of its text. */
enum { TEXT_NUMBER = 255, TEXT_MAX = 4 << 20 };

static struct generation *
free_place(struct master *m)
{
	for (size_t i = 0; i < MASTER_GENERATIONS; i++)
		if (m->generations[i].number == 0)
			return &m->generations[i];
	generations_tidy(m);
	for (size_t i = 0; i < MASTER_GENERATIONS; i++)
		if (m->generations[i].number == 0)
			return &m->generations[i];
	return NULL;
}

/* -- with the keeper --------------------------------------------------------------- */

static int
keep(struct master *m, uint64_t number, const struct buf *data,
    struct errmsg *err)
{
	struct keeper_packet packet;
	int fd = fd_memfd("clusterd-snapshot"), rc;

	if (fd < 0)
		return errmsg_set(err, ERR_SYSTEM, "no memory for a snapshot");
	rc = fd_write_all(fd, buf_at(data), buf_len(data));
	if (rc == 0)
		rc = fd_seal(fd);
	if (rc != 0) {
		close(fd);
		return errmsg_set(err, ERR_SYSTEM, "a snapshot cannot be "
		    "kept: %s", strerror(-rc));
	}
	keeper_begin(&packet, KEEPER_KEEP, 0);
	packet.body.keep.number = number;
	packet.body.keep.kind = KEPT_SNAPSHOT;
	link_request(m->link, &packet, &fd, 1, NULL, 0);
	close(fd);
	return 0;
}

static void
drop(struct master *m, const struct generation *generation)
{
	struct keeper_packet packet;

	uint64_t pools = generation->conf->pool_count;

	for (uint64_t pool = 0; pool <= pools + 1; pool++) {
		if (pool == pools + 1 && generation->text == NULL)
			break;
		keeper_begin(&packet, KEEPER_DROP, 0);
		packet.body.drop.number = KEEPER_SNAPSHOT_NUMBER(
		    generation->number, pool <= pools ? pool : TEXT_NUMBER);
		packet.body.drop.kind = KEPT_SNAPSHOT;
		link_request(m->link, &packet, NULL, 0, NULL, 0);
	}
}

/* -- as files ------------------------------------------------------------------------ */

static char *
file_of(const struct conf *conf, uint64_t number, const char *suffix,
    char *out, size_t size)
{
	snprintf(out, size, "%s/snapshots/%llu%s", conf->daemon.state_dir,
	    (unsigned long long)number, suffix);
	return out;
}

static int
write_file(const struct conf *conf, uint64_t number, const char *suffix,
    const struct buf *data, struct errmsg *err)
{
	char dir[300], file[340], temporary[360];
	int fd;

	snprintf(dir, sizeof(dir), "%s/snapshots", conf->daemon.state_dir);
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return errmsg_errno(err, "cannot make %s", dir);
	file_of(conf, number, suffix, file, sizeof(file));
	snprintf(temporary, sizeof(temporary), "%s.new", file);
	unlink(temporary);
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return errmsg_errno(err, "cannot write %s", temporary);
	if (fd_write_all(fd, buf_at(data), buf_len(data)) != 0 ||
	    fsync(fd) != 0 || rename(temporary, file) != 0) {
		close(fd);
		return errmsg_errno(err, "cannot write %s", file);
	}
	close(fd);
	return 0;
}

/* -- making and reading ----------------------------------------------------------------- */

static int
keep_all(struct master *m, const struct conf *conf, uint64_t number,
    struct errmsg *err)
{
	struct buf data;
	int rc = 0;

	for (int pool = SNAPSHOT_ALL; pool < (int)conf->pool_count && rc == 0;
	    pool++) {
		buf_init(&data, SNAPSHOT_SIZE_MAX);
		rc = snapshot_encode(conf, pool, &data);
		if (rc != 0)
			errmsg_set(err, rc, "the configuration is too large");
		else
			rc = keep(m, KEEPER_SNAPSHOT_NUMBER(number, pool + 1),
			    &data, err);
		if (rc == 0 && pool == SNAPSHOT_ALL)
			rc = write_file(conf, number, "", &data, err);
		buf_done(&data);
	}
	return rc;
}

static void
set_text(struct generation *generation, const char *text, size_t len)
{
	free(generation->text);
	generation->text = malloc(len + 1);
	generation->text_len = 0;
	if (generation->text == NULL)
		return;
	memcpy(generation->text, text, len);
	generation->text[len] = '\0';
	generation->text_len = len;
}

/* What people read of it is only kept where that is possible. */
static void
keep_text(struct master *m, const struct conf *conf, uint64_t number,
    const char *text, size_t len)
{
	struct errmsg err;
	struct buf data;

	buf_init(&data, 0);
	if (buf_add(&data, text, len) != 0 ||
	    keep(m, KEEPER_SNAPSHOT_NUMBER(number, TEXT_NUMBER), &data, &err)
	    != 0 || write_file(conf, number, ".txt", &data, &err) != 0)
		log_warn("master: the text of generation %llu is not kept",
		    (unsigned long long)number);
	buf_done(&data);
}

int
generations_add(struct master *m, struct conf *conf, uint64_t number,
    const char *text, size_t text_len, struct generation **out,
    struct errmsg *err)
{
	struct generation *generation = free_place(m);
	int rc;

	if (generation == NULL)
		return errmsg_set(err, ERR_FULL, "too many generations are in "
		    "use at once");
	conf->generation = number;
	rc = keep_all(m, conf, number, err);
	if (rc != 0)
		return rc;
	generation->number = number;
	generation->conf = conf_ref(conf);
	if (text != NULL) {
		keep_text(m, conf, number, text, text_len);
		set_text(generation, text, text_len);
	}
	if (number > turn_look(m)->globals.last_generation)
		turn_change(m)->globals.last_generation = number;
	*out = generation;
	return 0;
}

static struct conf *
decode_fd(int fd, struct errmsg *err)
{
	struct conf *conf = NULL;
	struct stat st;
	void *data;

	if (fstat(fd, &st) != 0 || st.st_size <= 0 ||
	    st.st_size > SNAPSHOT_SIZE_MAX) {
		errmsg_set(err, ERR_FORMAT, "a snapshot of a wrong size");
		return NULL;
	}
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED) {
		errmsg_errno(err, "cannot map a snapshot");
		return NULL;
	}
	if (snapshot_decode(data, (size_t)st.st_size, &conf, err) != 0)
		conf = NULL;
	munmap(data, (size_t)st.st_size);
	return conf;
}

static void
read_text(struct generation *generation, int fd)
{
	struct stat st;
	void *data;

	if (fstat(fd, &st) != 0 || st.st_size <= 0 || st.st_size > TEXT_MAX)
		return;
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return;
	set_text(generation, data, (size_t)st.st_size);
	munmap(data, (size_t)st.st_size);
}

static void
forget(struct generation *generation)
{
	conf_unref(generation->conf);
	free(generation->text);
	memset(generation, 0, sizeof(*generation));
}

void
generations_have(struct master *m, const struct link_packet *packet)
{
	const struct keeper_msg_have_kept *have =
	    &packet->packet->body.have_kept;
	unsigned part = have->number & 0xff;
	uint64_t number = have->number >> 8;
	struct generation *place = master_generation(m, number);
	struct errmsg err;

	/* The whole one and the text; the pools' ones are for workers. */
	if (have->kind != KEPT_SNAPSHOT || (part != 0 && part != TEXT_NUMBER))
		return;
	if (place == NULL)
		place = free_place(m);
	if (place == NULL)
		return;
	place->number = number;
	if (part == TEXT_NUMBER) {
		read_text(place, packet->fds[0]);
		return;
	}
	place->conf = decode_fd(packet->fds[0], &err);
	if (place->conf == NULL)
		log_error("master: snapshot %llu: %s",
		    (unsigned long long)number, err.text);
}

void
generations_end_inventory(struct master *m)
{
	for (size_t i = 0; i < MASTER_GENERATIONS; i++)
		if (m->generations[i].conf == NULL)
			forget(&m->generations[i]);
}

int
generations_load(struct master *m, uint64_t number, struct generation **out,
    struct errmsg *err)
{
	char file[340];
	struct conf *conf;
	int fd, rc;

	if ((*out = master_generation(m, number)) != NULL)
		return 0;
	file_of(m->conf, number, "", file, sizeof(file));
	fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errmsg_set(err, ERR_NOT_FOUND, "generation %llu is not "
		    "kept any more", (unsigned long long)number);
	conf = decode_fd(fd, err);
	close(fd);
	if (conf == NULL)
		return err->code != 0 ? err->code : ERR_FORMAT;
	rc = generations_add(m, conf, number, NULL, 0, out, err);
	conf_unref(conf);
	file_of(m->conf, number, ".txt", file, sizeof(file));
	fd = rc == 0 ? open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
	if (fd >= 0)
		read_text(*out, fd);
	fd_close(&fd);
	if (rc == 0 && (*out)->text != NULL)
		keep_text(m, (*out)->conf, number, (*out)->text,
		    (*out)->text_len);
	return rc;
}

static bool
is_referred(struct master *m, uint64_t number)
{
	const struct memo_copy *copy = turn_look(m);

	if (number == copy->globals.generation ||
	    number == copy->globals.previous ||
	    number == copy->globals.trans_generation)
		return true;
	for (uint16_t i = 0; i < copy->slots; i++)
		if (copy->slot[i].pool != MEMO_NONE &&
		    copy->slot[i].generation == number)
			return true;
	for (uint16_t i = 0; i < copy->workers; i++)
		if (copy->worker[i].id != 0 &&
		    copy->worker[i].generation == number)
			return true;
	return false;
}

void
generations_tidy(struct master *m)
{
	for (size_t i = 0; i < MASTER_GENERATIONS; i++) {
		struct generation *generation = &m->generations[i];

		if (generation->number == 0 ||
		    is_referred(m, generation->number))
			continue;
		drop(m, generation);
		forget(generation);
	}
}

void
generations_tidy_later(struct master *m, uint64_t unused)
{
	(void)unused;
	generations_tidy(m);
}

void
generations_free(struct master *m)
{
	for (size_t i = 0; i < MASTER_GENERATIONS; i++)
		forget(&m->generations[i]);
}
