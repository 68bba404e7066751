/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Wanted by BCC's helpers.h, which needs nothing of it: BCC brings its own bpf.h. */
