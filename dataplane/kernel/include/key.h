/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One key for both families: addresses are 128 bits wide, an IPv4 address stands in the last 32 of
 * them behind ::ffff:0:0/96 (RFC 4291 section 2.5.5.2), and `family` says which it was on the wire.
 * Ports and interface are in host byte order, addresses in network byte order. 44 octets without
 * padding: every octet is part of the hash.
 */
#ifndef SIXSCOPE_KEY_H
#define SIXSCOPE_KEY_H

#define FAMILY_IPV4 4
#define FAMILY_IPV6 6

struct flow_key {
  u8 source[16];
  u8 destination[16];
  u32 interface;
  u16 source_port;
  u16 destination_port;
  u8 protocol;
  u8 family;
  u8 egress;
  u8 unused;
};

#endif
