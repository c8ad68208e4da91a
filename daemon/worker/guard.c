/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* guard.c: the guard filter, classic BPF by hand; see guard.h. */
#include "daemon/worker/guard.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/check.h"

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#endif

#ifndef SECCOMP_FILTER_FLAG_SPEC_ALLOW
#define SECCOMP_FILTER_FLAG_SPEC_ALLOW (1UL << 2)
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

#ifdef OUR_ARCH

/* Forbidden whatever their arguments. */
static const uint32_t never[] = {
#if !defined(__SANITIZE_ADDRESS__)
	SYS_ptrace,
#endif
	SYS_pidfd_getfd, SYS_process_vm_readv, SYS_process_vm_writev,
};

/* Forbidden when their first argument is one of ours to guard. */
static const uint32_t aimed[] = {
	SYS_kill, SYS_tkill, SYS_tgkill, SYS_rt_sigqueueinfo,
	SYS_rt_tgsigqueueinfo, SYS_pidfd_open,
};

enum { TARGETS = 6, PROGRAM_MAX = 64 };

struct program {
	struct sock_filter code[PROGRAM_MAX];
	unsigned short len;
};

static void
emit(struct program *program, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
	CHECK(program->len < PROGRAM_MAX);
	program->code[program->len++] = (struct sock_filter){ code, jt, jf, k };
}

/*
 *	arch is another: allow (this is no wall)
 *	number is one of `never': deny
 *	number is not one of `aimed': allow
 *	low word of the first argument is a target: deny
 *	allow
 *	deny
 */
static void
build(struct program *program, const uint32_t targets[TARGETS])
{
	const uint16_t load = BPF_LD | BPF_W | BPF_ABS;
	const uint16_t equal = BPF_JMP | BPF_JEQ | BPF_K;
	const uint8_t after_aimed = (uint8_t)(TARGETS + 2);
	size_t i;

	emit(program, load, offsetof(struct seccomp_data, arch), 0, 0);
	emit(program, equal, OUR_ARCH, 1, 0);
	emit(program, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
	emit(program, load, offsetof(struct seccomp_data, nr), 0, 0);
	for (i = 0; i < COUNT(never); i++)
		emit(program, equal, never[i], (uint8_t)(COUNT(never) - i +
		    COUNT(aimed) + after_aimed), 0);
	for (i = 0; i < COUNT(aimed); i++)
		emit(program, equal, aimed[i], (uint8_t)(COUNT(aimed) - i), 0);
	emit(program, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
	emit(program, load, offsetof(struct seccomp_data, args[0]), 0, 0);
	for (i = 0; i < TARGETS; i++)
		emit(program, equal, targets[i], (uint8_t)(TARGETS - i), 0);
	emit(program, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
	emit(program, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM, 0, 0);
}

int
guard_install(pid_t keeper, pid_t master)
{
	const uint32_t targets[TARGETS] = {
		(uint32_t)keeper, (uint32_t)-keeper, (uint32_t)master,
		(uint32_t)-master, 1, (uint32_t)-1,
	};
	struct program program = { .len = 0 };
	struct sock_fprog filter = { .filter = program.code };

	build(&program, targets);
	filter.len = program.len;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -errno;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
	    SECCOMP_FILTER_FLAG_SPEC_ALLOW, &filter) == 0)
		return 0;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0 ?
	    0 : -errno;
}

#else

int
guard_install(pid_t keeper, pid_t master)
{
	(void)keeper;
	(void)master;
	return -ENOSYS;
}

#endif
