/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* crash.c: last words of a worker; see crash.h. */
#include "daemon/worker/crash.h"

#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "common/base/check.h"

enum { STACK_SIZE = 65536, FRAMES_MAX = 48 };

static const char *worker_name = "";

static const struct { int number; const char *name; } signals[] = {
	{ SIGSEGV, "SIGSEGV" }, { SIGBUS, "SIGBUS" }, { SIGILL, "SIGILL" },
	{ SIGFPE, "SIGFPE" }, { SIGABRT, "SIGABRT" }, { SIGSYS, "SIGSYS" },
	{ SIGTRAP, "SIGTRAP" },
};

/* One line, put together without anything that could allocate or lock. */
struct line {
	char text[512];
	size_t len;
};

static void
add(struct line *line, const char *text)
{
	size_t len = strlen(text), room = sizeof(line->text) - 1 - line->len;

	if (len > room)
		len = room;
	memcpy(line->text + line->len, text, len);
	line->len += len;
}

static void
add_hex(struct line *line, uint64_t value)
{
	char digits[19] = "0x";
	int shift = 60, at = 2;

	while (shift > 0 && (value >> shift) == 0)
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		digits[at++] = "0123456789abcdef"[value >> shift & 15];
	digits[at] = '\0';
	add(line, digits);
}

static void
emit(struct line *line)
{
	line->text[line->len++] = '\n';
	(void)!write(STDERR_FILENO, line->text, line->len);
	line->len = 0;
}

static void
add_register(struct line *line, const char *name, uint64_t value)
{
	add(line, " ");
	add(line, name);
	add(line, "=");
	add_hex(line, value);
}

static void
add_registers(struct line *line, const ucontext_t *context)
{
	add(line, "registers:");
#if defined(__x86_64__)
	const greg_t *r = context->uc_mcontext.gregs;

	add_register(line, "rip", (uint64_t)r[REG_RIP]);
	add_register(line, "rsp", (uint64_t)r[REG_RSP]);
	add_register(line, "rbp", (uint64_t)r[REG_RBP]);
	add_register(line, "rax", (uint64_t)r[REG_RAX]);
	add_register(line, "rdi", (uint64_t)r[REG_RDI]);
	add_register(line, "rsi", (uint64_t)r[REG_RSI]);
	add_register(line, "rdx", (uint64_t)r[REG_RDX]);
#elif defined(__aarch64__)
	add_register(line, "pc", context->uc_mcontext.pc);
	add_register(line, "sp", context->uc_mcontext.sp);
	add_register(line, "lr", context->uc_mcontext.regs[30]);
	add_register(line, "x0", context->uc_mcontext.regs[0]);
#else
	(void)context;
#endif
}

static const char *
name_of(int number)
{
	for (size_t i = 0; i < COUNT(signals); i++)
		if (signals[i].number == number)
			return signals[i].name;
	return "a signal";
}

static void
on_crash(int number, siginfo_t *info, void *context)
{
	void *frames[FRAMES_MAX];
	struct line line = { .len = 0 };
	int count;

	/* first: a fault in here shall not come back here */
	signal(number, SIG_DFL);
	add(&line, "worker ");
	add(&line, worker_name);
	add(&line, ": ");
	add(&line, name_of(number));
	if (number != SIGABRT) {
		add(&line, " at ");
		add_hex(&line, (uint64_t)(uintptr_t)info->si_addr);
	}
	emit(&line);
	add_registers(&line, context);
	emit(&line);
	count = backtrace(frames, FRAMES_MAX);
	backtrace_symbols_fd(frames, count, STDERR_FILENO);
	raise(number);
}

int
crash_install(const char *name)
{
	struct sigaction action = {
		.sa_sigaction = on_crash,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER,
	};
	stack_t stack = { .ss_size = STACK_SIZE };
	void *frame;

	worker_name = name;
	(void)backtrace(&frame, 1);	/* loads its library now, not then */
	/* Not of the heap, which may be what is broken. */
	stack.ss_sp = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (stack.ss_sp == MAP_FAILED)
		return -errno;
	if (sigaltstack(&stack, NULL) != 0)
		return -errno;
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < COUNT(signals); i++)
		if (sigaction(signals[i].number, &action, NULL) != 0)
			return -errno;
	return 0;
}
