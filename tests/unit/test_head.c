/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * test_head.c: what a request head and trailers may be.  Each refusal stands
 * beside its accepted neighbour.  Each case is read whole, cut at every byte,
 * and byte by byte from a buffer that moves and ends at an unmapped page; the
 * verdict must come with the last byte of `in', no earlier and no later.
 */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "daemon/http/head.h"
#include "tests/unit/page_end.h"

enum { FIELDS = 8 };

struct text {
	const char *at;
	size_t len;
};
#define S(literal) { literal, sizeof(literal) - 1 }

struct row {
	const char *spec;
	struct text in;			/* the last byte brings the verdict */
	struct text rest;		/* what follows: not looked at */
	const char *expect;		/* status, or the words of describe() */
	struct head_limits limits;	/* 0: those of standard */
};

static const struct head_limits standard = { 512, 64, FIELDS };

#define NEXT S("GET /next HTTP/1.1\r\nHost: next\r\n\r\n")
#define HOST "Host: a\r\n"
#define LINE "GET / HTTP/1.1\r\n"
#define PLAIN "GET 1.1 origin / host=a none keep"

static const struct row line_rows[] = {
	{ "the smallest request", S(LINE HOST "\r\n"), NEXT, PLAIN },
	{ "HTTP/1.0 needs no host", S("GET / HTTP/1.0\r\n\r\n"), NEXT,
	    "GET 1.0 origin / host= none close" },
	{ "each method: HEAD", S("HEAD / HTTP/1.1\r\n" HOST "\r\n"), NEXT,
	    "HEAD 1.1 origin / host=a none keep" },
	{ "POST", S("POST / HTTP/1.1\r\n" HOST "\r\n"), NEXT,
	    "POST 1.1 origin / host=a none keep" },
	{ "PUT", S("PUT / HTTP/1.1\r\n" HOST "\r\n"), NEXT,
	    "PUT 1.1 origin / host=a none keep" },
	{ "PATCH", S("PATCH / HTTP/1.1\r\n" HOST "\r\n"), NEXT,
	    "PATCH 1.1 origin / host=a none keep" },
	{ "DELETE", S("DELETE / HTTP/1.1\r\n" HOST "\r\n"), NEXT,
	    "DELETE 1.1 origin / host=a none keep" },
	{ "OPTIONS", S("OPTIONS / HTTP/1.1\r\n" HOST "\r\n"), NEXT,
	    "OPTIONS 1.1 origin / host=a none keep" },

	/* before the request line */
	{ "one empty line is skipped", S("\r\n" LINE HOST "\r\n"), NEXT, PLAIN },
	{ "two are not", S("\r\n\r"), S("\n" LINE HOST "\r\n"), "400" },
	{ "a bare LF", S("\n"), S(LINE HOST "\r\n"), "400" },
	{ "LF behind an empty line", S("\r\n\n"), S(LINE HOST "\r\n"), "400" },
	{ "a bare CR", S("\rG"), S("ET / HTTP/1.1\r\n" HOST "\r\n"), "400" },
	{ "a blank", S(" "), S(LINE HOST "\r\n"), "400" },

	/* method */
	{ "CONNECT", S("CONNECT a:1 HTTP/1.1\r\n"), S(HOST "\r\n"), "501" },
	{ "TRACE", S("TRACE / HTTP/1.1\r\n"), S(HOST "\r\n"), "501" },
	{ "SOURCE", S("SOURCE / HTTP/1.1\r\n"), S(HOST "\r\n"), "501" },
	{ "DESCRIBE", S("DESCRIBE / HTTP/1.1\r\n"), S(HOST "\r\n"), "501" },
	{ "methods have a case", S("get / HTTP/1.1\r\n"), S(HOST "\r\n"), "501" },
	{ "a longer token", S("GETS / HTTP/1.1\r\n"), S(HOST "\r\n"), "501" },
	{ "a shorter one", S("GE / HTTP/1.1\r\n"), S(HOST "\r\n"), "501" },
	{ "all of a token", S("!#$%&'*+-.^_`|~09azAZ / HTTP/1.1\r\n"),
	    S(HOST "\r\n"), "501" },
	{ "no token", S("G@"), S("T / HTTP/1.1\r\n" HOST "\r\n"), "400" },
	{ "a byte over 0x7f in it", S("G\xc3"), S("\x8bT / HTTP/1.1\r\n"), "400" },
	{ "NUL in it", S("GET\0"), S(" / HTTP/1.1\r\n" HOST "\r\n"), "400" },
	{ "a TLS hello", S("\x16"), S("\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"),
	    "400" },

	/* blanks in the request line */
	{ "two before the target", S("GET  "), S("/ HTTP/1.1\r\n" HOST "\r\n"),
	    "400" },
	{ "two before the version", S("GET /  "), S("HTTP/1.1\r\n" HOST "\r\n"),
	    "400" },
	{ "one behind the version", S("GET / HTTP/1.1 "), S("\r\n" HOST "\r\n"),
	    "400" },
	{ "HTAB before the target", S("GET\t"), S("/ HTTP/1.1\r\n" HOST "\r\n"),
	    "400" },
	{ "HTAB before the version", S("GET /\t"), S("HTTP/1.1\r\n" HOST "\r\n"),
	    "400" },

	{ "HTAB behind the version", S("GET / HTTP/1.1\t"),
	    S("\r\n" HOST "\r\n"), "400" },
	{ "none before the target", S("GET/"), S(" HTTP/1.1\r\n" HOST "\r\n"),
	    "400" },
	{ "none before the version", S("GET /HTTP/1.1\r"), S("\n" HOST "\r\n"),
	    "400" },
	{ "four parts", S("GET / a"), S(" HTTP/1.1\r\n" HOST "\r\n"), "400" },

	/* version */
	{ "no version", S("GET /\r"), S("\n"), "400" },
	{ "no version and no CR", S("GET /\n"), S(""), "400" },
	{ "no target", S("GET \r"), S("\n"), "400" },
	{ "RTSP", S("GET / R"), S("TSP/1.0\r\n" HOST "\r\n"), "400" },
	{ "ICE", S("GET / I"), S("CE/1.0\r\n" HOST "\r\n"), "400" },
	{ "HTTPS", S("GET / HTTPS"), S("/1.1\r\n" HOST "\r\n"), "400" },
	{ "lower case", S("GET / h"), S("ttp/1.1\r\n" HOST "\r\n"), "400" },
	{ "HTTP/2.0", S("GET / HTTP/2"), S(".0\r\n" HOST "\r\n"), "505" },
	{ "HTTP/0.9", S("GET / HTTP/0"), S(".9\r\n" HOST "\r\n"), "505" },
	{ "HTTP/1.2", S("GET / HTTP/1.2"), S("\r\n" HOST "\r\n"), "505" },
	{ "HTTP/1.10", S("GET / HTTP/1.10"), S("\r\n" HOST "\r\n"), "400" },
	{ "HTTP/1", S("GET / HTTP/1\r"), S("\n" HOST "\r\n"), "400" },
	{ "HTTP/1.", S("GET / HTTP/1.\r"), S("\n" HOST "\r\n"), "400" },
	{ "HTTP/11.1", S("GET / HTTP/11"), S(".1\r\n" HOST "\r\n"), "400" },
	{ "HTTP/x.1", S("GET / HTTP/x"), S(".1\r\n" HOST "\r\n"), "400" },
	{ "NUL in it", S("GET / HTTP/1.1\0"), S("\r\n" HOST "\r\n"), "400" },
	{ "a byte over 0x7f in it", S("GET / HTTP/1.\xb1"),
	    S("\r\n" HOST "\r\n"), "400" },
	{ "DEL in it", S("GET / HT\x7f"), S("TP/1.1\r\n" HOST "\r\n"), "400" },
	{ "the preface of HTTP/2", S("PRI * HTTP/2"), S(".0\r\n\r\nSM\r\n\r\n"),
	    "505" },

	/* line ends */
	{ "LF without CR behind the version", S("GET / HTTP/1.1\n"),
	    S(HOST "\r\n"), "400" },
	{ "CR without LF behind the version", S("GET / HTTP/1.1\rH"),
	    S("ost: a\r\n\r\n"), "400" },
	{ "LF behind the method", S("GET\n"), S(" / HTTP/1.1\r\n"), "400" },
	{ "CR behind the method", S("GET\r"), S("\n / HTTP/1.1\r\n"), "400" },
	{ "two CR", S("GET / HTTP/1.1\r\r"), S("\n" HOST "\r\n"), "400" },
};

