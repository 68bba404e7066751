/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The packet program: counts every packet in a flow table, and stamps those that carry something a
 * translator keeps. One program does both, because both need the parsed packet.
 *
 * The table is a per-CPU LRU hash: two CPUs on one flow do not share a cache line. What it loses is
 * known: the books of a tap count what passed, and every insertion.
 *
 * Every entry returns TC_ACT_UNSPEC, "next": as a TCX link that is TCX_NEXT, under clsact the
 * packet goes on to the next filter. Nothing is written to a packet.
 */
#include "key.h"
#include "parse.h"
#include "stamps.h"

#define NEXT (-1)
#define INGRESS 0
#define EGRESS 1

struct flow {
  u64 packets; /* segments: a super-packet counts as what it will become on the wire */
  u64 octets;  /* from the IP header on, with the headers that segments will repeat */
  u64 first_ns;
  u64 last_ns; /* of the coarse clock: late by up to a tick of the kernel, a third of the cost */
  u32 fragments;
  u16 tcp_flags;
  u16 largest; /* octets of the longest packet, from the IP header on; of segments, not
                  super-packets */
};

/* One tap, one direction. */
struct books {
  u64 packets; /* segments of IP packets */
  u64 octets;
  u64 inserted; /* entries made in the flow table */
  u64 unkept;   /* packets that found no place in the flow table */
  u64 foreign;  /* frames that are not IP */
  u64 broken;   /* frames that call themselves IP, and are not */
  u64 stamped;  /* events handed over */
  u64 lost;     /* events that did not fit the ring buffer */
};

struct settings {
  u32 tap_mask;    /* books are at (interface & tap_mask) * 2 + direction */
  u32 stamping;    /* 0: count only */
  u32 always;      /* datagrams and echoes of a flow that are stamped, per CPU, before sampling */
  u32 sample_mask; /* afterwards those whose stamp has none of these bits: the same at every tap */
  u32 names;       /* DNS messages are handed over, too, and what could not be delivered */
};

/* Sizes are no part of the instructions; they are the only thing given as -D. */
BPF_F_TABLE("lru_percpu_hash", struct flow_key, struct flow, flows, FLOW_ENTRIES, 0);
BPF_F_TABLE("percpu_array", u32, struct books, books, TAP_SLOTS * 2, 0);
BPF_ARRAY(settings, struct settings, 1);
BPF_RINGBUF_OUTPUT(packets, PACKET_PAGES);
BPF_ARRAY(packets_layout, struct stamped, 1); /* only its type is read; so are the next ones' */
BPF_ARRAY(too_big_layout, struct too_big, 1);
BPF_ARRAY(discovery_layout, struct discovery, 1);
BPF_ARRAY(dhcp_layout, struct dhcp, 1);
BPF_ARRAY(dns_layout, struct dns, 1);

static __always_inline void submit(void *event, u32 size, struct books *book) {
  if (packets.ringbuf_output(event, size, 0))
    book->lost += 1;
  else
    book->stamped += 1;
}

static __always_inline void complain(struct __sk_buff *skb, struct packet *packet,
                                     struct flow_key *key, u16 kind, struct books *book) {
  struct too_big event = {.key = *key, .kind = kind, .time_ns = bpf_ktime_get_ns()};
  if (read_too_big(skb, packet, &event))
    submit(&event, sizeof(event), book);
}

static __always_inline void discover(struct __sk_buff *skb, struct packet *packet,
                                     struct flow_key *key, struct books *book) {
  struct discovery event = {.key = *key, .kind = KIND_DISCOVERY, .time_ns = bpf_ktime_get_ns()};
  if (read_discovery(skb, packet, &event))
    submit(&event, sizeof(event), book);
}

/* Fill in a message where it goes, and hand it over; it begins as every `struct message` does. */
static __always_inline void deliver(struct __sk_buff *skb, struct packet *packet,
                                    struct flow_key *key, struct message *event, u16 kind, u32 room,
                                    struct books *book) {
  event->key = *key;
  event->kind = kind;
  event->unused = 0;
  event->unused_too = 0;
  event->time_ns = bpf_ktime_get_ns();
  if (!read_message(skb, packet, event, room)) {
    packets.ringbuf_discard(event, 0);
    return;
  }
  packets.ringbuf_submit(event, 0);
  book->stamped += 1;
}

/* Too long for the stack, so it is written where it goes. */
static __always_inline void lease(struct __sk_buff *skb, struct packet *packet,
                                  struct flow_key *key, struct books *book) {
  struct dhcp *event = packets.ringbuf_reserve(sizeof(struct dhcp));
  if (event)
    deliver(skb, packet, key, (struct message *)event, KIND_DHCP, DHCP_OCTETS, book);
  else
    book->lost += 1;
}

