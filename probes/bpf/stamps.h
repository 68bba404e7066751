/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The stamp: 64 bits made of what translators keep. Masquerading, DNAT, CLAT and NAT64 change
 * addresses, ports, the family, the ICMP type and identifier; they keep
 *   TCP         the initial sequence number; a reset that answers a SYN acknowledges it plus one,
 *   UDP         the length and the payload (of a super-packet: of its first segment),
 *   ICMP echo   which way it goes, the sequence number, the length and the payload.
 * Only the first STAMPED_OCTETS of a payload are read. What stays on its link gets no stamp.
 */
#ifndef SIXSCOPE_STAMPS_H
#define SIXSCOPE_STAMPS_H

#define STAMPED_OCTETS 32

#define KIND_NONE 0
#define KIND_TCP_SYN 1
#define KIND_TCP_SYN_ACK 2
#define KIND_TCP_RST 3
#define KIND_UDP 4
#define KIND_ECHO_REQUEST 5
#define KIND_ECHO_REPLY 6

#define KIND_TOO_BIG 7
#define KIND_DISCOVERY 8
#define KIND_DHCP 9
#define KIND_DNS 10
#define KIND_UNREACHABLE 11

#define ROUTER_SOLICITATION 133 /* RFC 4861 section 4; the four are in a row */
#define ROUTER_ADVERTISEMENT 134
#define NEIGHBOUR_SOLICITATION 135
#define NEIGHBOUR_ADVERTISEMENT 136

#define DHCP_CLIENT 546 /* RFC 8415 section 7.2 */
#define DHCP_SERVER 547
#define DHCP_OCTETS 256 /* of a message that are kept; a power of two */

#define DNS_PORT 53    /* RFC 1035 section 4.2 */
#define DNS_OCTETS 512 /* of a message that are kept; a power of two */

#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

struct stamped {
  struct flow_key key;
  u16 kind;
  u16 length; /* from the IP header on; of a super-packet: of its first segment */
  u64 stamp;
  u64 time_ns;
};

/*
 * A router's word that a packet was too big, or not delivered (then `mtu` is the message's code);
 * begins like `struct stamped`. Of `refused` the interface is 0: it is the packet that the message
 * quotes, as far as it does.
 */
struct too_big {
  struct flow_key key;
  u16 kind;
  u16 unused;
  u32 mtu;
  u64 time_ns;
  struct flow_key refused;
  u32 unused_too;
};

/* A message of neighbour discovery; begins like `struct stamped`. */
struct discovery {
  struct flow_key key;
  u16 kind;
  u16 type;
  u64 time_ns;
  u8 target[16]; /* of neighbour messages */
  u32 lifetime;  /* of router advertisements, in seconds */
  u32 unused;
};

/* The beginning of a message that is kept as it is; begins itself like `struct stamped`. */
struct message {
  struct flow_key key;
  u16 kind;
  u16 length; /* octets of the message */
  u16 kept;   /* those of them that are in `octets` */
  u16 unused;
  u32 unused_too;
  u64 time_ns;
  u8 octets[];
};

/* A DHCPv6 message between client and server; a `struct message`. */
struct dhcp {
  struct flow_key key;
  u16 kind;
  u16 length;
  u16 kept;
  u16 unused;
  u32 unused_too;
  u64 time_ns;
  u8 message[DHCP_OCTETS];
};

/* A DNS message over UDP, question or answer; a `struct message`. */
struct dns {
  struct flow_key key;
  u16 kind;
  u16 length;
  u16 kept;
  u16 unused;
  u32 unused_too;
  u64 time_ns;
  u8 message[DNS_OCTETS];
};

/*
 * One round of a multiply-xorshift mixer; the constant is the golden ratio's (Knuth, TAOCP 6.4).
 * A stamp begins with its kind and takes one round per word.
 */
static __always_inline u64 mix(u64 hash, u64 word) {
  hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
  return hash ^ (hash >> 32);
}

