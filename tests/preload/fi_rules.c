/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * fi_rules.c: the rules of fi.so and their counters; see fi_rules.h.  Called
 * from inside malloc() and before main(): raw system calls, no heap, no lock
 * that anybody waits for.
 */
#include "fi_rules.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct rule {
	int call;			/* FI__COUNT: all */
	int error;
	enum { ALWAYS, WINDOW, CHANCE } when;
	uint64_t from, to;		/* WINDOW */
	uint32_t chance;		/* of 2^32 */
	int64_t offset;			/* of the clock */
};

struct rules {
	struct rule rule[FI_RULES];
	int count;
	uint64_t from, to;		/* counted mode; 0: not */
};

static const struct { const char *name; int eintr; } calls[FI__COUNT] = {
#define CALL(id, name, eintr) [FI_##id] = { name, eintr },
#include "fi_calls.def"
};

static const struct { const char *name; int error; } errors[] = {
	{ "NULL", ENOMEM }, { "EACCES", EACCES }, { "EAGAIN", EAGAIN },
	{ "EBADF", EBADF }, { "ECONNABORTED", ECONNABORTED },
	{ "ECONNREFUSED", ECONNREFUSED }, { "ECONNRESET", ECONNRESET },
	{ "EDQUOT", EDQUOT }, { "EINTR", EINTR }, { "EINVAL", EINVAL },
	{ "EIO", EIO }, { "EMFILE", EMFILE }, { "ENFILE", ENFILE },
	{ "ENOBUFS", ENOBUFS }, { "ENOENT", ENOENT }, { "ENOMEM", ENOMEM },
	{ "ENOSPC", ENOSPC }, { "ENOSYS", ENOSYS }, { "ENOTTY", ENOTTY },
	{ "EPERM", EPERM }, { "EPIPE", EPIPE }, { "EROFS", EROFS },
	{ "ETOOMANYREFS", ETOOMANYREFS },
};

static const char *const roles[FI_ROLES] = { "keeper", "master", "worker",
	"checker", "ctl" };

/* Two copies: who reads one while the other is written is not disturbed. */
static struct rules copies[2];
static unsigned current, seen;
static int writing, ready;	/* ready: 1: rules may be read */
static struct fi_role *role;
static struct fi_role own;	/* without FI_FILE */

/* -- reading a specification -------------------------------------------------- */

/* A word up to one of the ends; returns what follows it. */
static const char *
word(const char *at, const char *ends, char *out, size_t size)
{
	size_t len = strcspn(at, ends);

	if (len >= size)
		len = size - 1;
	memcpy(out, at, len);
	out[len] = '\0';
	return at + strcspn(at, ends);
}

static int
call_of(const char *name)
{
	if (strcmp(name, "*") == 0)
		return FI__COUNT;
	for (int i = 0; i < FI__COUNT; i++)
		if (strcmp(calls[i].name, name) == 0)
			return i;
	return -1;
}

static int
error_of(const char *name)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (strcmp(errors[i].name, name) == 0)
			return errors[i].error;
	return (int)strtol(name, NULL, 10);
}

/* "3", "2-4", "50+": 0 if it is one. */
static int
read_window(const char *text, uint64_t *from, uint64_t *to)
{
	char *end;

	*from = *to = strtoul(text, &end, 10);
	if (*end == '+' || (*end == '-' && end[1] == '\0'))
		*to = UINT64_MAX;
	else if (*end == '-')
		*to = strtoul(end + 1, NULL, 10);
	return *from == 0 || *to < *from ? -1 : 0;
}

/* ".01" without strtod(), which may take a lock of the locale. */
static uint32_t
read_chance(const char *text)
{
	uint64_t value = 0, unit = 1;

	for (text += *text == '0'; *text == '.'; text++)
		;
	for (; *text >= '0' && *text <= '9' && unit < 100000000; text++) {
		value = value * 10 + (uint64_t)(*text - '0');
		unit *= 10;
	}
	return (uint32_t)((value << 32) / unit);
}

