/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* crash.c: last words of a worker; see crash.h. */
#include "daemon/worker/crash.h"

#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/digits.h"
#include "common/base/file.h"
#include "daemon/proto/keeper.h"
#include "daemon/worker/symbols.h"

enum { STACK_SIZE = 65536, FRAMES_MAX = 64, FRAMES_TOLD = 10 };

static const char *worker_name = "";
static pid_t worker_pid;
static char *words;			/* PAGE_WORDS bytes */
static size_t words_len;
static pid_t dying;			/* thread that has the word */
static int dying_of;
static bool own;			/* in the worker itself, not a child */
static struct file_id output;		/* the pipe, as it was */

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
add_number(struct line *line, uint64_t value)
{
	struct digits digits;

	add(line, digits.text + digits_put(&digits, value));
}

/* For the death record. */
static void
say(const char *text)
{
	for (; own && *text != '\0' && words_len + 1 < PAGE_WORDS; text++)
		words[words_len++] = *text;
}

void
crash_leave_words(const char *text)
{
	own = getpid() == worker_pid;
	say(text);
}

/* Not to where stderr of plugins goes; but a plugin or its child may have given
 * the number of the pipe to another file. */
static void
emit(struct line *line)
{
	int fd = file_is_at(WORKER_FD_OUTPUT, &output) ? WORKER_FD_OUTPUT :
	    STDERR_FILENO;

	line->text[line->len++] = '\n';
	(void)!write(fd, line->text, line->len);
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

/* ---- frames ------------------------------------------------------------------------ */

/* "do_segv+0x1b in evil.so", "evil.so+0x23bb", "0x7f…".  pc: the address is the
 * place itself, not where a call returns to. */
static void
add_place(struct line *line, uintptr_t address, bool pc, struct symbol *symbol)
{
	uintptr_t inside = pc ? address : address - 1;

	if (!symbols_find(inside, symbol)) {
		*symbol = (struct symbol){ .object = NULL };
		add_hex(line, address);
		return;
	}
	add(line, symbol->function != NULL ? symbol->function :
	    symbol->object);
	add(line, "+");
	add_hex(line, symbol->offset + (address - inside));
	if (symbol->function != NULL) {
		add(line, " in ");
		add(line, symbol->object);
	}
}

/* How many of the next are of the same function. */
static int
count_same(void *const *frames, int count, const struct symbol *symbol)
{
	struct symbol next;
	int same = 0;

	while (symbol->function != NULL && same < count &&
	    symbols_find((uintptr_t)frames[same] - 1, &next) &&
	    next.function == symbol->function)
		same++;
	return same;
}

/* The frames, the innermost first: a line each, and as words down to who called
 * the plugin, since from there on they are always the same. */
static void
tell_frames(void *const *frames, int count, bool first_is_pc)
{
	bool plugin = false, enough = false;

	for (int i = 0, told = 0; i < count && told < FRAMES_TOLD; told++) {
		struct line line = { .len = 0 };
		struct symbol symbol;
		int same;

		add_place(&line, (uintptr_t)frames[i], first_is_pc && i == 0,
		    &symbol);
		i++;
		same = count_same(frames + i, count - i, &symbol);
		if (same > 0) {
			add(&line, ", ");
			add_number(&line, (uint64_t)same + 1);
			add(&line, " times");
		}
		i += same;
		line.text[line.len] = '\0';
		if (!enough) {
			say(told > 0 ? " < " : "");
			say(line.text);
		}
		plugin = plugin || symbol.is_named;
		enough = enough || (plugin && symbol.is_ours);
		emit(&line);
	}
}

/* Where the signal struck: frames of the handler come before it.  0: nowhere,
 * as where the code went astray. */
static int
find_pc(void *const *frames, int count, uintptr_t pc)
{
	for (int i = 0; i < count; i++)
		if ((uintptr_t)frames[i] == pc)
			return i;
	return 0;
}

static uintptr_t
pc_of(const ucontext_t *context)
{
#if defined(__x86_64__)
	return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	return (uintptr_t)context->uc_mcontext.pc;
#else
	(void)context;
	return 0;
#endif
}

/* ---- the end -------------------------------------------------------------------------- */

/* A second signal: of the same thread the words themselves have failed, and
 * the first one counts; another thread waits for the end. */
static bool
is_first(int number)
{
	pid_t nobody = 0, self = (pid_t)syscall(SYS_gettid);

	if (__atomic_compare_exchange_n(&dying, &nobody, self, false,
	    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
		dying_of = number;
		return true;
	}
	while (nobody != self)
		pause();
	signal(dying_of, SIG_DFL);
	raise(dying_of);
	return false;
}

/* " at 0x10", or whatever else is known of the signal. */
static void
add_circumstances(struct line *line, int number, const siginfo_t *info)
{
	if (number == SIGABRT)
		return;
	if (number == SIGSYS && info->si_code > 0) {
		add(line, "system call ");
		add_number(line, (uint64_t)(unsigned)info->si_syscall);
	} else if (info->si_code > 0) {
		add(line, "at ");
		add_hex(line, (uint64_t)(uintptr_t)info->si_addr);
	} else {
		add(line, "sent by process ");
		add_number(line, (uint64_t)(unsigned)info->si_pid);
	}
}

static void
tell_signal(int number, const siginfo_t *info, const ucontext_t *context)
{
	struct line line = { .len = 0 }, more = { .len = 0 };

	add_registers(&line, context);
	emit(&line);
	add_circumstances(&more, number, info);
	more.text[more.len] = '\0';
	add(&line, "worker ");
	add(&line, worker_name);
	add(&line, ": ");
	add(&line, name_of(number));
	add(&line, more.len > 0 ? ", " : "");
	add(&line, more.text);
	emit(&line);
	if (more.len > 0) {
		say(more.text);
		say(": ");
	}
}

static void
on_crash(int number, siginfo_t *info, void *context)
{
	uintptr_t pc = pc_of(context);
	void *frames[FRAMES_MAX];
	int count, at;

	if (!is_first(number))
		return;
	/* the process that it is: a child of a plugin's has no page */
	own = getpid() == worker_pid;
	tell_signal(number, info, context);
	count = backtrace(frames, FRAMES_MAX);
	at = find_pc(frames, count, pc);
	if (at == 0)			/* at least this */
		frames[0] = (void *)pc;
	tell_frames(frames + at, count - at, true);
	signal(number, SIG_DFL);
	raise(number);
}

/* We leave by _exit(): somebody else called exit(). */
static void
on_exit_called(void)
{
	void *frames[FRAMES_MAX];
	struct line line = { .len = 0 };
	int count;

	own = getpid() == worker_pid;
	if (!own)
		return;
	add(&line, "worker ");
	add(&line, worker_name);
	add(&line, ": exit was called");
	emit(&line);
	say("exit was called: ");
	count = backtrace(frames, FRAMES_MAX);
	if (count > 1)
		tell_frames(frames + 1, count - 1, false);
}

static int
set_stack(void)
{
	stack_t stack = { .ss_size = STACK_SIZE };

	/* Not of the heap, which may be what is broken. */
	stack.ss_sp = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	return stack.ss_sp != MAP_FAILED && sigaltstack(&stack, NULL) == 0 ?
	    0 : -errno;
}

int
crash_install(const char *name, struct page *page)
{
	struct sigaction action = {
		.sa_sigaction = on_crash,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER,
	};
	struct stat status;
	void *frame;
	int rc;

	worker_name = name;
	if (fstat(WORKER_FD_OUTPUT, &status) == 0)
		output = file_id_of(&status);
	worker_pid = getpid();
	words = page->words;
	(void)backtrace(&frame, 1);	/* loads its library now, not then */
	if ((rc = set_stack()) != 0)
		return rc;
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < COUNT(signals); i++)
		if (sigaction(signals[i].number, &action, NULL) != 0)
			return -errno;
	atexit(on_exit_called);
	return 0;
}