static const struct row target_rows[] = {
	{ "path and query", S("GET /a/b?c=d&e HTTP/1.1\r\n" HOST "\r\n"), NEXT,
	    "GET 1.1 origin /a/b?c=d&e host=a none keep" },
	{ "every visible byte but #", S("GET /!\"$%41&'()*+,-./:;<=>?@[\\]^_`"
	    "{|}~ HTTP/1.1\r\n" HOST "\r\n"), NEXT,
	    "GET 1.1 origin /!\"$%41&'()*+,-./:;<=>?@[\\]^_`{|}~"
	    " host=a none keep" },
	{ "a path of slashes is a path", S("GET //b/c HTTP/1.1\r\n" HOST "\r\n"),
	    NEXT, "GET 1.1 origin //b/c host=a none keep" },
	{ "fragment", S("GET /#a HTTP/1.1\r\n" HOST "\r\n"), NEXT, "400" },
	{ "a byte over 0x7f", S("GET /\x80"), S(" HTTP/1.1\r\n" HOST "\r\n"),
	    "400" },
	{ "DEL", S("GET /\x7f"), S(" HTTP/1.1\r\n" HOST "\r\n"), "400" },
	{ "NUL", S("GET /\0"), S(" HTTP/1.1\r\n" HOST "\r\n"), "400" },
	{ "escapes", S("GET /%2e%2E%fF%01 HTTP/1.1\r\n" HOST "\r\n"), NEXT,
	    "GET 1.1 origin /%2e%2E%fF%01 host=a none keep" },
	{ "an escaped NUL", S("GET /a%00 HTTP/1.1\r\n" HOST "\r\n"), NEXT,
	    "400" },
	{ "half an escape", S("GET /%2 HTTP/1.1\r\n" HOST "\r\n"), NEXT, "400" },
	{ "a lone %", S("GET /% HTTP/1.1\r\n" HOST "\r\n"), NEXT, "400" },
	{ "no hex", S("GET /%2g HTTP/1.1\r\n" HOST "\r\n"), NEXT, "400" },
	{ "a broken escape in the query",
	    S("GET /?a=100% HTTP/1.1\r\n" HOST "\r\n"), NEXT, "400" },
	{ "the asterisk", S("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"), NEXT,
	    "OPTIONS 1.1 asterisk * host=a none keep" },
	{ "with another method", S("GET * HTTP/1.1\r\n" HOST "\r\n"), NEXT,
	    "400" },
	{ "and more", S("OPTIONS ** HTTP/1.1\r\n" HOST "\r\n"), NEXT, "400" },
	{ "absolute: its host counts",
	    S("GET http://b:81/c?d HTTP/1.1\r\n" HOST "\r\n"), NEXT,
	    "GET 1.1 absolute http://b:81/c?d host=b:81 none keep" },
	{ "absolute: https, in any case",
	    S("GET HTTPS://b HTTP/1.1\r\n" HOST "\r\n"), NEXT,
	    "GET 1.1 absolute HTTPS://b host=b none keep https" },
	{ "absolute: http in capitals",
	    S("GET HTTP://b/ HTTP/1.1\r\n" HOST "\r\n"), NEXT,
	    "GET 1.1 absolute HTTP://b/ host=b none keep" },
	{ "absolute: query without path",
	    S("GET http://b?c HTTP/1.1\r\n" HOST "\r\n"), NEXT,
	    "GET 1.1 absolute http://b?c host=b none keep" },
	{ "absolute in 1.0", S("GET http://b/ HTTP/1.0\r\n\r\n"), NEXT,
	    "GET 1.0 absolute http://b/ host=b none close" },
	{ "absolute: Host must be there all the same",
	    S("GET http://b/ HTTP/1.1\r\n\r\n"), NEXT, "400" },
	{ "absolute: and valid",
	    S("GET http://b/ HTTP/1.1\r\nHost: a b\r\n\r\n"), NEXT, "400" },
	{ "absolute: userinfo", S("GET http://u@b/ HTTP/1.1\r\n" HOST "\r\n"),
	    NEXT, "400" },
	{ "absolute: no host", S("GET http:///c HTTP/1.1\r\n" HOST "\r\n"),
	    NEXT, "400" },
	{ "absolute: nothing else", S("GET http:// HTTP/1.1\r\n" HOST "\r\n"),
	    NEXT, "400" },
	{ "absolute: another scheme",
	    S("GET ftp://b/ HTTP/1.1\r\n" HOST "\r\n"), NEXT, "400" },
	{ "absolute: one slash", S("GET http:/b HTTP/1.1\r\n" HOST "\r\n"),
	    NEXT, "400" },
	{ "absolute: fragment", S("GET http://b/#c HTTP/1.1\r\n" HOST "\r\n"),
	    NEXT, "400" },
	{ "absolute: an escaped NUL",
	    S("GET http://b/%00 HTTP/1.1\r\n" HOST "\r\n"), NEXT, "400" },
	{ "absolute: a broken escape",
	    S("GET http://b/%2 HTTP/1.1\r\n" HOST "\r\n"), NEXT, "400" },
	{ "absolute: userinfo with a password",
	    S("GET http://u:p@b/ HTTP/1.1\r\n" HOST "\r\n"), NEXT, "400" },
	{ "absolute: a list of hosts",
	    S("GET http://b,c/ HTTP/1.1\r\n" HOST "\r\n"), NEXT, "400" },
	{ "authority form", S("GET b:80 HTTP/1.1\r\n" HOST "\r\n"), NEXT, "400" },
	{ "a relative path", S("GET b HTTP/1.1\r\n" HOST "\r\n"), NEXT, "400" },
	{ "a query alone", S("GET ?b HTTP/1.1\r\n" HOST "\r\n"), NEXT, "400" },
};