static __always_inline u32 tcp_kind(struct packet *packet) {
  if (packet->readable < 16)
    return KIND_NONE;
  u8 flags = packet->upper.octets[13];
  if (flags & TCP_RST)
    return KIND_TCP_RST;
  if (!(flags & TCP_SYN))
    return KIND_NONE;
  return flags & TCP_ACK ? KIND_TCP_SYN_ACK : KIND_TCP_SYN;
}

/*
 * Link-local and multicast packets meet no translator (RFC 4291 section 2.5.6, 2.7; RFC 3927). A
 * link-local IPv4 source may: pods behind a CLAT of their node have one, and it is masqueraded.
 */
static __always_inline bool stays_on_link(struct flow_key *key) {
  if (key->family == FAMILY_IPV4)
    return key->destination[12] >> 4 == 14 ||
           (key->destination[12] == 169 && key->destination[13] == 254);
  return key->destination[0] == 0xff || (key->source[0] == 0xfe && key->source[1] >> 6 == 2) ||
         (key->destination[0] == 0xfe && key->destination[1] >> 6 == 2);
}

/* What kind of stamp this packet carries; KIND_NONE for most. */
static __always_inline u32 stamp_kind(struct packet *packet, struct flow_key *key) {
  if (key->protocol == PROTOCOL_TCP)
    return tcp_kind(packet);
  if (key->protocol == PROTOCOL_UDP)
    return packet->readable >= 8 ? KIND_UDP : KIND_NONE;
  if (packet->echo == ECHO_REQUEST)
    return KIND_ECHO_REQUEST;
  return packet->echo == ECHO_REPLY ? KIND_ECHO_REPLY : KIND_NONE;
}

static __always_inline u64 tcp_stamp(struct packet *packet, u32 kind) {
  u32 number = be32(packet->upper.words[1]);
  if (kind == KIND_TCP_RST && packet->upper.octets[13] & TCP_ACK)
    number = be32(packet->upper.words[2]) - 1; /* RFC 9293 section 3.10.7.1 */
  return mix(KIND_TCP_SYN, number);            /* one kind of stamp for all three */
}

/* Return the stamp of a datagram or an echo; 0 when its payload cannot be read as far as needed. */
static __always_inline u64 payload_stamp(struct __sk_buff *skb, struct packet *packet, u32 kind) {
  u64 copy[STAMPED_OCTETS / 8] = {}, *payload = copy;
  u32 start = packet->transport + 8, end = packet->end, sequence = 0;
  u32 length = end > start ? end - start : 0;
  if (kind == KIND_UDP) {
    u32 total = be16(packet->upper.halves[2]);
    length = total > 8 ? total - 8 : 0;
    if (skb->gso_size && length > skb->gso_size)
      length = skb->gso_size;
  } else {
    sequence = packet->upper.halves[3];
    if (packet->fragment) /* the whole length stands in no fragment */
      length = 0xffff;
  }
  u32 wanted = length < STAMPED_OCTETS ? length : STAMPED_OCTETS;
  if (start + wanted > end)
    return 0; /* a first fragment too short, or a header that lies: no stamp */
  if (wanted >= STAMPED_OCTETS) {
    payload = octets(skb, start, copy, STAMPED_OCTETS);
    if (!payload)
      return 0;
  } else if (wanted) {
    /* Linux 6.1's verifier wants to see a length that cannot be 0; clang drops plain bounds. */
    wanted -= 1;
    asm volatile("" : "+r"(wanted));
    wanted &= STAMPED_OCTETS - 1;
    wanted += 1;
    if (bpf_skb_load_bytes(skb, start, copy, wanted))
      return 0;
  }
  u64 stamp = mix(mix(kind, length), sequence);
  stamp = mix(stamp, payload[0]);
  stamp = mix(stamp, payload[1]);
  stamp = mix(stamp, payload[2]);
  return mix(stamp, payload[3]);
}

/* ICMPv6 Packet Too Big (RFC 4443 section 3.2), ICMPv4 fragmentation needed (RFC 1191 section 4).
 */