static const char *
read_rule(const char *at, struct rule *rule, int *bad)
{
	char name[32], error[32], when[32] = "";

	memset(rule, 0, sizeof(*rule));
	at = word(at, ":;", name, sizeof(name));
	at = word(at + (*at == ':'), "@;", error, sizeof(error));
	if (*at == '@')
		at = word(at + 1, ";", when, sizeof(when));
	rule->call = call_of(name);
	rule->error = error_of(error);
	if (rule->call == FI_CLOCK)
		rule->offset = strtol(error, NULL, 10);
	else if (rule->error <= 0)
		*bad = 1;
	if (strncmp(when, "p=", 2) == 0) {
		rule->when = CHANCE;
		rule->chance = read_chance(when + 2);
	} else if (when[0] != '\0') {
		rule->when = WINDOW;
		*bad |= read_window(when, &rule->from, &rule->to) != 0;
	}
	*bad |= rule->call < 0;
	return at + (*at == ';');
}

static void
read_spec(void)
{
	struct rules *rules = &copies[!current];
	const char *at = role->spec;
	int bad = 0;

	memset(rules, 0, sizeof(*rules));
	while (*at != '\0' && rules->count < FI_RULES)
		at = read_rule(at, &rules->rule[rules->count++], &bad);
	if (role->counted[0] != '\0')
		bad |= read_window(role->counted, &rules->from, &rules->to) != 0;
	bad |= *at != '\0';
	/* Changed meanwhile: it is read again, and was perhaps half written. */
	if (bad && __atomic_load_n(&role->number, __ATOMIC_ACQUIRE) == seen) {
		rules->count = 0;
		__atomic_store_n(&role->bad, 1, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&current, !current, __ATOMIC_RELEASE);
}

/* -- who we are ------------------------------------------------------------------ */

/* Value of a variable, without getenv()'s order of things. */
static const char *
variable(const char *name, const char *suffix)
{
	size_t len = strlen(name), more = strlen(suffix);

	for (char **at = environ; *at != NULL; at++)
		if (strncmp(*at, name, len) == 0 &&
		    strncmp(*at + len, suffix, more) == 0 &&
		    (*at)[len + more] == '=')
			return *at + len + more + 1;
	return NULL;
}

/* Index in roles, -1: none of the daemon's programs. */
static int
which_role(void)
{
	char path[512] = "", line[512] = "";
	ssize_t n = syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", path,
	    sizeof(path) - 1);
	const char *name = strrchr(path, '/'), *as = variable("FI", "_AS");
	int fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/cmdline",
	    O_RDONLY | O_CLOEXEC, 0);

	if (fd >= 0) {
		n = syscall(SYS_read, fd, line, sizeof(line) - 1);
		syscall(SYS_close, fd);
	}
	for (int i = 0; as != NULL && i < FI_ROLES; i++)
		if (strcmp(as, roles[i]) == 0)
			return i;
	if (n < 0 || name++ == NULL)
		return -1;
	if (strncmp(name, "lt-", 3) == 0)
		name += 3;
	if (strcmp(name, "clusterd") == 0)
		return 0;
	if (strcmp(name, "clusterd-master") == 0)
		return 1;
	if (strcmp(name, "clusterd-worker") == 0)
		return strcmp(line + strlen(line) + 1, "--check") == 0 ? 3 : 2;
	return strcmp(name, "clusterctl") == 0 ? 4 : -1;
}

static struct fi_role *
map_file(const char *path, int index)
{
	size_t size = FI_ROLES * sizeof(struct fi_role);
	struct fi_role *all;
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);

	if (fd < 0)
		return NULL;
	all = (void *)syscall(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);
	syscall(SYS_close, fd);
	return all == MAP_FAILED ? NULL : &all[index];
}

static void
copy(char *to, size_t size, const char *from)
{
	if (from == NULL)
		return;
	strncpy(to, from, size - 1);
	to[size - 1] = '\0';
}

/* The file's rules come first: a test changes them at run time.  Where it has
 * none yet, the variables are put there. */
