/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * nss_evil.c: a source of accounts that misbehaves.  It takes the place of the C
 * library's own source "hesiod" (nsswitch.conf: "passwd: hesiod files"); FI_NSS in
 * the environment is "HOW NAME": at the look-up of NAME it sleeps, blocking all
 * signals, or aborts.
 */

#include <nss.h>
#include <pwd.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT enum nss_status _nss_hesiod_getpwnam_r(const char *name,
    struct passwd *entry, char *buffer, size_t size, int *error);

EXPORT enum nss_status
_nss_hesiod_getpwnam_r(const char *name, struct passwd *entry, char *buffer,
    size_t size, int *error)
{
	const char *how = getenv("FI_NSS");
	const char *whose = how != NULL ? strchr(how, ' ') : NULL;
	sigset_t all;

	(void)entry;
	(void)buffer;
	(void)size;
	(void)error;
	if (whose == NULL || strcmp(whose + 1, name) != 0)
		return NSS_STATUS_NOTFOUND;
	if (how[0] == 'a')
		abort();
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	for (;;)
		pause();
}
