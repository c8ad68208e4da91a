/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* evil_crash.c: what ends the process, or breaks its memory. */
#include "evil.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

volatile int *volatile nowhere = (volatile int *)16;
static volatile int zero;

enum cluster_verdict
do_segv(struct cluster_request *req, struct evil *evil, const char *arg)
{
	*nowhere = 1;
	return CLUSTER_DONE;
}

/* The same, as long as there is a file of that name. */
enum cluster_verdict
do_poison(struct cluster_request *req, struct evil *evil, const char *arg)
{
	return access(arg, F_OK) == 0 ? do_segv(req, evil, arg) :
	    say(req, "well\n");
}

enum cluster_verdict
do_bus(struct cluster_request *req, struct evil *evil, const char *arg)
{
	int fd = memfd_create("evil", 0);
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	page[0] = 1;			/* behind the end of the file */
	return CLUSTER_DONE;
}

enum cluster_verdict
do_ill(struct cluster_request *req, struct evil *evil, const char *arg)
{
	__builtin_trap();
}

enum cluster_verdict
do_fpe(struct cluster_request *req, struct evil *evil, const char *arg)
{
	raise(SIGFPE);
	return say_result(req, zero);
}

enum cluster_verdict
do_abort(struct cluster_request *req, struct evil *evil, const char *arg)
{
	abort();
}

static int
recurse(volatile char *above)
{
	volatile char here[4096];

	here[0] = above[0];
	here[1] = for_ever ? (char)recurse(here) : 0;
	return here[0] + here[1];
}

enum cluster_verdict
do_recurse(struct cluster_request *req, struct evil *evil, const char *arg)
{
	char start = 1;

	return say_result(req, recurse(&start));
}

enum cluster_verdict
do_exit(struct cluster_request *req, struct evil *evil, const char *arg)
{
	_exit((int)strtol(arg, NULL, 10));
}

/* Not _exit(): handlers of atexit() run. */
enum cluster_verdict
do_leave(struct cluster_request *req, struct evil *evil, const char *arg)
{
	exit((int)strtol(arg, NULL, 10));
}


/* What lies behind a block of the heap. */
static void
smash_heap(void)
{
	volatile char *block = malloc(16);

	for (volatile int i = -32; i < 64; i++)
		block[i] = 0x55;
	free((void *)block);
	free(malloc(100000));
}

/* Our callers. */
static int
smash_stack(void)
{
	volatile char here[16];

	for (volatile int i = 0; i < 2048; i++)
		here[i] = 0x55;
	return here[0];
}

/* All that the host's program can write, its structures among it. */
static void
smash_host(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long from, to;
	char line[512];

	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL)
		if (strstr(line, "clusterd-worker") != NULL &&
		    sscanf(line, "%lx-%lx rw", &from, &to) == 2 &&
		    strstr(line, " rw") != NULL)
			memset((void *)from, 0x55, to - from);
}

/* Its page, which its beat mends in part. */
static void
smash_page(void)
{
	void *page = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_SHARED,
	    6, 0);

	if (page != MAP_FAILED)
		memset(page, 0x55, 16384);
	poll(NULL, 0, 400);
}

enum cluster_verdict
do_smash(struct cluster_request *req, struct evil *evil, const char *arg)
{
	if (strcmp(arg, "stack") == 0)
		return say_result(req, smash_stack());
	if (strcmp(arg, "host") == 0)
		smash_host();
	else if (strcmp(arg, "page") == 0)
		smash_page();
	else
		smash_heap();
	return say(req, "smashed\n");
}

/* A filter of its own forbids it a call, and it makes that call. */
enum cluster_verdict
do_badsys(struct cluster_request *req, struct evil *evil, const char *arg)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_acct, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { sizeof(code) / sizeof(code[0]), code };

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) != 0)
		return CLUSTER_FAIL;
	return say_result(req, (int)syscall(SYS_acct, NULL));
}

static void *
thread_segv(void *arg)
{
	*nowhere = 1;
	return NULL;
}

enum cluster_verdict
do_threadsegv(struct cluster_request *req, struct evil *evil, const char *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, thread_segv, NULL) != 0)
		return CLUSTER_FAIL;
	pthread_join(thread, NULL);
	return say(req, "joined\n");
}

static void *
thread_wait(void *arg)
{
	for (;;)
		pause();
	return arg;
}

/* The thread of the loop ends; with "last" the process with it. */
enum cluster_verdict
do_threadexit(struct cluster_request *req, struct evil *evil, const char *arg)
{
	pthread_t thread;

	if (strcmp(arg, "last") != 0 &&
	    pthread_create(&thread, NULL, thread_wait, NULL) != 0)
		return CLUSTER_FAIL;
	pthread_exit(NULL);
}
