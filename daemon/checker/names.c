/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* names.c: see names.h. */
#include "daemon/checker/names.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/clock.h"

_Static_assert(sizeof(struct names_answer) <= PIPE_BUF, "written as a whole");

/* However fast the clock of a test goes, its source needs what it needs. */
enum { LIMIT_MS = 5000, LEAST_MS = 1000 };

enum { KNOWN_MAX = 64 };

/* ---- in the child ----------------------------------------------------------------- */

/* There is none of that name, or there was no memory to look. */
static void
check_absence(void)
{
	if (errno == ENOMEM)
		_exit(1);
}

/* Whoever asks may give it another first group: that one's place is there, with no
 * group in it. */
static void
find_groups(const char *name, struct names_answer *answer)
{
	int count = CONF_GROUPS_MAX;

	if (getgrouplist(name, NAMES_NO_GROUP, answer->groups, &count) >= 0)
		answer->group_count = (unsigned)count;
	else if (count <= CONF_GROUPS_MAX)
		_exit(1);		/* they would have fitted */
}

static void
find_user(const char *name, struct names_answer *answer)
{
	const struct passwd *passwd = getpwnam(name);

	if (passwd == NULL) {
		check_absence();
		return;
	}
	answer->found = 1;
	answer->uid = passwd->pw_uid;
	answer->gid = passwd->pw_gid;
	find_groups(name, answer);
}

static void
find_group(const char *name, struct names_answer *answer)
{
	const struct group *group = getgrnam(name);

	if (group == NULL) {
		check_absence();
		return;
	}
	answer->found = 1;
	answer->gid = group->gr_gid;
}

static void
find_caller(struct names_answer *answer)
{
	const struct passwd *passwd = getpwuid(geteuid());

	if (passwd == NULL)
		return;
	answer->found = 1;
	strncpy(answer->name, passwd->pw_name, sizeof(answer->name) - 1);
}

static _Noreturn void
answer_for(enum names_kind kind, const char *name, int fd)
{
	struct names_answer answer = { 0 };

	errno = 0;
	switch (kind) {
	case NAMES_USER:
		find_user(name, &answer);
		break;
	case NAMES_GROUP:
		find_group(name, &answer);
		break;
	case NAMES_CALLER:
		find_caller(&answer);
		break;
	}
	_exit(write(fd, &answer, sizeof(answer)) == sizeof(answer) ? 0 : 1);
}

/* ---- who asks it -------------------------------------------------------------------- */

static int
await_answer(int fd, struct names_answer *answer)
{
	int limit = (int)clock_scaled_ms(LIMIT_MS), rc;
	struct pollfd one = { .fd = fd, .events = POLLIN };

	do
		rc = poll(&one, 1, limit > LEAST_MS ? limit : LEAST_MS);
	while (rc < 0 && errno == EINTR);
	return rc > 0 && read(fd, answer, sizeof(*answer)) ==
	    sizeof(*answer) ? 0 : -1;
}

static int
ask(enum names_kind kind, const char *name, struct names_answer *answer)
{
	int pair[2], rc = -1;
	pid_t pid;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		answer_for(kind, name, pair[1]);
	}
	close(pair[1]);
	if (pid > 0)
		rc = await_answer(pair[0], answer);
	close(pair[0]);
	if (rc == 0)	/* else it may hang, and dies with us */
		waitpid(pid, NULL, 0);
	return rc;
}

int
names_ask(enum names_kind kind, const char *name, struct names_answer *answer)
{
	static struct known {
		enum names_kind kind;
		const char *name;
		struct names_answer answer;
	} known[KNOWN_MAX];
	static size_t count;

	for (size_t i = 0; i < count; i++)
		if (known[i].kind == kind && strcmp(known[i].name, name) == 0) {
			*answer = known[i].answer;
			return 0;
		}
	if (ask(kind, name, answer) != 0)
		return -1;
	if (count < COUNT(known))
		known[count++] = (struct known){ kind, name, *answer };
	return 0;
}