static __always_inline void resolve(struct __sk_buff *skb, struct packet *packet,
                                    struct flow_key *key, struct books *book) {
  struct dns *event = packets.ringbuf_reserve(sizeof(struct dns));
  if (event)
    deliver(skb, packet, key, (struct message *)event, KIND_DNS, DNS_OCTETS, book);
  else
    book->lost += 1;
}

static __always_inline void hand_over(struct __sk_buff *skb, struct packet *packet,
                                      struct flow_key *key, struct flow *flow, u16 length,
                                      struct settings *setting, struct books *book) {
  struct stamped event;
  u32 kind = stamp_kind(packet, key);
  if (kind == KIND_NONE) {
    if (is_too_big(packet, key))
      complain(skb, packet, key, KIND_TOO_BIG, book);
    else if (setting->names && is_unreachable(packet, key))
      complain(skb, packet, key, KIND_UNREACHABLE, book);
    else if (is_discovery(packet, key))
      discover(skb, packet, key, book);
    return;
  }
  if (kind == KIND_UDP && setting->names && is_dns(key))
    resolve(skb, packet, key, book);
  if (stays_on_link(key)) {
    if (is_dhcp(packet, key))
      lease(skb, packet, key, book);
    return;
  }
  if (kind >= KIND_UDP) {
    event.stamp = payload_stamp(skb, packet, kind);
    if (!event.stamp)
      return;
    if ((!flow || flow->packets > setting->always) && event.stamp & setting->sample_mask)
      return;
  } else {
    event.stamp = tcp_stamp(packet, kind);
  }
  event.key = *key;
  event.kind = kind;
  event.length = length;
  event.time_ns = bpf_ktime_get_ns();
  submit(&event, sizeof(event), book);
}

static __always_inline int look(struct __sk_buff *skb, bool ethernet, u8 direction) {
  struct flow_key key = {};
  struct packet packet = {};
  u32 offset = 0, slot = 0;
  u16 type;
  struct settings *setting = settings.lookup(&slot);
  if (!setting)
    return NEXT;
  slot = (skb->ifindex & setting->tap_mask) * 2 + direction;
  struct books *book = books.lookup(&slot);
  if (!book)
    return NEXT;
  type = ethernet ? link_layer(skb, &offset) : be16(skb->protocol);
  int result = parse(skb, offset, type, &packet, &key);
  if (result != PARSED) {
    if (result == BROKEN)
      book->broken += 1;
    else
      book->foreign += 1;
    return NEXT;
  }
  key.interface = skb->ifindex;
  key.egress = direction;

  u32 flags = packet.readable == 16 ? packet.upper.octets[13] : 0;
  u64 segments = skb->gso_segs, octets = skb->len - offset;
  u32 length = (packet.end < skb->len ? packet.end : skb->len) - offset; /* Ethernet pads */
  if (segments > 1) {
    u32 header = packet.readable == 16 ? (packet.upper.octets[12] >> 4) * 4 : 8;
    header += packet.transport - offset;
    octets += (segments - 1) * header;
    length = header + skb->gso_size;
  } else {
    segments = 1;
  }
  if (length > 0xffff)
    length = 0xffff;
  book->packets += segments;
  book->octets += octets;

  struct flow *flow = flows.lookup(&key);
  if (!flow) {
    struct flow fresh = {};
    if (!flows.insert(&key, &fresh)) /* fails where another CPU was faster, too */
      book->inserted += 1;
    flow = flows.lookup(&key);
  }
  if (flow) {
    if (!flow->first_ns)
      flow->first_ns = bpf_ktime_get_ns();
    flow->last_ns = bpf_ktime_get_coarse_ns();
    flow->packets += segments;
    flow->octets += octets;
    flow->fragments += packet.fragment;
    flow->tcp_flags |= flags;
    if (length > flow->largest)
      flow->largest = length;
  } else {
    book->unkept += segments;
  }
  if (setting->stamping)
    hand_over(skb, &packet, &key, flow, length, setting, book);
  return NEXT;
}

int ethernet_ingress(struct __sk_buff *skb) { return look(skb, true, INGRESS); }
int ethernet_egress(struct __sk_buff *skb) { return look(skb, true, EGRESS); }
int bare_ingress(struct __sk_buff *skb) { return look(skb, false, INGRESS); }
int bare_egress(struct __sk_buff *skb) { return look(skb, false, EGRESS); }
