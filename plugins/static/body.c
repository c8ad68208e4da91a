/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* body.c: body of the answer to a file, whole or in parts; see static.h.  Small
 * ones come from memory, others by sendfile(2). */
#include "static.h"

#include <inttypes.h>
#include <stdio.h>

enum { BOUNDARY_MAX = 48, PART_HEAD_MAX = 512 };

static void
body_release(int fd, void *arg)
{
	(void)fd;
	files_put(arg);
}

/* A part of it as the host takes it, which holds the file until it is sent. */
static struct cluster_file
body_lend(struct file *file, struct range range)
{
	file->refs++;
	return (struct cluster_file){ .size = sizeof(struct cluster_file),
	    .offset = range.start, .length = range.end - range.start,
	    .fd = file->fd, .release = body_release, .arg = file };
}

static int
body_send(const struct answer *answer, int status, struct range range)
{
	struct file *file = answer->file;
	struct cluster_file lent;
	int rc;

	if (file->data != NULL)
		return cluster_reply_copy(answer->req, status, answer->type,
		    file->data + range.start, range.end - range.start);
	lent = body_lend(file, range);
	rc = cluster_reply_file_with(answer->req, status, answer->type, &lent);
	if (rc == -EAGAIN)
		files_put(file);		/* it was not taken */
	if (rc == -ERANGE)			/* cut short in place */
		files_forget(&answer->site->files, file);
	return rc;
}

int
body_send_whole(const struct answer *answer)
{
	return body_send(answer, 200, (struct range){ 0, answer->file->size });
}

static void
write_content_range(char *out, size_t size, struct range range, uint64_t whole)
{
	snprintf(out, size, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64,
	    range.start, range.end - 1, whole);
}

int
body_send_part(const struct answer *answer, struct range range)
{
	char text[80];
	int rc;

	write_content_range(text, sizeof(text), range, answer->file->size);
	rc = cluster_set_header(answer->req, "Content-Range", text);
	return rc != 0 ? rc : body_send(answer, 206, range);
}

/* ---- in parts ---------------------------------------------------------------------- */

/* A client cannot guess it, so that no file has it in it by intent. */
static void
write_boundary(struct site *site, char boundary[BOUNDARY_MAX])
{
	snprintf(boundary, BOUNDARY_MAX, "part%016" PRIx64 "%08x", site->seed,
	    ++site->boundary);
}

static size_t
write_part_head(const struct answer *answer, const char *boundary,
    struct range range, char out[PART_HEAD_MAX])
{
	char text[80];
	int len;

	write_content_range(text, sizeof(text), range, answer->file->size);
	len = snprintf(out, PART_HEAD_MAX,
	    "\r\n--%s\r\nContent-Type: %.300s\r\nContent-Range: %s\r\n\r\n",
	    boundary, answer->type, text);
	return (size_t)len;
}

static size_t
write_end(const char *boundary, char out[PART_HEAD_MAX])
{
	return (size_t)snprintf(out, PART_HEAD_MAX, "\r\n--%s--\r\n", boundary);
}

static int
write_bytes(const struct answer *answer, struct range range)
{
	struct file *file = answer->file;
	struct cluster_file lent;
	int rc;

	if (file->data != NULL)
		return cluster_stream_write(answer->req,
		    file->data + range.start, range.end - range.start);
	lent = body_lend(file, range);
	rc = cluster_stream_write_file_with(answer->req, &lent);
	if (rc == -EAGAIN)
		files_put(file);
	if (rc == -ERANGE)
		files_forget(&answer->site->files, file);
	return rc;
}

/* All parts are queued at once: there are fewer than CLUSTER_PARTS_MAX, and
 * those of memory are less than a small file. */
int
body_send_parts(const struct answer *answer, const struct range *ranges,
    unsigned count)
{
	char boundary[BOUNDARY_MAX], head[PART_HEAD_MAX], type[96];
	size_t len;
	uint64_t whole;
	int rc;

	write_boundary(answer->site, boundary);
	snprintf(type, sizeof(type), "multipart/byteranges; boundary=%s",
	    boundary);
	whole = write_end(boundary, head);
	for (unsigned i = 0; i < count; i++)
		whole += write_part_head(answer, boundary, ranges[i], head) +
		    ranges[i].end - ranges[i].start;
	rc = cluster_stream_begin(answer->req, 206, type, (int64_t)whole);
	for (unsigned i = 0; i < count && rc == 0; i++) {
		len = write_part_head(answer, boundary, ranges[i], head);
		rc = cluster_stream_write(answer->req, head, len);
		if (rc == 0)
			rc = write_bytes(answer, ranges[i]);
	}
	len = write_end(boundary, head);
	if (rc == 0)
		rc = cluster_stream_write(answer->req, head, len);
	return rc == 0 ? cluster_stream_end(answer->req) : rc;
}