static const struct row field_rows[] = {
	{ "blanks around a value", S(LINE "Host:\t  a \t\r\n\r\n"), NEXT, PLAIN },
	{ "no blank", S(LINE "Host:a\r\n\r\n"), NEXT, PLAIN },
	{ "an empty value", S(LINE HOST "X:\r\nY: \t \r\n\r\n"), NEXT, PLAIN },
	{ "HTAB and bytes over 0x7f in a value",
	    S(LINE HOST "X: \x80\t\xff \r\n\r\n"), NEXT, PLAIN },
	{ "all of a token as a name",
	    S(LINE HOST "!#$%&'*+-.^_`|~09azAZ: b\r\n\r\n"), NEXT, PLAIN },
	{ "names have no case", S(LINE "hOST: a\r\n\r\n"), NEXT, PLAIN },
	{ "LF without CR", S(LINE "Host: a\n"), S("\r\n"), "400" },
	{ "CR without LF", S(LINE "Host: a\rb"), S("\r\n\r\n"), "400" },
	{ "CR CR LF", S(LINE "Host: a\r\r"), S("\n\r\n"), "400" },
	{ "NUL in a value", S(LINE "Host: a\0"), S("\r\n\r\n"), "400" },
	{ "a control byte in a value", S(LINE HOST "X: \x01"), S("\r\n\r\n"),
	    "400" },
	{ "VT between the blanks", S(LINE HOST "X: \x0b"), S("a\r\n\r\n"), "400" },
	{ "the last control byte", S(LINE HOST "X: a\x1f"), S("\r\n\r\n"),
	    "400" },
	{ "DEL in a value", S(LINE HOST "X: a\x7f"), S("\r\n\r\n"), "400" },
	{ "no colon", S(LINE HOST "X\r"), S("\n\r\n"), "400" },
	{ "a blank before the colon", S(LINE "Host "), S(": a\r\n\r\n"), "400" },
	{ "HTAB before the colon", S(LINE "Host\t"), S(": a\r\n\r\n"), "400" },
	{ "a blank in a name", S(LINE HOST "X "), S("Y: a\r\n\r\n"), "400" },
	{ "NUL in a name", S(LINE HOST "X\0"), S("Y: a\r\n\r\n"), "400" },
	{ "a byte over 0x7f in a name", S(LINE HOST "X\x80"), S(": a\r\n\r\n"),
	    "400" },
	{ "a separator in a name", S(LINE HOST "X("), S("): a\r\n\r\n"), "400" },
	{ "an empty name", S(LINE HOST ":"), S(" x\r\n\r\n"), "400" },
	{ "a continuation line", S(LINE HOST " "), S("b\r\n\r\n"), "400" },
	{ "one with HTAB that hides a length", S(LINE HOST "X: a\r\n\t"),
	    S("Content-Length: 3\r\n\r\n"), "400" },
	{ "a blank before the first field", S(LINE " "), S(HOST "\r\n"), "400" },
	{ "CRLF LF as the end", S(LINE HOST "\n"), S(""), "400" },
	{ "CRLF CR as the end", S(LINE HOST "\rX"), S(""), "400" },
	{ "CRLF CR CR LF as the end", S(LINE HOST "\r\r"), S("\n"), "400" },
};

