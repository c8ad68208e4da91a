/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* cpus.c: affinity and cgroup quota; see cpus.h. */
#include "daemon/checker/cpus.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

enum { CPU_SETS = 16 };		/* 16384 CPUs */

static int
affinity_cpus(void)
{
	cpu_set_t sets[CPU_SETS];

	memset(sets, 0, sizeof(sets));
	if (sched_getaffinity(0, sizeof(sets), sets) != 0)
		return 1;
	return CPU_COUNT_S(sizeof(sets), sets);
}

static int
rounded_up(long long quota, long long period)
{
	if (quota <= 0 || period <= 0 || quota / period > INT_MAX - 1)
		return INT_MAX;
	return (int)((quota + period - 1) / period);
}

/* "max 100000" or "150000 100000" */
static int
quota_of_v2(const char *directory)
{
	char path[PATH_MAX + 64];
	long long quota, period;
	FILE *file;
	int n;

	snprintf(path, sizeof(path), "/sys/fs/cgroup%s/cpu.max", directory);
	file = fopen(path, "re");
	if (file == NULL)
		return INT_MAX;
	n = fscanf(file, "%lld %lld", &quota, &period);
	fclose(file);
	return n == 2 ? rounded_up(quota, period) : INT_MAX;
}

static long long
number_of_v1(const char *directory, const char *name)
{
	char path[PATH_MAX + 64];
	long long number = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/fs/cgroup/cpu%s/%s", directory,
	    name);
	file = fopen(path, "re");
	if (file == NULL)
		return -1;
	if (fscanf(file, "%lld", &number) != 1)
		number = -1;
	fclose(file);
	return number;
}

static int
quota_of_v1(const char *directory)
{
	return rounded_up(number_of_v1(directory, "cpu.cfs_quota_us"),
	    number_of_v1(directory, "cpu.cfs_period_us"));
}

/* The least quota of a cgroup and all above it. */
static int
least_quota(char *directory, int (*quota_of)(const char *directory))
{
	int least = quota_of("");

	while (directory[0] != '\0') {
		int quota = quota_of(directory);
		char *slash = strrchr(directory, '/');

		if (quota < least)
			least = quota;
		*(slash != NULL ? slash : directory) = '\0';
	}
	return least;
}

/* A line of /proc/self/cgroup: "0::/a/b" or "4:cpu,cpuacct:/a". */
static int
quota_of_line(char *line)
{
	char *controllers = strchr(line, ':');
	char *directory = controllers != NULL ?
	    strchr(controllers + 1, ':') : NULL;

	if (directory == NULL)
		return INT_MAX;
	*directory++ = '\0';
	directory[strcspn(directory, "\n")] = '\0';
	if (strcmp(line, "0:") == 0)
		return least_quota(directory, quota_of_v2);
	if (strstr(controllers, ":cpu,") != NULL ||
	    strstr(controllers, ",cpu,") != NULL ||
	    strcmp(controllers, ":cpu") == 0)
		return least_quota(directory, quota_of_v1);
	return INT_MAX;
}

int
cpus_usable(void)
{
	int least = affinity_cpus();
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[PATH_MAX];

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		int quota = quota_of_line(line);

		if (quota < least)
			least = quota;
	}
	if (file != NULL)
		fclose(file);
	return least > 0 ? least : 1;
}
