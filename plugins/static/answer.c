/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* answer.c: head of the answer to a file; see static.h. */
#include "static.h"

#include <inttypes.h>
#include <stdio.h>

static int
answer_set_fields(const struct answer *answer, const char *tag)
{
	const struct site *site = answer->site;
	struct cluster_request *req = answer->req;
	int rc;

	rc = cluster_set_header(req, "ETag", tag);
	if (rc == 0)
		rc = cluster_set_header(req, "Last-Modified",
		    answer->file->modified_text);
	if (rc == 0 && site->cache_control[0] != '\0')
		rc = cluster_set_header(req, "Cache-Control",
		    site->cache_control);
	if (rc == 0 && answer->varies)
		rc = cluster_set_header(req, "Vary", "Accept-Encoding");
	return rc;
}

static enum cluster_verdict
answer_fail(const struct answer *answer, const char *tag)
{
	cluster_set_header(answer->req, "ETag", tag);
	return cluster_reply_text(answer->req, 412, "Precondition failed\n");
}

static enum cluster_verdict
answer_refuse_range(const struct answer *answer)
{
	char text[48];

	snprintf(text, sizeof(text), "bytes */%" PRIu64, answer->file->size);
	cluster_set_header(answer->req, "Content-Range", text);
	return cluster_reply_text(answer->req, 416, "No such range\n");
}

/* HEAD has no ranges (RFC 9110 14.2). */
static int
answer_send_body(const struct answer *answer, enum range_verdict verdict,
    const struct range *ranges, unsigned count)
{
	int rc;

	if (answer->coding != NULL && (rc = cluster_set_header(answer->req,
	    "Content-Encoding", answer->coding)) != 0)
		return rc;
	if (verdict == RANGE_PARTS)
		return count == 1 ? body_send_part(answer, ranges[0]) :
		    body_send_parts(answer, ranges, count);
	rc = cluster_set_header(answer->req, "Accept-Ranges", "bytes");
	return rc != 0 ? rc : body_send_whole(answer);
}

enum cluster_verdict
answer_send(const struct answer *answer, const struct fields *fields)
{
	const char *tag = file_tag(answer->file);
	struct validators validators = { .etag = tag,
	    .modified = answer->file->modified };
	enum range_verdict verdict = RANGE_WHOLE;
	struct range ranges[RANGES_MAX];
	unsigned count = 0;
	int rc;

	switch (conditional_test(&fields->conditions, &validators)) {
	case CONDITION_FAILED:
		return answer_fail(answer, tag);
	case CONDITION_NOT_MODIFIED:
		rc = answer_set_fields(answer, tag);
		if (rc == 0)
			rc = cluster_reply_static(answer->req, 304, NULL, "",
			    0);
		return rc == 0 ? CLUSTER_DONE : CLUSTER_FAIL;
	case CONDITION_HOLDS:
		break;
	}
	if (!answer->head && fields->range != NULL &&
	    conditional_allows_range(&fields->conditions, &validators))
		verdict = range_parse(fields->range, answer->file->size,
		    ranges, &count);
	if (verdict == RANGE_REFUSED)
		return answer_refuse_range(answer);
	rc = answer_set_fields(answer, tag);
	if (rc == 0)
		rc = answer_send_body(answer, verdict, ranges, count);
	return rc == 0 ? CLUSTER_DONE : CLUSTER_FAIL;
}
