/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The one parser: Ethernet, VLAN (IEEE 802.1Q, up to two tags), IPv4 (RFC 791), IPv6 (RFC 8200),
 * extension headers, fragments, and the first octets of the upper layer. Octets are read where they
 * lie; what does not lie in the linear part is copied by the kernel.
 *
 * A plain TCP or UDP packet never enters the loop; the loop is bounded, not unrolled, because a
 * third of the instructions does the same work.
 */
#ifndef SIXSCOPE_PARSE_H
#define SIXSCOPE_PARSE_H

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_QINQ 0x88a8
#define ETHERNET_LENGTH 14
#define VLAN_TAGS 2
#define EXTENSION_HEADERS 8 /* more of them in one packet are not followed */
#define LINEAR 1024 /* where to look for headers in the linear part; the verifier wants a bound */

#define PROTOCOL_HOP_BY_HOP 0
#define PROTOCOL_ICMP 1
#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define PROTOCOL_DCCP 33
#define PROTOCOL_ROUTING 43
#define PROTOCOL_FRAGMENT 44
#define PROTOCOL_AH 51
#define PROTOCOL_ICMPV6 58
#define PROTOCOL_DESTINATION_OPTIONS 60
#define PROTOCOL_SCTP 132
#define PROTOCOL_MOBILITY 135
#define PROTOCOL_UDPLITE 136
#define PROTOCOL_HIP 139
#define PROTOCOL_SHIM6 140

#define ECHO_NONE 0
#define ECHO_REQUEST 1
#define ECHO_REPLY 2

/* How far a packet could be read. */
#define PARSED 0
#define NOT_IP 1 /* not counted as traffic: ARP, LLDP ... */
#define BROKEN 2 /* called IP, but no IP header can be made of it */

struct packet {
  u32 network; /* offset of the IP header */
  u32 end;     /* offset behind the IP packet, or behind the skb where the header leaves it open */
  u32 transport; /* offset of the upper layer header */
  u8 fragment;   /* one of several fragments: an atomic one (RFC 6946) is none */
  u8 later;      /* a fragment other than the first: there is no upper layer header */
  u8 echo;
  u8 readable; /* octets of `upper` that were there to be read: 0, 4, 8 or 16 */
  union {
    u8 octets[16];
    u16 halves[8];
    u32 words[4];
    u64 longs[2];
  } upper;
};

static __always_inline u16 be16(u16 value) { return __builtin_bswap16(value); }
static __always_inline u32 be32(u32 value) { return __builtin_bswap32(value); }

/*
 * Return where `size` octets can be read that begin at `offset` of the packet: where they lie, or
 * at `copy`; null where the packet ends before. A copy costs a call and a read right behind a write
 * of another width, in all 20 ns for a header; next to no packet needs one.
 */
static __always_inline void *octets(struct __sk_buff *skb, u32 offset, void *copy, u32 size) {
  u8 *data = (u8 *)(long)skb->data, *data_end = (u8 *)(long)skb->data_end;
  u64 at = offset;
  asm volatile("" : "+r"(at)); /* else some clang adds a copy of it, whose bound nobody knows */
  if (at <= LINEAR && data + at + size <= data_end)
    return data + at;
  return bpf_skb_load_bytes(skb, offset, copy, size) ? 0 : copy;
}

/*
 * Return the EtherType and move `offset` behind the link layer header; 0 when there is none.
 * skb->protocol is not asked: the sender on a packet socket chooses that at will.
 */
static __always_inline u16 link_layer(struct __sk_buff *skb, u32 *offset) {
  u16 copy, *there = octets(skb, ETHERNET_LENGTH - 2, &copy, 2);
  if (!there)
    return 0;
  u16 type = be16(*there);
  *offset = ETHERNET_LENGTH;
#pragma clang loop unroll(full)
  for (int tag = 0; tag < VLAN_TAGS; tag++) {
    if (type != ETHERTYPE_VLAN && type != ETHERTYPE_QINQ)
      break;
    there = octets(skb, *offset + 2, &copy, 2);
    if (!there)
      return 0;
    *offset += 4;
    type = be16(*there);
  }
  return type;
}

static __always_inline bool is_extension_header(u8 protocol) {
  switch (protocol) {
  case PROTOCOL_HOP_BY_HOP:
  case PROTOCOL_ROUTING:
  case PROTOCOL_FRAGMENT:
  case PROTOCOL_AH:
  case PROTOCOL_DESTINATION_OPTIONS:
  case PROTOCOL_MOBILITY:
  case PROTOCOL_HIP:
  case PROTOCOL_SHIM6:
    return true;
  default:
    return false;
  }
}

static __always_inline bool has_ports(u8 protocol) {
  return protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP || protocol == PROTOCOL_SCTP ||
         protocol == PROTOCOL_DCCP || protocol == PROTOCOL_UDPLITE;
}

/*
 * Follow the extension headers from `packet->transport` on and return the protocol behind them.
 * Where one is cut off, or there are too many, the answer is the header that could not be read.
 */