static __always_inline bool is_too_big(struct packet *packet, struct flow_key *key) {
  if (packet->readable < 8 || packet->later)
    return false;
  if (key->protocol == PROTOCOL_ICMPV6)
    return packet->upper.octets[0] == 2;
  return key->protocol == PROTOCOL_ICMP && packet->upper.octets[0] == 3 &&
         packet->upper.octets[1] == 4;
}

/* ICMPv6 destination unreachable (RFC 4443 section 3.1), ICMPv4 (RFC 792) but for its code 4. */
static __always_inline bool is_unreachable(struct packet *packet, struct flow_key *key) {
  if (packet->readable < 8 || packet->later)
    return false;
  if (key->protocol == PROTOCOL_ICMPV6)
    return packet->upper.octets[0] == 1;
  return key->protocol == PROTOCOL_ICMP && packet->upper.octets[0] == 3 &&
         packet->upper.octets[1] != 4;
}

/* Fill in the next hop's MTU and the quoted packet; false where nothing readable is quoted. */
static __always_inline bool read_too_big(struct __sk_buff *skb, struct packet *packet,
                                         struct too_big *event) {
  struct packet quoted = {};
  bool six = event->key.family == FAMILY_IPV6;
  if (event->kind == KIND_UNREACHABLE)
    event->mtu = packet->upper.octets[1];
  else
    event->mtu = six ? be32(packet->upper.words[1]) : be16(packet->upper.halves[3]);
  return parse(skb, packet->transport + 8, six ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4, &quoted,
               &event->refused) == PARSED;
}

static __always_inline bool is_discovery(struct packet *packet, struct flow_key *key) {
  return key->family == FAMILY_IPV6 && key->protocol == PROTOCOL_ICMPV6 && packet->readable >= 8 &&
         !packet->later && packet->upper.octets[0] >= ROUTER_SOLICITATION &&
         packet->upper.octets[0] <= NEIGHBOUR_ADVERTISEMENT;
}

/* Fill in what the message is about; false where it is cut off before its target. */
static __always_inline bool read_discovery(struct __sk_buff *skb, struct packet *packet,
                                           struct discovery *event) {
  event->type = packet->upper.octets[0];
  if (event->type == ROUTER_ADVERTISEMENT)
    event->lifetime = be16(packet->upper.halves[3]);
  if (event->type < NEIGHBOUR_SOLICITATION)
    return true;
  return !bpf_skb_load_bytes(skb, packet->transport + 8, event->target, 16);
}

/* To a server or a relay, or to a client; who sends may do so from any port. */
static __always_inline bool is_dhcp(struct packet *packet, struct flow_key *key) {
  return key->family == FAMILY_IPV6 && key->protocol == PROTOCOL_UDP && packet->readable >= 8 &&
         !packet->later &&
         (key->destination_port == DHCP_CLIENT || key->destination_port == DHCP_SERVER);
}

static __always_inline bool is_dns(struct flow_key *key) {
  return key->source_port == DNS_PORT || key->destination_port == DNS_PORT;
}

/*
 * Fill in the message that a datagram carries, as far as there is `room` for it (a power of two of
 * octets); false where there is none.
 */
static __always_inline bool read_message(struct __sk_buff *skb, struct packet *packet,
                                         struct message *event, u32 room) {
  u32 start = packet->transport + 8, total = be16(packet->upper.halves[2]);
  u32 there = packet->end > start ? packet->end - start : 0;
  event->length = total > 8 ? total - 8 : 0;
  u32 wanted = event->length < there ? event->length : there;
  if (!wanted)
    return false;
  if (wanted > room)
    wanted = room;
  event->kept = wanted;
  wanted -= 1; /* see payload_stamp */
  asm volatile("" : "+r"(wanted));
  wanted &= room - 1;
  wanted += 1;
  return !bpf_skb_load_bytes(skb, start, event->octets, wanted);
}

#endif
