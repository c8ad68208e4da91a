/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * scan.c: the table of byte classes: RFC 9110 5.6.2 (token), 5.5 (values),
 * RFC 3986 3.2.2 (host).
 */

#include "daemon/http/scan.h"

#define V SCAN_VALUE
#define F (SCAN_TARGET | V)		/* visible, and nothing else */
#define N (SCAN_PLAIN | F)
#define T (SCAN_TOKEN | N)
#define H (SCAN_HOST | N)
#define B (SCAN_TOKEN | SCAN_HOST | N)	/* both */
#define X (SCAN_HEX | B)
#define P (SCAN_TOKEN | F)		/* # and % */

const uint8_t scan_classes[256] = {
	0, 0, 0, 0, 0, 0, 0, 0, 0, V, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
     /* SP !  "  #  $  %  &  '  (  )  *  +  ,  -  .  / */
	V, B, N, P, B, P, B, B, H, H, B, B, N, B, B, N,
     /* 0                             :  ;  <  =  >  ? */
	X, X, X, X, X, X, X, X, X, X, N, H, N, H, N, N,
     /* @  A */
	N, X, X, X, X, X, X, B, B, B, B, B, B, B, B, B,
     /* P                                [  \  ]  ^  _ */
	B, B, B, B, B, B, B, B, B, B, B, N, N, N, T, B,
     /* `  a */
	T, X, X, X, X, X, X, B, B, B, B, B, B, B, B, B,
     /* p                                {  |  }  ~ DEL */
	B, B, B, B, B, B, B, B, B, B, B, N, T, N, B, 0,
	V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
	V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
	V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
	V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
	V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
	V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
	V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
	V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
};
