/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * features.c: system calls that may be missing; see features.h.  Each is probed
 * with arguments that it must refuse, or that change nothing.
 */
#include "daemon/keeper/features.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/log.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

static long
probe_clone3(void)
{
	return syscall(SYS_clone3, NULL, 0);
}

static long
probe_close_range(void)
{
	return syscall(SYS_close_range, ~0U, 0, 0);
}

static long
probe_pidfd_open(void)
{
	return syscall(SYS_pidfd_open, 0, 0);
}

static long
probe_seccomp(void)
{
	uint32_t action = SECCOMP_RET_ALLOW;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action);
}

static long
probe_memfd_create(void)
{
	return syscall(SYS_memfd_create, "probe", ~0U);
}

static long
probe_execveat(void)
{
	return syscall(SYS_execveat, -1, "", NULL, NULL, ~0);
}

static const struct feature {
	const char *name;
	long (*probe)(void);
	const char *without;		/* what is done then; NULL: nothing can be */
} features[] = {
	{ "clone3", probe_clone3, "clone does its work" },
	{ "close_range", probe_close_range, "descriptors are closed one by one" },
	{ "pidfd_open", probe_pidfd_open, "/proc does its work" },
	{ "seccomp", probe_seccomp, "workers have no guard filter" },
	{ "memfd_create", probe_memfd_create, NULL },
	{ "execveat", probe_execveat, "programs are executed through /proc" },
};

/* 0: it is there; else the errno of the refusal. */
static int
refusal(const struct feature *feature)
{
	errno = 0;
	if (feature->probe() >= 0)
		return 0;
	return errno == ENOSYS || errno == EPERM || errno == EACCES ? errno : 0;
}

/* The C library makes threads by clone3 and takes ENOSYS alone for an older
 * kernel. */
static int
has_no_threads(const struct feature *feature, int error)
{
#ifdef __GLIBC__
	return feature->probe == probe_clone3 && error != ENOSYS;
#else
	(void)feature;
	(void)error;
	return 0;
#endif
}

int
features_need_proc(struct errmsg *err)
{
	return access("/proc/self/fd", X_OK) == 0 ? 0 :
	    errmsg_set(err, ERR_SYSTEM, "/proc is not mounted: neither "
	    "programs nor plugins can be opened without it");
}

int
features_check(struct errmsg *err)
{
	for (size_t i = 0; i < COUNT(features); i++) {
		const struct feature *feature = &features[i];
		int error = refusal(feature);

		if (error == 0)
			continue;
		if (feature->without == NULL)
			return errmsg_set(err, ERR_SYSTEM, "the system refuses "
			    "%s (%s), which cannot be done without",
			    feature->name, strerror(error));
		if (has_no_threads(feature, error))
			return errmsg_set(err, ERR_SYSTEM, "the system refuses "
			    "%s (%s), so there are no threads: its filter must "
			    "answer ENOSYS instead", feature->name,
			    strerror(error));
		log_notice("the system refuses %s (%s): %s", feature->name,
		    strerror(error), feature->without);
	}
	return 0;
}

void
features_show(void)
{
	printf("  system:");
	for (size_t i = 0; i < COUNT(features); i++)
		if (refusal(&features[i]) == 0)
			printf(" %s", features[i].name);
	printf("\n");
	for (size_t i = 0; i < COUNT(features); i++) {
		int error = refusal(&features[i]);

		if (error != 0)
			printf("  refused: %s (%s): %s\n", features[i].name,
			    strerror(error), features[i].without != NULL ?
			    features[i].without : "it cannot be done without");
	}
}
