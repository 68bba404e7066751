/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* BCC includes this file first and looks for it to recognise a kernel source directory. */
#define CONFIG_BPF_SYSCALL 1
