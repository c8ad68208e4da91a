/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* serve.c: from a request to the file that answers it; see static.h. */
#include "static.h"

#include <stdio.h>

#include "../accept/accept.h"
#include "path.h"

/* ---- which file ---------------------------------------------------------------------- */

/* Codings that a file may have beside it, the better first. */
static const struct {
	const char *coding, *ending;
} variants[] = { { "br", ".br" }, { "gzip", ".gz" } };
enum { VARIANTS = sizeof(variants) / sizeof(variants[0]) };

/* The variant of that number; NULL: there is none, or one older than the file,
 * which was changed since. */
static struct file *
find_variant(struct site *site, struct file *file, unsigned number,
    uint64_t now_ms)
{
	char name[STATIC_NAME_MAX];
	struct file *variant;
	int len;

	if (file->absent & 1u << number)
		return NULL;
	len = snprintf(name, sizeof(name), "%s%s", file->name,
	    variants[number].ending);
	if (len < (int)sizeof(name) && files_get(&site->files, name,
	    (size_t)len, now_ms, &variant) == 0) {
		if (variant->modified >= file->modified)
			return variant;
		files_put(variant);
	}
	file->absent |= (uint8_t)(1u << number);
	return NULL;
}

/* In answer->file, held, what the client likes best. */
static void
choose_variant(struct answer *answer, const char *accept, uint64_t now_ms)
{
	struct file *plain = answer->file, *variant;
	unsigned best = 0, weight;

	for (unsigned i = 0; i < VARIANTS; i++) {
		variant = find_variant(answer->site, plain, i, now_ms);
		if (variant == NULL)
			continue;
		answer->varies = true;
		weight = accept_weight(accept, variants[i].coding);
		if (weight <= best) {
			files_put(variant);
			continue;
		}
		best = weight;
		if (answer->file != plain)
			files_put(answer->file);
		answer->file = variant;
		answer->coding = variants[i].coding;
	}
	if (answer->file != plain)
		files_put(plain);
}

static enum cluster_verdict
serve_file(struct site *site, struct cluster_request *req, struct file *file,
    bool head, uint64_t now_ms)
{
	struct answer answer = { .req = req, .site = site, .file = file,
	    .type = file->type, .head = head };
	enum cluster_verdict verdict;
	struct fields fields;

	if (fields_read(req, &fields) != 0) {
		files_put(file);
		return CLUSTER_FAIL;
	}
	if (site->precompressed)
		choose_variant(&answer, fields.accept_encoding, now_ms);
	verdict = answer_send(&answer, &fields);
	files_put(answer.file);
	return verdict;
}

/* ---- what is no file ------------------------------------------------------------------ */

/* A directory without its slash: relative links in it would be wrong. */
static enum cluster_verdict
redirect(struct cluster_request *req)
{
	const char *path = cluster_path(req), *query = cluster_query(req);
	size_t size = strlen(path) + strlen(query) + 3;
	char *location = cluster_alloc(req, size);

	if (location == NULL)
		return CLUSTER_FAIL;
	snprintf(location, size, "%s/%s%s", path, query[0] == '\0' ? "" : "?",
	    query);
	if (cluster_set_header(req, "Location", location) != 0)
		return CLUSTER_FAIL;
	return cluster_reply_text(req, 301, "It is a directory\n");
}

static enum cluster_verdict
refuse(struct cluster_request *req, int error, const char *name)
{
	switch (-error) {
	case EINVAL:
		return cluster_reply_text(req, 400, "Bad path\n");
	case ENOENT: case ENOTDIR: case ENAMETOOLONG:
		return cluster_reply_text(req, 404, "No such file\n");
	case EACCES: case EPERM: case ELOOP: case EXDEV:
		return cluster_reply_text(req, 403, "Not allowed\n");
	case EMFILE: case ENFILE: case ENOMEM: case EAGAIN:
		cluster_log(CLUSTER_WARNING, "%s: %s", name, strerror(-error));
		cluster_set_header(req, "Retry-After", "1");
		return cluster_reply_text(req, 503, "Too much at once\n");
	default:
		cluster_log(CLUSTER_ERROR, "%s: %s", name, strerror(-error));
		return CLUSTER_FAIL;
	}
}

/* ---- requests -------------------------------------------------------------------------- */

/* name of len bytes is a directory; its index goes behind it.  Without an index
 * it is 403, and 404 without the directory. */
static int
find_index(struct site *site, char name[STATIC_NAME_MAX], size_t len,
    uint64_t now_ms, struct file **file)
{
	size_t index_len = strlen(site->index);
	int rc = -ENOENT;

	if (len + index_len >= STATIC_NAME_MAX)
		return -ENAMETOOLONG;
	if (index_len > 0) {
		memcpy(name + len, site->index, index_len + 1);
		rc = files_get(&site->files, name, len + index_len, now_ms,
		    file);
		name[len] = '\0';
	}
	if (rc == -ENOENT || rc == -EISDIR) {
		rc = files_find_directory(&site->files, name);
		if (rc == 0)
			rc = -EACCES;
	}
	return rc;
}

enum cluster_verdict
serve_request(struct cluster_request *req, void *self)
{
	struct site *site = self;
	const char *method = cluster_method(req), *path;
	uint64_t now_ms = cluster_now_ms();
	char name[STATIC_NAME_MAX];
	struct file *file;
	bool head;
	size_t len;
	int rc;

	path = path_strip(cluster_path(req), site->strip);
	if (path == NULL)
		return CLUSTER_PASS;
	head = strcmp(method, "HEAD") == 0;
	if (!head && strcmp(method, "GET") != 0) {
		cluster_set_header(req, "Allow", "GET, HEAD");
		return cluster_reply_text(req, 405, "Files are read only\n");
	}
	if (path[0] == '\0')
		return redirect(req);
	rc = path_decode(path, site->hidden, name, &len);
	if (rc != 0)
		return refuse(req, rc, path);
	if (len == 0 || name[len - 1] == '/')
		rc = find_index(site, name, len, now_ms, &file);
	else
		rc = files_get(&site->files, name, len, now_ms, &file);
	/* one that may be passed through but not read is a directory as well */
	if (rc == -EACCES && len > 0 && name[len - 1] != '/' &&
	    files_find_directory(&site->files, name) == 0)
		rc = -EISDIR;
	if (rc == -EISDIR)
		return redirect(req);
	if (rc != 0)
		return refuse(req, rc, name);
	return serve_file(site, req, file, head, now_ms);
}