static const struct row host_rows[] = {
	{ "1.1 without one", S(LINE "X: a\r\n\r\n"), NEXT, "400" },
	{ "1.1 with two", S(LINE HOST "Host: b\r\n\r\n"), NEXT, "400" },
	{ "twice the same", S(LINE HOST HOST "\r\n"), NEXT, "400" },
	{ "1.0 with one", S("GET / HTTP/1.0\r\n" HOST "\r\n"), NEXT,
	    "GET 1.0 origin / host=a none close" },
	{ "1.0 with two", S("GET / HTTP/1.0\r\n" HOST HOST "\r\n"), NEXT, "400" },
	{ "empty", S(LINE "Host:\r\n\r\n"), NEXT, "400" },
	{ "empty in 1.0", S("GET / HTTP/1.0\r\nHost: \r\n\r\n"), NEXT, "400" },
	{ "empty, then another", S(LINE "Host:\r\nHost: a\r\n\r\n"), NEXT,
	    "400" },
	{ "with a port", S(LINE "Host: www.example.com:8080\r\n\r\n"), NEXT,
	    "GET 1.1 origin / host=www.example.com:8080 none keep" },
	{ "the highest port", S(LINE "Host: a:65535\r\n\r\n"), NEXT,
	    "GET 1.1 origin / host=a:65535 none keep" },
	{ "over it", S(LINE "Host: a:65536\r\n\r\n"), NEXT, "400" },
	{ "far over it", S(LINE "Host: a:4294967376\r\n\r\n"), NEXT, "400" },
	{ "an empty port", S(LINE "Host: a:\r\n\r\n"), NEXT,
	    "GET 1.1 origin / host=a: none keep" },
	{ "a port alone", S(LINE "Host: :80\r\n\r\n"), NEXT, "400" },
	{ "a port of letters", S(LINE "Host: a:b\r\n\r\n"), NEXT, "400" },
	{ "two ports", S(LINE "Host: a:1:2\r\n\r\n"), NEXT, "400" },
	{ "an address", S(LINE "Host: [::1]:80\r\n\r\n"), NEXT,
	    "GET 1.1 origin / host=[::1]:80 none keep" },
	{ "without a port", S(LINE "Host: [2001:DB8::1.2.3.4]\r\n\r\n"), NEXT,
	    "GET 1.1 origin / host=[2001:DB8::1.2.3.4] none keep" },
	{ "an open bracket", S(LINE "Host: [::1\r\n\r\n"), NEXT, "400" },
	{ "empty brackets", S(LINE "Host: []\r\n\r\n"), NEXT, "400" },
	{ "a name in brackets", S(LINE "Host: [xyz]\r\n\r\n"), NEXT, "400" },
	{ "more behind brackets", S(LINE "Host: [::1]a\r\n\r\n"), NEXT, "400" },
	{ "all of a name", S(LINE "Host: az-AZ_09.~!$&'()*+;=%41\r\n\r\n"), NEXT,
	    "GET 1.1 origin / host=az-AZ_09.~!$&'()*+;=%41 none keep" },
	{ "a broken escape", S(LINE "Host: a%4\r\n\r\n"), NEXT, "400" },
	{ "an escaped NUL", S(LINE "Host: a%00\r\n\r\n"), NEXT, "400" },
	{ "userinfo", S(LINE "Host: u@a\r\n\r\n"), NEXT, "400" },
	{ "a list", S(LINE "Host: a,b\r\n\r\n"), NEXT, "400" },
	{ "a blank", S(LINE "Host: a b\r\n\r\n"), NEXT, "400" },
	{ "a path", S(LINE "Host: a/b\r\n\r\n"), NEXT, "400" },
	{ "a quote", S(LINE "Host: a\"\r\n\r\n"), NEXT, "400" },
	{ "a byte over 0x7f", S(LINE "Host: \xc3\xa4\r\n\r\n"), NEXT, "400" },
};

