/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * nss_evil.c: a source of accounts that misbehaves (nsswitch.conf: "passwd: evil"):
 * by EVIL_NSS in the environment it sleeps, blocking all signals, or aborts.
 */

#include <nss.h>
#include <pwd.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT enum nss_status _nss_evil_getpwnam_r(const char *name,
    struct passwd *entry, char *buffer, size_t size, int *error);

EXPORT enum nss_status
_nss_evil_getpwnam_r(const char *name, struct passwd *entry, char *buffer,
    size_t size, int *error)
{
	const char *how = getenv("EVIL_NSS");
	sigset_t all;

	(void)name;
	(void)entry;
	(void)buffer;
	(void)size;
	(void)error;
	if (how != NULL && strcmp(how, "abort") == 0)
		abort();
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	while (how != NULL && strcmp(how, "sleep") == 0)
		pause();
	return NSS_STATUS_NOTFOUND;
}