static __always_inline u8 behind_extension_headers(struct __sk_buff *skb, struct packet *packet,
                                                   u8 protocol) {
#pragma clang loop unroll(disable)
  for (int depth = 0; depth < EXTENSION_HEADERS; depth++) {
    struct {
      u8 next;
      u8 length;
      u16 fragment;
    } copy, *header;
    if (!is_extension_header(protocol))
      break;
    header = octets(skb, packet->transport, &copy, 4);
    if (!header)
      break;
    if (protocol == PROTOCOL_FRAGMENT) {
      u16 place = be16(header->fragment); /* RFC 8200 section 4.5: offset, 2 reserved bits, M */
      protocol = header->next;
      packet->transport += 8;
      if (place & 0xfff9)
        packet->fragment = 1;
      if (place & 0xfff8) {
        packet->later = 1;
        break;
      }
    } else if (protocol == PROTOCOL_AH) { /* RFC 4302 section 2.2: in 4-octet units, minus 2 */
      protocol = header->next;
      packet->transport += ((u32)header->length + 2) * 4;
    } else {
      protocol = header->next;
      packet->transport += ((u32)header->length + 1) * 8;
    }
  }
  return protocol;
}

static __always_inline int network_ipv6(struct __sk_buff *skb, struct packet *packet,
                                        struct flow_key *key) {
  struct {
    u8 version;
    u8 label[3];
    u16 length;
    u8 next;
    u8 hops;
    u8 addresses[32]; /* both at once: they lie side by side in the key, too */
  } __attribute__((aligned(8))) copy, *header = octets(skb, packet->network, &copy, 40);
  if (!header || header->version >> 4 != 6)
    return BROKEN;
  __builtin_memcpy(key->source, header->addresses, 32);
  packet->transport = packet->network + 40;
  if (header->length) /* 0: a jumbogram (RFC 2675), or BIG TCP inside the host */
    packet->end = packet->transport + be16(header->length);
  key->family = FAMILY_IPV6;
  key->protocol = header->next;
  if (is_extension_header(header->next))
    key->protocol = behind_extension_headers(skb, packet, header->next);
  return PARSED;
}

static __always_inline int network_ipv4(struct __sk_buff *skb, struct packet *packet,
                                        struct flow_key *key) {
  struct {
    u8 version;
    u8 service;
    u16 length;
    u16 id;
    u16 fragment;
    u8 ttl;
    u8 protocol;
    u16 checksum;
    u32 source;
    u32 destination;
  } copy, *header = octets(skb, packet->network, &copy, 20);
  if (!header || header->version >> 4 != 4)
    return BROKEN;
  u32 length = (u32)(header->version & 15) * 4;
  if (length < 20)
    return BROKEN;
  u32 *source = (u32 *)key->source, *destination = (u32 *)key->destination;
  source[0] = source[1] = destination[0] = destination[1] = 0;
  source[2] = destination[2] = be32(0xffff);
  source[3] = header->source;
  destination[3] = header->destination;
  packet->transport = packet->network + length;
  if (header->length)
    packet->end = packet->network + be16(header->length);
  u16 place = be16(header->fragment); /* RFC 791 section 3.1: 3 flags, the last of them M; offset */
  packet->fragment = (place & 0x3fff) != 0;
  packet->later = (place & 0x1fff) != 0;
  key->family = FAMILY_IPV4;
  key->protocol = header->protocol;
  return PARSED;
}

/* Read `size` octets of the upper layer, for use after the packet may no longer be looked at. */
static __always_inline bool read_upper(struct __sk_buff *skb, struct packet *packet, u32 size) {
  u64 *there = octets(skb, packet->transport, &packet->upper, size);
  if (!there)
    return false;
  if (there != packet->upper.longs)
    __builtin_memcpy(packet->upper.longs, there, size);
  packet->readable = size;
  return true;
}

static __always_inline void transport_layer(struct __sk_buff *skb, struct packet *packet,
                                            struct flow_key *key) {
  u8 protocol = key->protocol;
  if (packet->later)
    return;
  if (!has_ports(protocol) && protocol != PROTOCOL_ICMP && protocol != PROTOCOL_ICMPV6)
    return;
  if (!(protocol == PROTOCOL_TCP && read_upper(skb, packet, 16)) && !read_upper(skb, packet, 8) &&
      !read_upper(skb, packet, 4))
    return;
  if (has_ports(protocol)) {
    key->source_port = be16(packet->upper.halves[0]);
    key->destination_port = be16(packet->upper.halves[1]);
    return;
  }
  if (packet->readable < 8)
    return;
  u8 type = packet->upper.octets[0];
  bool six = protocol == PROTOCOL_ICMPV6;
  if (type == (six ? 128 : 8))
    packet->echo = ECHO_REQUEST;
  else if (type == (six ? 129 : 0))
    packet->echo = ECHO_REPLY;
  else
    return;
  key->source_port = key->destination_port = be16(packet->upper.halves[2]);
}

/*
 * Read a packet whose IP header begins at `network` (`type` names the IP version). Fills addresses,
 * ports, protocol and family of the key and everything of the packet; both must come zeroed.
 */
static __always_inline int parse(struct __sk_buff *skb, u32 network, u16 type,
                                 struct packet *packet, struct flow_key *key) {
  int result;
  packet->network = network;
  packet->end = skb->len;
  if (type == ETHERTYPE_IPV6)
    result = network_ipv6(skb, packet, key);
  else if (type == ETHERTYPE_IPV4)
    result = network_ipv4(skb, packet, key);
  else
    return NOT_IP;
  if (result == PARSED)
    transport_layer(skb, packet, key);
  return result;
}

#endif
