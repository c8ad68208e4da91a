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
#include "daemon/conf/diff.h"
#include "daemon/conf/snapshot.h"
#include "daemon/master/disk.h"
#include "daemon/master/master.h"
#include "daemon/master/sweep.h"
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

const struct conf_pool *
master_pool_now(struct master *m, uint16_t pool)
{
	const struct memo_pool *row = &turn_look(m)->pool[pool];
	const struct conf_pool *conf = m->conf == NULL ? NULL :
	    conf_pool_by_name(m->conf, row->name);

	return conf != NULL ? conf :
	    master_pool_conf(m, row->generation, row->name);
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

/* All that there may be at once fits into the keeper's table: of each pool, the
 * whole and the text; and its images and logs. */
_Static_assert(MASTER_GENERATIONS * (CONF_POOLS_MAX + 2) + 64 <=
    KEEPER_KEPT_MAX, "room for every generation");

static struct generation *
free_place(struct master *m)
{
	for (size_t i = 0; i < MASTER_GENERATIONS; i++)
		if (m->generations[i].number == 0)
			return &m->generations[i];
	return NULL;
}

/* -- with the keeper --------------------------------------------------------------- */

/* Sealed memory with that content, or an ERR_ code. */
static int
seal(const void *data, size_t len, struct errmsg *err)
{
	int fd = fd_memfd("clusterd-snapshot"), rc;

	if (fd < 0)
		return errmsg_set(err, ERR_SYSTEM, "no memory for a snapshot");
	rc = fd_write_all(fd, data, len);
	if (rc == 0)
		rc = fd_seal(fd);
	if (rc == 0)
		return fd;
	close(fd);
	return errmsg_set(err, ERR_SYSTEM, "a snapshot cannot be kept: %s",
	    strerror(-rc));
}

static int
keep(struct master *m, uint64_t number, const void *data, size_t len,
    link_answer answer, struct errmsg *err)
{
	struct keeper_packet packet;
	int fd = seal(data, len, err);

	if (fd < 0)
		return fd;
	keeper_begin(&packet, KEEPER_KEEP, 0);
	packet.body.keep.number = number;
	packet.body.keep.kind = KEPT_SNAPSHOT;
	link_request(m->link, &packet, &fd, 1, answer, number >> 8);
	close(fd);
	return 0;
}

static int
encode(const struct conf *conf, int pool, struct buf *data, struct errmsg *err)
{
	int rc;

	buf_init(data, SNAPSHOT_SIZE_MAX);
	rc = snapshot_encode(conf, pool, data);
	if (rc == 0)
		return 0;
	return errmsg_set(err, rc, "the configuration is too large");
}

/* What people read of it is only kept where that is possible. */
static void
keep_text(struct master *m, const struct generation *generation)
{
	struct errmsg err;

	if (keep(m, KEEPER_SNAPSHOT_NUMBER(generation->number, TEXT_NUMBER),
	    generation->text, generation->text_len, NULL, &err) != 0)
		log_warn("master: the text of generation %llu: %s",
		    (unsigned long long)generation->number, err.text);
}

/* The whole one, and one for each pool. */
static size_t
count_parts(const struct generation *generation)
{
	return generation->conf->pool_count + 1;
}

/* The one that is handed over: whose, what of it is not answered, and why it
 * failed. */
static struct {
	generations_done done;
	uint64_t number;
	unsigned open;
	struct errmsg err;
} batch;

static void
batch_end(struct master *m)
{
	generations_done done = batch.done;

	if (batch.open > 0)
		return;
	batch.done = NULL;
	if (done != NULL)
		done(m, &batch.err);
}

static void
on_kept(struct master *m, uint64_t number, const struct link_packet *answer)
{
	const struct keeper_packet *p = answer->packet;
	struct generation *generation = master_generation(m, number);

	if (generation != NULL && p->header.type != KEEPER_ERROR)
		generation->parts++;
	if (number != batch.number || batch.open == 0)
		return;		/* of one that was given up */
	if (p->header.type == KEEPER_ERROR && batch.err.code == 0)
		errmsg_set(&batch.err, ERR_SYSTEM, "the keeper cannot keep "
		    "generation %llu: %s", (unsigned long long)number,
		    p->body.error.text);
	batch.open--;
	batch_end(m);
}

static void
keep_part(struct master *m, const struct generation *generation, int pool)
{
	struct buf data;

	if (encode(generation->conf, pool, &data, &batch.err) == 0 &&
	    keep(m, KEEPER_SNAPSHOT_NUMBER(generation->number, pool + 1),
	    buf_at(&data), buf_len(&data), on_kept, &batch.err) == 0)
		batch.open++;
	buf_done(&data);
}

void
generations_keep(struct master *m, struct generation *generation,
    generations_done done)
{
	const struct conf *conf = generation->conf;

	memset(&batch, 0, sizeof(batch));
	batch.done = done;
	batch.number = generation->number;
	batch.open = 1;
	if (generation->parts < count_parts(generation)) {
		generation->parts = 0;
		generation->asked = true;
		for (int pool = SNAPSHOT_ALL; pool < (int)conf->pool_count &&
		    batch.err.code == 0; pool++)
			keep_part(m, generation, pool);
		if (batch.err.code == 0 && generation->text != NULL)
			keep_text(m, generation);
	}
	batch.open--;
	batch_end(m);
}

/* It may have less of it than is dropped. */
static void
on_dropped(struct master *m, uint64_t unused, const struct link_packet *answer)
{
	(void)m;
	(void)unused;
	(void)answer;
}

static void
drop_part(struct master *m, uint64_t number, unsigned part)
{
	struct keeper_packet packet;

	keeper_begin(&packet, KEEPER_DROP, 0);
	packet.body.drop.number = KEEPER_SNAPSHOT_NUMBER(number, part);
	packet.body.drop.kind = KEPT_SNAPSHOT;
	link_request(m->link, &packet, NULL, 0, on_dropped, 0);
}

/* One that came in pieces does not tell how many pools it has. */
static void
drop(struct master *m, const struct generation *generation)
{
	size_t pools = generation->conf != NULL ?
	    generation->conf->pool_count : CONF_POOLS_MAX;

	for (unsigned pool = 0; pool <= pools; pool++)
		drop_part(m, generation->number, pool);
	drop_part(m, generation->number, TEXT_NUMBER);
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
add_file(struct disk_job *job, const struct generation *generation,
    const char *suffix, const void *data, size_t len, struct errmsg *err)
{
	char file[340];
	int fd = seal(data, len, err), rc;

	if (fd < 0)
		return fd;
	file_of(generation->conf, generation->number, suffix, file,
	    sizeof(file));
	rc = disk_add_file(job, &(struct disk_file){ .path = file,
	    .mode = 0600, .fd = fd, .size = len,
	    .name = "a snapshot", .optional = suffix[0] != '\0' }, err);
	close(fd);
	return rc;
}

/* What people read of it: only where that is possible. */
static void
add_text(struct disk_job *job, const struct generation *generation)
{
	struct errmsg err;

	if (add_file(job, generation, ".txt", generation->text,
	    generation->text_len, &err) != 0)
		log_warn("master: the text of generation %llu: %s",
		    (unsigned long long)generation->number, err.text);
}

int
generations_store(const struct generation *generation, struct disk_job *job,
    struct errmsg *err)
{
	char dir[300];
	struct buf data;
	int rc;

	snprintf(dir, sizeof(dir), "%s/snapshots",
	    generation->conf->daemon.state_dir);
	disk_add_folder(job, dir, 0700);
	rc = encode(generation->conf, SNAPSHOT_ALL, &data, err);
	if (rc == 0)
		rc = add_file(job, generation, "", buf_at(&data),
		    buf_len(&data), err);
	buf_done(&data);
	if (rc == 0 && generation->text != NULL)
		add_text(job, generation);
	return rc;
}

/* -- making and reading ----------------------------------------------------------------- */

/* False: there is no memory for it. */
static bool
set_text(struct generation *generation, const char *text, size_t len)
{
	free(generation->text);
	generation->text = malloc(len + 1);
	generation->text_len = 0;
	if (generation->text == NULL)
		return false;
	memcpy(generation->text, text, len);
	generation->text[len] = '\0';
	generation->text_len = len;
	return true;
}

int
generations_add(struct master *m, struct conf *conf, uint64_t number,
    const char *text, size_t text_len, struct generation **out,
    struct errmsg *err)
{
	struct generation *generation = free_place(m);

	if (generation == NULL) {
		generations_tidy(m);
		generation = free_place(m);
	}
	if (generation == NULL)
		return errmsg_set(err, ERR_FULL, "workers of %d generations "
		    "run at once; those of earlier ones leave when they have "
		    "drained, or by `restart'", MASTER_GENERATIONS);
	if (text != NULL && !set_text(generation, text, text_len))
		return errmsg_set(err, ERR_MEMORY, "out of memory");
	conf->generation = number;
	generation->number = number;
	generation->conf = conf_ref(conf);
	if (number > turn_look(m)->globals.last_generation)
		turn_change(m)->globals.last_generation = number;
	*out = generation;
	return 0;
}

struct conf *
generations_decode(int fd, struct errmsg *err)
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
	if (data == MAP_FAILED ||
	    !set_text(generation, data, (size_t)st.st_size))
		master_give_up("inventory");
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

	if (have->kind != KEPT_SNAPSHOT)
		return;
	if (place == NULL)
		place = free_place(m);
	if (place == NULL)
		return;
	place->number = number;
	place->asked = true;
	if (part == TEXT_NUMBER) {
		read_text(place, packet->fds[0]);
		return;
	}
	place->parts++;
	if (part != 0)		/* for the workers of a pool */
		return;
	place->conf = generations_decode(packet->fds[0], &err);
	/* One that cannot be read now is whole: the next master reads it. */
	if (place->conf == NULL &&
	    (err.code == ERR_MEMORY || err.code == ERR_SYSTEM))
		master_give_up("inventory");
	if (place->conf == NULL)
		log_error("master: snapshot %llu: %s",
		    (unsigned long long)number, err.text);
}

void
generations_end_inventory(struct master *m)
{
	for (size_t i = 0; i < MASTER_GENERATIONS; i++) {
		struct generation *generation = &m->generations[i];

		if (generation->number == 0 || generation->conf != NULL)
			continue;
		drop(m, generation);
		forget(generation);
	}
}

static int
open_file(const struct conf *conf, uint64_t number, const char *suffix)
{
	char file[340];

	file_of(conf, number, suffix, file, sizeof(file));
	return open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

/* Of an earlier one.  Its accounts are numbered as those of the daemon that
 * stored it: another keeper would start its pools under others. */
static struct conf *
read_file(struct master *m, uint64_t number, struct errmsg *err)
{
	int fd = open_file(m->conf, number, "");
	struct conf *conf;

	if (fd < 0) {
		errmsg_set(err, ERR_NOT_FOUND, "generation %llu is not kept "
		    "any more", (unsigned long long)number);
		return NULL;
	}
	conf = generations_decode(fd, err);
	close(fd);
	if (conf != NULL && conf_renumber_accounts(conf, m->account_uids,
	    m->account_gids, m->account_count, err) != 0) {
		conf_unref(conf);
		conf = NULL;
	}
	return conf;
}

int
generations_load(struct master *m, uint64_t number, struct generation **out,
    struct errmsg *err)
{
	struct generation *generation;
	struct conf *conf;
	int fd, rc;

	if ((*out = master_generation(m, number)) != NULL)
		return 0;
	if ((conf = read_file(m, number, err)) == NULL)
		return err->code;
	rc = generations_add(m, conf, number, NULL, 0, &generation, err);
	conf_unref(conf);
	if (rc != 0)
		return rc;
	if ((fd = open_file(m->conf, number, ".txt")) >= 0)
		read_text(generation, fd);
	fd_close(&fd);
	*out = generation;
	return 0;
}

static bool
is_referred(struct master *m, uint64_t number)
{
	const struct memo_copy *copy = turn_look(m);

	if (number == copy->globals.generation ||
	    number == copy->globals.previous ||
	    number == copy->globals.trans_generation)
		return true;
	for (uint16_t i = 0; i < copy->pools; i++)
		if (copy->pool[i].name[0] != '\0' &&
		    copy->pool[i].generation == number)
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
		if (generation->asked)
			drop(m, generation);
		forget(generation);
	}
}

/* On the disk as well: in force, to go back to, or of anything that runs. */
static void
sweep_files(struct master *m)
{
	const struct memo_globals *globals = &turn_look(m)->globals;
	struct sweep *sweep = sweep_new(m->conf->daemon.state_dir,
	    (unsigned)m->conf->daemon.keep_generations);

	sweep_keep(sweep, globals->generation, m->conf);
	sweep_keep(sweep, globals->previous, NULL);
	for (size_t i = 0; i < MASTER_GENERATIONS; i++)
		if (m->generations[i].number != 0)
			sweep_keep(sweep, m->generations[i].number,
			    m->generations[i].conf);
	disk_sweep(m->disk, sweep);
}

void
generations_tidy_later(struct master *m, uint64_t unused)
{
	(void)unused;
	generations_tidy(m);
	sweep_files(m);
}

void
generations_free(struct master *m)
{
	for (size_t i = 0; i < MASTER_GENERATIONS; i++)
		forget(&m->generations[i]);
}
