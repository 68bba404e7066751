/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kernel has not looked at a program's version since 5.0; nothing here compares versions. */
#define LINUX_VERSION_CODE 0
#define KERNEL_VERSION(major, minor, patch) (((major) << 16) + ((minor) << 8) + (patch))