#define POST "POST / HTTP/1.1\r\n" HOST
#define WORDS "POST 1.1 origin / host=a "
static const struct row framing_rows[] = {
	{ "a length", S(POST "Content-Length: 5\r\n\r\n"), S("hello"),
	    WORDS "5 keep" },
	{ "none at all", S(POST "content-length: 0\r\n\r\n"), NEXT,
	    WORDS "0 keep" },
	{ "leading zeros", S(POST "Content-Length: 0005\r\n\r\n"), S("hello"),
	    WORDS "5 keep" },
	{ "GET with a length", S(LINE HOST "Content-Length: 5\r\n\r\n"),
	    S("hello"), "GET 1.1 origin / host=a 5 keep" },
	{ "1.0 with a length",
	    S("POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\n"), S("hello"),
	    "POST 1.0 origin / host= 5 close" },
	{ "the longest", S(POST "Content-Length: 18446744073709551613\r\n\r\n"),
	    NEXT, WORDS "18446744073709551613 keep" },
	{ "overflow", S(POST "Content-Length: 18446744073709551614\r\n\r\n"),
	    NEXT, "400" },
	{ "overflow of 64 bits",
	    S(POST "Content-Length: 18446744073709551616\r\n\r\n"), NEXT, "400" },
	{ "overflow by a digit",
	    S(POST "Content-Length: 184467440737095516130\r\n\r\n"), NEXT,
	    "400" },
	{ "twice", S(POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"),
	    NEXT, "400" },
	{ "twice the same",
	    S(POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"), NEXT,
	    "400" },
	{ "a list", S(POST "Content-Length: 5, 5\r\n\r\n"), NEXT, "400" },
	{ "signed", S(POST "Content-Length: +5\r\n\r\n"), NEXT, "400" },
	{ "negative", S(POST "Content-Length: -5\r\n\r\n"), NEXT, "400" },
	{ "empty", S(POST "Content-Length:\r\n\r\n"), NEXT, "400" },
	{ "hex", S(POST "Content-Length: 0x5\r\n\r\n"), NEXT, "400" },
	{ "a blank inside", S(POST "Content-Length: 5 5\r\n\r\n"), NEXT, "400" },

	{ "HTAB before it", S(POST "Content-Length:\t5\r\n\r\n"), S("hello"),
	    WORDS "5 keep" },
	{ "HTAB behind it", S(POST "Content-Length: 5\t\r\n\r\n"), NEXT, "400" },
	{ "blanks behind it", S(POST "Content-Length: 5  \r\n\r\n"),
	    S("hello"), WORDS "5 keep" },

	{ "chunked", S(POST "Transfer-Encoding: chunked\r\n\r\n"), S("0\r\n"),
	    WORDS "chunked keep" },
	{ "in any case", S(POST "TRANSFER-encoding: Chunked\r\n\r\n"), S("0"),
	    WORDS "chunked keep" },
	{ "HTAB behind it", S(POST "Transfer-Encoding: chunked\t\r\n\r\n"),
	    NEXT, "400" },
	{ "in HTTP/1.0",
	    S("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), NEXT,
	    "400" },
	{ "none in HTTP/1.0", S("POST / HTTP/1.0\r\n\r\n"), S("hello"),
	    "411" },
	{ "none in HTTP/1.0, kept",
	    S("PUT / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), NEXT,
	    "411" },
	{ "none in HTTP/1.0, PATCH", S("PATCH / HTTP/1.0\r\n\r\n"), NEXT,
	    "411" },
	{ "none in HTTP/1.0, and none is meant",
	    S("DELETE / HTTP/1.0\r\n\r\n"), NEXT,
	    "DELETE 1.0 origin / host= none close" },
	{ "empty", S(POST "Transfer-Encoding:\r\n\r\n"), NEXT, "400" },
	{ "a comma before it", S(POST "Transfer-Encoding: ,chunked\r\n\r\n"),
	    NEXT, "400" },
	{ "a comma behind it", S(POST "Transfer-Encoding: chunked,\r\n\r\n"),
	    NEXT, "400" },
	{ "another coding", S(POST "Transfer-Encoding: gzip, chunked\r\n\r\n"),
	    NEXT, "501" },
	{ "an unknown one", S(POST "Transfer-Encoding: foo,chunked\r\n\r\n"),
	    NEXT, "501" },
	{ "three", S(POST "Transfer-Encoding: a, b , chunked\r\n\r\n"), NEXT,
	    "501" },
	{ "another coding and two fields", S(POST "Transfer-Encoding: gzip, "
	    "chunked\r\nTransfer-Encoding: chunked\r\n\r\n"), NEXT, "400" },
	{ "no token", S(POST "Transfer-Encoding: a b, chunked\r\n\r\n"), NEXT,
	    "400" },
	{ "another coding last",
	    S(POST "Transfer-Encoding: chunked, gzip\r\n\r\n"), NEXT, "400" },
	{ "another coding alone", S(POST "Transfer-Encoding: gzip\r\n\r\n"),
	    NEXT, "400" },
	{ "twice in a list",
	    S(POST "Transfer-Encoding: chunked, chunked\r\n\r\n"), NEXT, "400" },
	{ "twice", S(POST "Transfer-Encoding: chunked\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n"), NEXT, "400" },
	{ "xchunked", S(POST "Transfer-Encoding: xchunked\r\n\r\n"), NEXT,
	    "400" },
	{ "identity", S(POST "Transfer-Encoding: identity\r\n\r\n"), NEXT,
	    "400" },
	{ "in quotes", S(POST "Transfer-Encoding: \"chunked\"\r\n\r\n"), NEXT,
	    "400" },
	{ "with a parameter", S(POST "Transfer-Encoding: chunked;a=b\r\n\r\n"),
	    NEXT, "400" },
	{ "beside a length", S(POST "Transfer-Encoding: chunked\r\n"
	    "Content-Length: 5\r\n\r\n"), NEXT, "400" },
	{ "behind a length", S(POST "Content-Length: 5\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n"), NEXT, "400" },
	{ "behind a length of 0", S(POST "Content-Length: 0\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n"), NEXT, "400" },
};

#define KEEP "GET 1.1 origin / host=a none keep"
#define CLOSE "GET 1.1 origin / host=a none close"
#define OLD "GET / HTTP/1.0\r\n"
static const struct row connection_rows[] = {
	{ "close", S(LINE HOST "Connection: close\r\n\r\n"), NEXT, CLOSE },
	{ "in any case", S(LINE HOST "connection: CLOSE\r\n\r\n"), NEXT, CLOSE },
	{ "in a list", S(LINE HOST "Connection: x ,, close ,y\r\n\r\n"), NEXT,
	    CLOSE },
	{ "HTAB in it", S(LINE HOST "Connection: close\t,x\r\n\r\n"), NEXT,
	    "400" },
	{ "HTAB behind it", S(LINE HOST "Connection: x \t \r\n\r\n"), NEXT,
	    "400" },
	{ "HTAB before it", S(LINE HOST "Connection:\tclose\r\n\r\n"), NEXT,
	    CLOSE },
	{ "no part of a word", S(LINE HOST "Connection: closed\r\n\r\n"), NEXT,
	    KEEP },
	{ "empty", S(LINE HOST "Connection:\r\n\r\n"), NEXT, KEEP },
	{ "close wins", S(LINE HOST "Connection: close\r\n"
	    "Connection: keep-alive\r\n\r\n"), NEXT, CLOSE },
	{ "keep-alive says nothing new",
	    S(LINE HOST "Connection: keep-alive\r\n\r\n"), NEXT, KEEP },
	{ "1.0: keep-alive", S(OLD "Connection: Keep-Alive\r\n\r\n"), NEXT,
	    "GET 1.0 origin / host= none keep" },
	{ "1.0: close wins", S(OLD "Connection: keep-alive, close\r\n\r\n"),
	    NEXT, "GET 1.0 origin / host= none close" },

	{ "expect", S(POST "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"),
	    S("hello"), WORDS "5 keep expect" },
	{ "in any case",
	    S(POST "Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n\r\n"),
	    S("0\r\n\r\n"), WORDS "chunked keep expect" },
	{ "without a body", S(POST "Expect: 100-continue\r\n\r\n"), NEXT,
	    WORDS "none keep" },
	{ "with an empty one",
	    S(POST "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n"), NEXT,
	    WORDS "0 keep" },
	{ "in 1.0 it says nothing",
	    S("POST / HTTP/1.0\r\nContent-Length: 5\r\n"
	    "Expect: 100-continue\r\n\r\n"), S("hello"),
	    "POST 1.0 origin / host= 5 close" },
	{ "another expectation", S(POST "Expect: 200-ok\r\n\r\n"), NEXT, "417" },
	{ "one more", S(POST "Expect: 100-continue, x\r\n\r\n"), NEXT, "417" },
	{ "an empty one", S(POST "Expect:\r\n\r\n"), NEXT, "417" },
	{ "a breach of framing comes first",
	    S(POST "Expect: x\r\nContent-Length: x\r\n\r\n"), NEXT, "400" },

	{ "upgrade", S(LINE HOST "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"),
	    NEXT, KEEP " upgrade" },
	{ "in a list",
	    S(LINE HOST "Upgrade: x\r\nConnection: keep-alive, upgrade\r\n\r\n"),
	    NEXT, KEEP " upgrade" },
	{ "without Upgrade", S(LINE HOST "Connection: upgrade\r\n\r\n"), NEXT,
	    KEEP },
	{ "with an empty one",
	    S(LINE HOST "Connection: upgrade\r\nUpgrade:\r\n\r\n"), NEXT, KEEP },
	{ "without Connection", S(LINE HOST "Upgrade: x\r\n\r\n"), NEXT, KEEP },
	{ "in 1.0", S(OLD "Connection: upgrade\r\nUpgrade: x\r\n\r\n"), NEXT,
	    "GET 1.0 origin / host= none close" },
};

static const struct row limit_rows[] = {
	{ "a head as long as the limit", S(LINE HOST "\r\n"), NEXT, PLAIN,
	    { 27, 64, FIELDS } },
	{ "a byte longer: when the limit is full", S(LINE HOST "\r"), S("\n"),
	    "431", { 26, 64, FIELDS } },
	{ "in a value", S(LINE "Host: aaa"), S("a\r\n\r\n"), "431",
	    { 25, 64, FIELDS } },
	{ "in a name", S(LINE "Hos"), S("t: a\r\n\r\n"), "431",
	    { 19, 64, FIELDS } },
	{ "in a method", S("AAAA"), S("AAAA / HTTP/1.1\r\n\r\n"), "431",
	    { 4, 64, FIELDS } },
	{ "in a version", S("GET / HTT"), S("P/1.1\r\n\r\n"), "431",
	    { 9, 64, FIELDS } },
	{ "the last byte may still be wrong", S(LINE HOST "\n"), S("\n"),
	    "400", { 26, 64, FIELDS } },
	{ "a target as long as the limit",
	    S("GET /234 HTTP/1.1\r\n" HOST "\r\n"), NEXT,
	    "GET 1.1 origin /234 host=a none keep", { 512, 4, FIELDS } },
	{ "a byte longer", S("GET /2345"), S(" HTTP/1.1\r\n" HOST "\r\n"), "414",
	    { 512, 4, FIELDS } },
	{ "another byte there", S("GET /234\x80"), S(" HTTP/1.1\r\n\r\n"), "400",
	    { 512, 4, FIELDS } },
	{ "without an end", S("GET /2345"), S("6789012345678901234567890"),
	    "414", { 512, 4, FIELDS } },
	{ "the head counts where it is shorter", S("GET /2345"), S("6789"),
	    "431", { 9, 64, FIELDS } },
	{ "as many fields as the limit", S(LINE HOST "X: 1\r\nX: 2\r\n\r\n"),
	    NEXT, PLAIN, { 512, 64, 3 } },
	{ "one more", S(LINE HOST "X: 1\r\nX: 2\r\nX"), S(": 3\r\n\r\n"), "431",
	    { 512, 64, 3 } },
	{ "a bad line there", S(LINE HOST "X: 1\r\nX: 2\r\n "), S("3\r\n\r\n"),
	    "400", { 512, 64, 3 } },
};

static const struct row trailer_rows[] = {
	{ "none", S("\r\n"), NEXT, "0" },
	{ "two", S("X: 1\r\nY:\r\n\r\n"), NEXT, "2" },
	{ "Connection says nothing here", S("Connection: close\r\n\r\n"), NEXT,
	    "1" },
	{ "Content-Length", S("Content-Length: 5\r\n"), S("\r\n"), "400" },
	{ "Transfer-Encoding", S("transfer-encoding: chunked\r\n"), S("\r\n"),
	    "400" },
	{ "Host", S("X: 1\r\nHost: a\r\n"), S("\r\n"), "400" },
	{ "LF as the end", S("\n"), S(""), "400" },
	{ "CRLF LF as the end", S("X: 1\r\n\n"), S(""), "400" },
	{ "LF without CR", S("X: 1\n"), S("\r\n"), "400" },
	{ "CR without LF", S("X: 1\rY"), S(": 2\r\n\r\n"), "400" },
	{ "CR and more as the end", S("\rX"), S("\r\n"), "400" },
	{ "a continuation line", S("X: 1\r\n\t"), S("2\r\n\r\n"), "400" },
	{ "one with a blank, which hides a length", S("X: 1\r\n "),
	    S("Content-Length: 5\r\n\r\n"), "400" },
	{ "a blank first", S(" "), S("X: 1\r\n\r\n"), "400" },
	{ "a control byte", S("X: a\x01"), S("\r\n\r\n"), "400" },
	{ "an empty name", S(":"), S(" x\r\n\r\n"), "400" },
	{ "no colon", S("X\r"), S("\n\r\n"), "400" },
	{ "a blank before the colon", S("X "), S(": 1\r\n\r\n"), "400" },
	{ "NUL", S("X: \0"), S("\r\n\r\n"), "400" },
	{ "DEL", S("X: \x7f"), S("\r\n\r\n"), "400" },
	{ "a byte over 0x7f in a name", S("X\x80"), S(": 1\r\n\r\n"), "400" },
	{ "as long as the limit", S("X: 1\r\n\r\n"), NEXT, "1", { 8, 64, 8 } },
	{ "a byte longer", S("X: 12\r\n\r"), S("\n"), "431", { 8, 64, 8 } },
	{ "as many as the limit", S("X: 1\r\n\r\n"), NEXT, "1", { 512, 64, 1 } },
	{ "one more", S("X: 1\r\nX"), S(": 2\r\n\r\n"), "431", { 512, 64, 1 } },
};

/* check-source: a function */ typedef enum head_result
parse_function(struct head *, const char *, size_t);
typedef void describe_function(const struct head *, const char *,
    enum head_result, char *, size_t);

static void
describe_head(const struct head *head, const char *buf,
    enum head_result result, char *out, size_t size)
{
	static const char *const forms[] = { "origin", "absolute", "asterisk" };
	char length[32];

	if (result == HEAD_MORE) {
		snprintf(out, size, "more");
		return;
	}
	if (result == HEAD_REFUSED) {
		snprintf(out, size, "%u%s", head->status,
		    head->reason == NULL ? ", no reason" : "");
		return;
	}
	snprintf(length, sizeof(length), "%llu",
	    (unsigned long long)head->content_length);
	snprintf(out, size, "%s 1.%u %s %.*s host=%.*s %s %s%s%s%s",
	    method_name(head->method_id), head->minor, forms[head->form],
	    (int)head->target.len, buf + head->target.at,
	    (int)head->host.len, buf + head->host.at,
	    head->content_length == HEAD_NO_BODY ? "none" :
	    head->content_length == HEAD_CHUNKED ? "chunked" : length,
	    head->flags & HEAD_KEEP_ALIVE ? "keep" : "close",
	    head->flags & HEAD_EXPECT_CONTINUE ? " expect" : "",
	    head->flags & HEAD_UPGRADE ? " upgrade" : "",
	    head->flags & HEAD_HTTPS ? " https" : "");
}

static void
describe_trailers(const struct head *head, const char *buf,
    enum head_result result, char *out, size_t size)
{
	if (result == HEAD_DONE)
		snprintf(out, size, "%u", head->field_count);
	else
		describe_head(head, buf, result, out, size);
}

/* What a row is run with, and where it stands. */
struct run {
	const struct row *row;
	parse_function *parse;
	describe_function *describe;
	char *page;
	char all[1024];
	size_t len;
	struct head head;
	struct head_field fields[FIELDS];
};

static void
run_begin(struct run *run)
{
	head_init(&run->head, run->row->limits.head_size != 0 ?
	    &run->row->limits : &standard, run->fields);
}

/* The first len bytes, at the end of a page. */
static enum head_result
run_parse(struct run *run, size_t len)
{
	return run->parse(&run->head,
	    page_end_copy(run->page, run->all, len), len);
}

static void
run_expect(struct run *run, enum head_result result, const char *how,
    size_t cut)
{
	size_t offset = run->row->in.len - (result == HEAD_REFUSED);
	char got[512];

	run->describe(&run->head, run->all, result, got, sizeof(got));
	if (strcmp(got, run->row->expect) != 0)
		fail_msg("%s, %s %zu: %s (%s)", run->row->spec, how, cut, got,
		    run->head.reason != NULL ? run->head.reason : "-");
	if (run->head.offset != offset)
		fail_msg("%s, %s %zu: offset %u for %zu", run->row->spec, how,
		    cut, run->head.offset, offset);
}

static void
run_row(struct run *run)
{
	enum head_result result = HEAD_MORE;
	const struct row *row = run->row;

	run->len = row->in.len + row->rest.len;
	memcpy(run->all, row->in.at, row->in.len);
	memcpy(run->all + row->in.len, row->rest.at, row->rest.len);

	for (size_t cut = 0; cut <= run->len; cut++) {
		run_begin(run);
		run_parse(run, cut);
		result = run_parse(run, run->len);
		run_expect(run, result, "cut at", cut);
	}
	run_begin(run);
	for (size_t len = 0; len < row->in.len; len++) {
		result = run_parse(run, len);
		if (result != HEAD_MORE)
			fail_msg("%s: a verdict after %zu bytes: %u", row->spec,
			    len, run->head.status);
	}
	result = run_parse(run, row->in.len);
	run_expect(run, result, "byte by byte", row->in.len);
	result = run_parse(run, run->len);
	run_expect(run, result, "asked again", run->len);
}

static void
run_rows(const struct row *rows, size_t count, parse_function *parse,
    describe_function *describe)
{
	struct run run = { .parse = parse, .describe = describe };

	run.page = page_end_open();
	for (size_t i = 0; i < count; i++) {
		run.row = &rows[i];
		run_row(&run);
	}
	page_end_close(run.page);
}
#define RUN(rows, parse, describe) \
	run_rows(rows, sizeof(rows) / sizeof((rows)[0]), parse, describe)

static void
request_line(void **state)
{
	(void)state;
	RUN(line_rows, head_parse, describe_head);
}

static void
target(void **state)
{
	(void)state;
	RUN(target_rows, head_parse, describe_head);
}

static void
fields(void **state)
{
	(void)state;
	RUN(field_rows, head_parse, describe_head);
}

static void
host(void **state)
{
	(void)state;
	RUN(host_rows, head_parse, describe_head);
}

static void
framing(void **state)
{
	(void)state;
	RUN(framing_rows, head_parse, describe_head);
}

static void
connection(void **state)
{
	(void)state;
	RUN(connection_rows, head_parse, describe_head);
}

static void
limits(void **state)
{
	(void)state;
	RUN(limit_rows, head_parse, describe_head);
}

static void
trailers(void **state)
{
	(void)state;
	RUN(trailer_rows, head_parse_trailers, describe_trailers);
}

static const char token[] = "!#$%&'*+-.^_`|~0123456789"
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

static uint16_t
method_byte(int c)
{
	return c != 0 && strchr(token, c) != NULL ? 501 : 400;
}

static uint16_t
target_byte(int c)
{
	return c > ' ' && c < 0x7f && c != '#' && c != '%' ? 0 : 400;
}

static uint16_t
name_byte(int c)
{
	return c == ':' || (c != 0 && strchr(token, c) != NULL) ? 0 : 400;
}

static uint16_t
value_byte(int c)
{
	return c == '\t' || (c >= ' ' && c != 0x7f) ? 0 : 400;
}

/* Every byte in every place: the status, typed from RFC 9110 and 9112. */
static void
every_byte_in_its_place(void **state)
{
	static const struct {
		const char *before, *after;
		uint16_t (*status)(int c);
	} places[] = {
		{ "M", "M / HTTP/1.1\r\n" HOST "\r\n", method_byte },
		{ "GET /a", "b HTTP/1.1\r\n" HOST "\r\n", target_byte },
		{ LINE HOST "N", "N: v\r\n\r\n", name_byte },
		{ LINE HOST "N: v", "v\r\n\r\n", value_byte },
		{ LINE HOST "N:", "v\r\n\r\n", value_byte },
		{ LINE HOST "N: v", "sixteen and more\r\n\r\n", value_byte },
	};
	struct head_field rows[FIELDS];
	struct head head;
	char in[128];

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
	for (int c = 0; c < 256; c++) {
		size_t before = strlen(places[i].before);
		size_t after = strlen(places[i].after);

		memcpy(in, places[i].before, before);
		in[before] = (char)c;
		memcpy(in + before + 1, places[i].after, after);
		head_init(&head, &standard, rows);
		head_parse(&head, in, before + 1 + after);
		if (head.status != places[i].status(c))
			fail_msg("byte %02x behind \"%s\": %u", (unsigned)c,
			    places[i].before, head.status);
	}
}

/* Long runs and a bad byte at every distance: what a wide scan could miss. */
static void
every_byte_of_a_long_run(void **state)
{
	static const struct {
		const char *before, *after;
		char good, bad;
		uint16_t status;
	} runs[] = {
		{ "", " / HTTP/1.1\r\n", 'M', '\x01', 400 },
		{ "GET /", " HTTP/1.1\r\n", 'p', '\x80', 400 },
		{ LINE HOST, ": v\r\n\r\n", 'n', '\x7f', 400 },
		{ LINE HOST "X: ", "\r\n\r\n", '\xff', '\n', 400 },
		{ LINE HOST "X: ", "\r\n\r\n", '\t', '\0', 400 },
	};
	const struct head_limits wide = { 4096, 4096, FIELDS };
	struct head_field rows[FIELDS];
	char *page = page_end_open(), in[512];
	struct head head;

	(void)state;
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++)
	for (size_t at = 1; at < 140; at++) {
		size_t before = strlen(runs[i].before);
		size_t len = before + 140;

		memcpy(in, runs[i].before, before);
		memset(in + before, runs[i].good, 140);
		in[before + at] = runs[i].bad;
		for (size_t more = 0; more < 2; more++) {
			/* the bad byte is the last one, or one in the middle */
			size_t end = more ? len : before + at + 1;

			head_init(&head, &wide, rows);
			assert_int_equal(head_parse(&head,
			    page_end_copy(page, in, end), end), HEAD_REFUSED);
			assert_int_equal(head.status, runs[i].status);
			assert_int_equal(head.offset, before + at);
		}
		head_init(&head, &wide, rows);
		assert_int_equal(head_parse(&head,
		    page_end_copy(page, in, before + at), before + at),
		    HEAD_MORE);
		assert_int_equal(head.offset, before + at);
	}
	page_end_close(page);
}

static const char browser[] =
    "GET /a/b%20c?d=e HTTP/1.1\r\n"
    "Host: www.example.com:8080\r\n"
    "X-Empty:\r\n"
    "X-Blanks: \t a  b \t \r\n"
    "Accept: one\r\n"
    "accept: two\r\n"
    "\r\n";

static void
assert_slice(struct slice slice, const char *expect)
{
	char got[64];

	snprintf(got, sizeof(got), "%.*s", (int)slice.len, browser + slice.at);
	assert_string_equal(got, expect);
}

static void
slices_name_the_parts(void **state)
{
	static const char *const expect[][2] = {
		{ "Host", "www.example.com:8080" }, { "X-Empty", "" },
		{ "X-Blanks", "a  b" }, { "Accept", "one" }, { "accept", "two" },
	};
	struct head_field rows[FIELDS];
	struct head head;

	(void)state;
	head_init(&head, &standard, rows);
	assert_int_equal(head_parse(&head, browser, sizeof(browser) - 1),
	    HEAD_DONE);
	assert_slice(head.method, "GET");
	assert_slice(head.target, "/a/b%20c?d=e");
	assert_slice(head.host, "www.example.com:8080");
	assert_int_equal(head.field_count, 5);
	for (size_t i = 0; i < 5; i++) {
		assert_slice(rows[i].name, expect[i][0]);
		assert_slice(rows[i].value, expect[i][1]);
	}
	assert_slice(head_find(&head, browser, "ACCEPT")->value, "one");
	assert_slice(head_find(&head, browser, "x-empty")->value, "");
	assert_null(head_find(&head, browser, "Accep"));
	assert_null(head_find(&head, browser, "Cookie"));
}

static void
path_of_each_form(void **state)
{
	static const struct { const char *target, *path; } rows[] = {
		{ "/a?b", "/a?b" }, { "*", "*" },
		{ "http://h:1/a?b", "/a?b" }, { "https://h", "" },
		{ "http://h?b", "?b" }, { "http://h/", "/" },
	};
	struct head_field fields_of[FIELDS];
	struct head head;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char in[128], got[64];
		struct slice path;

		snprintf(in, sizeof(in), "OPTIONS %s HTTP/1.1\r\n" HOST "\r\n",
		    rows[i].target);
		head_init(&head, &standard, fields_of);
		assert_int_equal(head_parse(&head, in, strlen(in)), HEAD_DONE);
		path = head_path(&head);
		snprintf(got, sizeof(got), "%.*s", (int)path.len, in + path.at);
		assert_string_equal(got, rows[i].path);
	}
}

static void
body_limit(void **state)
{
	static const struct {
		const char *spec, *field;
		uint64_t max;
		enum head_result expect;
	} rows[] = {
		{ "at the limit", "Content-Length: 10", 10, HEAD_DONE },
		{ "over it", "Content-Length: 11", 10, HEAD_REFUSED },
		{ "no limit", "Content-Length: 18446744073709551613",
		    UINT64_MAX, HEAD_DONE },
		{ "no body allowed, none there", "X: y", 0, HEAD_DONE },
		{ "an empty one", "Content-Length: 0", 0, HEAD_DONE },
		{ "chunks are counted as they come",
		    "Transfer-Encoding: chunked", 0, HEAD_DONE },
	};
	struct head_field fields_of[FIELDS];
	struct head head;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char in[128];

		snprintf(in, sizeof(in), LINE HOST "%s\r\n\r\n", rows[i].field);
		head_init(&head, &standard, fields_of);
		assert_int_equal(head_parse(&head, in, strlen(in)), HEAD_DONE);
		if (head_limit_body(&head, rows[i].max) != rows[i].expect)
			fail_msg("%s", rows[i].spec);
		assert_int_equal(head.status,
		    rows[i].expect == HEAD_REFUSED ? 413 : 0);
	}
}

static void
methods_by_id(void **state)
{
	(void)state;
	assert_string_equal(method_name(METHOD_NONE), "-");
	assert_string_equal(method_name(METHOD_OPTIONS), "OPTIONS");
	assert_string_equal(method_name(METHOD__COUNT), "-");
	assert_int_equal(method_find("-", 1), METHOD_NONE);
	assert_int_equal(method_find("", 0), METHOD_NONE);
	for (unsigned int id = 1; id < METHOD__COUNT; id++)
		assert_int_equal(method_find(method_name(id),
		    strlen(method_name(id))), id);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_line),
		cmocka_unit_test(target),
		cmocka_unit_test(fields),
		cmocka_unit_test(host),
		cmocka_unit_test(framing),
		cmocka_unit_test(connection),
		cmocka_unit_test(limits),
		cmocka_unit_test(trailers),
		cmocka_unit_test(every_byte_in_its_place),
		cmocka_unit_test(every_byte_of_a_long_run),
		cmocka_unit_test(slices_name_the_parts),
		cmocka_unit_test(path_of_each_form),
		cmocka_unit_test(body_limit),
		cmocka_unit_test(methods_by_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
