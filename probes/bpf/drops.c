/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets that the kernel gave up, at the raw tracepoint kfree_skb: counted by tuple, by the
 * kernel's own reason, and by the place in the kernel where it happened. Only packets of interfaces
 * and namespaces that are asked for are looked at.
 *
 * Where fields lie in the kernel's structures is given as -D, in octets, from its BTF; REASON is
 * the number of the tracepoint's argument that holds the reason. Nothing here is a fast path.
 */
#include "key.h"

struct remains {
  u32 len;
  u32 linear; /* octets that can be read from `start` on: the IP header */
  u64 start;
  u64 data; /* always 0, and so is its end: nothing can be read without a helper */
  u64 data_end;
};

static __always_inline long remaining_octets(struct remains *of, u32 offset, void *to, u32 length) {
  if (offset + length > of->linear)
    return -1;
  return bpf_probe_read_kernel(to, length, (void *)(of->start + offset));
}

#define __sk_buff remains
#define bpf_skb_load_bytes remaining_octets
#include "parse.h"
#undef bpf_skb_load_bytes
#undef __sk_buff

/* `interface` of the key is the packet's device when it was dropped. */
struct drop_key {
  struct flow_key key;
  u32 reason;
  u64 location;
  u64 cookie; /* of the network namespace of that device */
};

struct drop {
  u64 packets;
  u64 first_ns;
  u64 last_ns;
};

/* Whose drops are looked at; index 0 stands for every interface of the namespace. */
struct place {
  u64 cookie;
  u32 index;
  u32 unused;
};

struct drop_books {
  u64 packets; /* unicast ones, of those places */
  u64 foreign; /* dropped there too, and not IP, or not to be read */
  u64 unkept;  /* that found no place in the table */
};

BPF_TABLE("lru_hash", struct drop_key, struct drop, drops, DROP_ENTRIES);
BPF_PERCPU_ARRAY(drop_books, struct drop_books, 1);
BPF_HASH(dropping, struct place, u32, PLACE_ENTRIES);

#define READ(to, from) bpf_probe_read_kernel(&(to), sizeof(to), (void *)(from))

static __always_inline int read_packet(u64 skb, struct flow_key *key) {
  struct remains of = {};
  struct packet packet = {};
  u64 head = 0, data = 0;
  u32 len = 0, paged = 0;
  u16 network = 0, protocol = 0;
  READ(head, skb + SKB_HEAD);
  READ(data, skb + SKB_DATA);
  READ(network, skb + SKB_NETWORK);
  READ(protocol, skb + SKB_PROTOCOL);
  READ(len, skb + SKB_LEN);
  READ(paged, skb + SKB_DATA_LEN);
  /* `data` may be at any layer by now; what lies between it and the IP header belongs to both. */
  of.start = head + network;
  of.len = len + (u32)(data - of.start);
  of.linear = of.len - paged;
  return parse(&of, 0, be16(protocol), &packet, key);
}

/* Every listener gets a copy of those, and the original is given up: nothing is lost. */
static __always_inline bool is_multicast(struct flow_key *key) {
  return key->family == FAMILY_IPV6 ? key->destination[0] == 0xff : key->destination[12] >> 4 == 14;
}

int dropped(struct bpf_raw_tracepoint_args *ctx) {
  u64 skb = ctx->args[0], device = 0, net = 0;
  struct place place = {};
  struct drop_key key = {};
  u32 zero = 0;
  READ(device, skb + SKB_DEV);
  if (!device)
    return 0;
  READ(net, device + DEVICE_NET);
  READ(place.cookie, net + NET_COOKIE);
  READ(key.key.interface, device + DEVICE_INDEX);
  if (!dropping.lookup(&place)) {
    place.index = key.key.interface;
    if (!dropping.lookup(&place))
      return 0;
  }
  struct drop_books *book = drop_books.lookup(&zero);
  if (!book)
    return 0;
  if (read_packet(skb, &key.key) != PARSED) {
    book->foreign += 1;
    return 0;
  }
  if (is_multicast(&key.key))
    return 0;
  book->packets += 1;
  key.cookie = place.cookie;
  key.location = ctx->args[1];
  key.reason = ctx->args[REASON];
  struct drop *drop = drops.lookup(&key);
  if (!drop) {
    struct drop fresh = {};
    fresh.first_ns = bpf_ktime_get_ns();
    drops.insert(&key, &fresh);
    drop = drops.lookup(&key);
  }
  if (drop) {
    drop->last_ns = bpf_ktime_get_ns();
    lock_xadd(&drop->packets, 1);
  } else {
    book->unkept += 1;
  }
  return 0;
}