static void
start(void)
{
	const char *path = variable("FI", "_FILE"), *spec, *seed;
	char suffix[16] = "_";
	int index = which_role();

	if (index < 0)
		return;
	strcat(suffix, roles[index]);
	spec = variable("FI", suffix);
	seed = variable("FI", "_SEED");
	role = path != NULL ? map_file(path, index) : NULL;
	if (role == NULL)
		role = &own;
	if (role->number == 0) {
		copy(role->spec, FI_SPEC, spec != NULL ? spec : index < 4 ?
		    variable("FI", "") : NULL);
		copy(role->counted, sizeof(role->counted),
		    variable("FI", "_N"));
		role->seed = seed != NULL ? strtoul(seed, NULL, 10) : 1;
		role->number = 1;
	}
	for (int i = 0; i < FI__COUNT; i++)
		copy(role->call[i].name, sizeof(role->call[i].name),
		    calls[i].name);
	seen = role->number;
	read_spec();
	__atomic_store_n(&ready, 1, __ATOMIC_RELEASE);
}

/* Rules to go by, or NULL: not yet, or none of ours. */
static const struct rules *
look(void)
{
	static int started;
	int error = errno;

	if (environ == NULL)
		return NULL;		/* the loader is still at work */
	if (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE)) {
		if (__atomic_exchange_n(&started, 1, __ATOMIC_ACQ_REL) == 0)
			start();
		errno = error;
		if (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE))
			return NULL;
	}
	if (__atomic_load_n(&role->number, __ATOMIC_ACQUIRE) != seen &&
	    __atomic_exchange_n(&writing, 1, __ATOMIC_ACQ_REL) == 0) {
		seen = __atomic_load_n(&role->number, __ATOMIC_ACQUIRE);
		read_spec();
		errno = error;
		__atomic_store_n(&writing, 0, __ATOMIC_RELEASE);
	}
	return &copies[__atomic_load_n(&current, __ATOMIC_ACQUIRE)];
}

/* -- the decision ------------------------------------------------------------------ */

static int
names(const struct rule *rule, enum fi_call call)
{
	if (rule->call != FI__COUNT)
		return rule->call == (int)call;
	return call != FI_MALLOC && call != FI_CLOCK &&
	    (rule->error != EINTR || calls[call].eintr);
}

/* The n-th number of a sequence that its seed decides (splitmix64). */
static uint32_t
dice(uint64_t n)
{
	uint64_t x = role->seed + n * 0x9e3779b97f4a7c15u;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return (uint32_t)((x ^ (x >> 31)) >> 32);
}

/* Does it fail this time?  turn: which of all that counted mode counts this
 * call is; 0: none yet. */
static int
is_due(const struct rules *rules, const struct rule *rule, uint64_t *turn)
{
	size_t index = (size_t)(rule - rules->rule);
	uint64_t n = __atomic_add_fetch(&role->rule[index], 1,
	    __ATOMIC_RELAXED);

	if (rule->when == WINDOW)
		return n >= rule->from && n <= rule->to;
	if (rule->when == CHANCE)
		return dice(n) < rule->chance;
	if (rules->from == 0)
		return 1;
	if (*turn == 0)
		*turn = __atomic_add_fetch(&role->matched, 1,
		    __ATOMIC_RELAXED);
	return *turn >= rules->from && *turn <= rules->to;
}

int
fi_inject(enum fi_call call)
{
	const struct rules *rules = look();
	uint64_t turn = 0;
	int error = 0;

	if (rules == NULL)
		return 0;
	__atomic_add_fetch(&role->call[call].calls, 1, __ATOMIC_RELAXED);
	/* Each rule counts, also when another has decided already. */
	for (int i = 0; i < rules->count; i++)
		if (names(&rules->rule[i], call) &&
		    is_due(rules, &rules->rule[i], &turn) && error == 0)
			error = rules->rule[i].error;
	if (error != 0) {
		__atomic_add_fetch(&role->call[call].injected, 1,
		    __ATOMIC_RELAXED);
		__atomic_add_fetch(&role->injected, 1, __ATOMIC_RELAXED);
	}
	return error;
}

int64_t
fi_clock(void)
{
	const struct rules *rules = look();
	int64_t offset = 0;

	for (int i = 0; rules != NULL && i < rules->count; i++)
		if (rules->rule[i].call == FI_CLOCK)
			offset += rules->rule[i].offset;
	return offset;
}
