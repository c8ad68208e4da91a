/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * replay.c: a plain main for fuzz targets, so that `make check' runs every
 * input of the corpus without clang.  In a --enable-fuzz build libFuzzer's main
 * takes its place.  The corpus of fuzz_NAME is tests/fuzz/corpus/NAME below
 * $CLUSTERD_SOURCE, or the files and directories given as arguments.  A corpus
 * that holds nothing is a failure: it would show nothing.
 */

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An allocation of exactly the size, so that one byte too far is seen. */
static int
replay_file(const char *path)
{
	struct stat st;
	uint8_t *data;
	size_t size;
	FILE *file = fopen(path, "rb");

	if (file == NULL || fstat(fileno(file), &st) != 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	data = malloc(st.st_size > 0 ? (size_t)st.st_size : 1);
	if (data == NULL)
		abort();
	size = fread(data, 1, (size_t)st.st_size, file);
	fclose(file);
	fprintf(stderr, "%s: %zu bytes\n", path, size);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 1;
}

/* How many inputs were run: path itself, or the files in it. */
static int
replay_path(const char *path)
{
	struct dirent *entry;
	int count = 0;
	DIR *dir = opendir(path);

	if (dir == NULL)
		return errno == ENOTDIR ? replay_file(path) : 0;
	while ((entry = readdir(dir)) != NULL) {
		char name[4096];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		count += replay_file(name);
	}
	closedir(dir);
	return count;
}

static int
replay_corpus(const char *program)
{
	const char *source = getenv("CLUSTERD_SOURCE");
	const char *name = strstr(program, "fuzz_");
	char path[4096];

	/* the last one: the folder may be called so too */
	for (const char *next = name; next != NULL;
	    next = strstr(next + 1, "fuzz_"))
		name = next;
	if (name == NULL)
		return 0;
	snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s",
	    source != NULL ? source : ".", name + strlen("fuzz_"));
	return replay_path(path);
}

int
main(int argc, char **argv)
{
	int count = 0;

	for (int i = 1; i < argc; i++)
		count += replay_path(argv[i]);
	if (argc < 2)
		count = replay_corpus(argv[0]);
	if (count == 0) {
		fprintf(stderr, "%s: the corpus is empty\n", argv[0]);
		return 1;
	}
	return 0;
}
