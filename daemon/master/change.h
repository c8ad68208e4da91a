/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * change.h: commands that change something.  Short ones are done at once; the
 * others are transactions, one at a time over the whole daemon, stepped at the
 * end of each turn and written into the memo before they act.
 */
#ifndef CLUSTERD_MASTER_CHANGE_H
#define CLUSTERD_MASTER_CHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/errmsg.h"
#include "daemon/control/host.h"
#include "daemon/supervisor/trans.h"

struct autoscale_rules;
struct change_run;
struct check;
struct conf_pool;
struct control_call;
struct generation;
struct master;
struct process;

/* From the control server and from signals. */
void change_start(struct master *m, struct control_call *call,
    const struct change *change);
/* A reload like this one waits in line, and will do for it as well. */
bool change_is_pending(const struct change *change);
/* Each tick: which generations are well, and whether one is to be taken back. */
void rollback_look(struct master *m);
/* At the end of each turn. */
void change_follow(struct master *m);
/* After a death of the master: what its memo says was going on. */
void change_adopt(struct master *m);
/* A worker ended: it may be a successor of the transaction, or a recycled one. */
void change_hear_end(struct master *m, struct supervisor *s,
    const struct slot_end *end, const char *text);
/* supervisor_host.trial: how a canary does. */
enum trial change_try_canary(void *master, uint16_t row, const char **fault);
/* Stop the service; call may be NULL. */
void change_stop(struct master *m, enum stop_kind kind,
    struct control_call *call);

bool change_is_held(struct master *m);
bool change_is_reload(struct master *m);

/* -- between the files change_*.c ----------------------------------------------- */

struct change_run {
	struct master *master;
	struct control_call *call;	/* NULL: nobody waits */
	struct change change;
	enum trans_kind kind;
	struct trans trans;		/* what it does to the slots */
	uint64_t began_ns;
	size_t told;			/* scale, roll: the last progress */
	char why[80];			/* scale: what an automatic one is for */
	/* reload */
	bool failing;			/* ends as failed when undone */
	struct errmsg err;
	struct generation *target;	/* reload: what it brings */
	struct buf *warnings;
	bool storing;			/* TRANS_CHECK: its files are written */
	/* the wait for the disk, at the end */
	bool sync_asked;
	int sync_job;
	bool synced, stored;
};

/* Begin and end a transaction. */
struct change_run *change_begin(struct master *m, struct control_call *call,
    const struct change *change, enum trans_kind kind);
void change_succeed(struct master *m, const char *result);
void change_fail(struct master *m, const struct errmsg *err,
    const char *result);
void change_step(struct master *m, enum trans_step step);
/* All was put; true when it is on the disk or a second has passed. */
bool change_is_stored(struct master *m);
/* Something is over: those that wait in line have their turn. */
void change_next(struct master *m);
/* Give an answer (err NULL: a good one) after the flip, so that what it says is
 * never taken back by a death.  call may be NULL. */
void change_answer(struct master *m, struct control_call *call,
    const struct errmsg *err, const char *result);
/* Answer one that is not (or not yet) a transaction. */
void change_refuse(struct control_call *call, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* change_now.c: true if the command was one of these. */
bool change_now(struct master *m, struct control_call *call,
    const struct change *change);
/* Memo slots that a target means, into a list of at most max. */
size_t change_targets(struct master *m, const struct target *target,
    uint16_t *slots, size_t max);

/* change_scale.c */
void scale_start(struct master *m, struct control_call *call,
    const struct change *change);
void scale_follow(struct master *m);
void scale_adopt(struct master *m);

/* change_autoscale.c; who gave a scale that nobody gave: */
#define AUTOSCALE_BY "autoscale"
/* Each tick: how busy the pools are, and whether one is to have another size. */
void autoscale_look(struct master *m);
/* What is configured; a pool that left the configuration keeps its size. */
void autoscale_rules_of(const struct conf_pool *conf,
    struct autoscale_rules *rules);
void autoscale_rules(struct master *m, uint16_t pool,
    struct autoscale_rules *rules);

/* change_roll.c */
void restart_start(struct master *m, struct control_call *call,
    const struct change *change);
void restart_follow(struct master *m);
/* Words of the first slot that failed, or what is there for none. */
const char *roll_failure(const struct change_run *run, char *out, size_t size);
void roll_tell_progress(struct change_run *run, const char *what);

/* change_check.c */
void reload_start(struct master *m, struct control_call *call,
    const struct change *change);
void config_check_start(struct master *m, struct control_call *call,
    const struct change *change);

/* change_reload.c */
void reload_go_on(struct master *m, struct control_call *call,
    const struct change *change);
/* Take back one that is held. */
void reload_take_back(struct master *m, struct control_call *call,
    const struct change *change);
void reload_follow(struct master *m);
/* Its verdict, as far as it is stored by now. */
void reload_report_commit(struct master *m);
/* To one that was started with an earlier snapshot than it is of by now. */
void reload_tell_keys(struct process *process);
void reload_adopt(struct master *m);
/* After the flip: a memo that was made anew has forgotten that a commit was
 * under way, so the database may not have heard of it. */
void reload_record(struct master *m, uint64_t unused);
/* End the reload, of which nothing has been started; result: JSON or NULL. */
void reload_reject(struct master *m, const char *text, const char *result);
/* What it brings; then, as soon as that is stored: its addresses are bound, its
 * canaries start. */
void reload_set_target(struct master *m, struct generation *target);
void reload_go(struct master *m);

/* change_rollback.c; who gave one that nobody gave: */
#define ROLLBACK_BY "auto_rollback"
void rollback_start(struct master *m, struct control_call *call,
    const struct change *change);

#endif
