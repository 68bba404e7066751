/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The packet program at raw tracepoints, with nothing attached to any device: netif_receive_skb is
 * where every device hands its packets to the stack, before traffic control and whatever may
 * rewrite them there; net_dev_start_xmit is where every device gets its packets, behind all of it.
 *
 * It is flows.c itself, with the same parser, stamps, table, books and events. What stands in for
 * `struct __sk_buff` here is a sight of the kernel's own packet; its fields lie where the kernel's
 * BTF says that they do, which is written into `places`. Octets are read from the linear part only:
 * what lies in pages behind it counts as not there.
 */
#include "key.h"

/* As much of `struct __sk_buff` as flows.c looks at, and where its octets are. */
struct sight {
  u32 ifindex;
  u32 len;
  u32 protocol;
  u32 gso_segs;
  u32 gso_size;
  u32 linear; /* octets that can be read from `start` on */
  u64 start;
  u64 data; /* always 0, and so is its end: nothing can be read without a helper */
  u64 data_end;
};

static __always_inline long sighted_octets(struct sight *sight, u32 offset, void *to, u32 length) {
  if (offset + length > sight->linear)
    return -1;
  return bpf_probe_read_kernel(to, length, (void *)(sight->start + offset));
}

#define __sk_buff sight
#define bpf_skb_load_bytes sighted_octets
#define bpf_ktime_get_coarse_ns bpf_ktime_get_ns /* the coarse clock is not for tracepoints */
/* Traffic control's own entries are of no use here, and half of the compiler's work. */
#define UNUSED(name, skb) static __always_inline name##_unused(skb)
#define ethernet_ingress(skb) UNUSED(ethernet_ingress, skb)
#define ethernet_egress(skb) UNUSED(ethernet_egress, skb)
#define bare_ingress(skb) UNUSED(bare_ingress, skb)
#define bare_egress(skb) UNUSED(bare_egress, skb)
#include "flows.c"
#undef bpf_ktime_get_coarse_ns
#undef bpf_skb_load_bytes
#undef __sk_buff

/* Where fields lie in the kernel's structures, in octets. */
struct places {
  u32 skb_dev;
  u32 skb_len;
  u32 skb_data_len;
  u32 skb_head;
  u32 skb_data;
  u32 skb_end;
  u32 skb_protocol;
  u32 device_index;
  u32 device_net;
  u32 net_cookie;
  u32 shared_gso_size;
  u32 shared_gso_segs;
};

/* An interface: its index within its namespace, whose cookie is never given to another one. */
struct device {
  u64 cookie;
  u32 index;
  u32 unused;
};

struct watched {
  u32 tap;      /* the number by which flows and books know it */
  u32 ethernet; /* 0: its packets begin with their IP header */
};

BPF_ARRAY(places, struct places, 1);
BPF_HASH(watched, struct device, struct watched, TAP_SLOTS);

#define READ(to, from, place) bpf_probe_read_kernel(&(to), sizeof(to), (void *)((from) + (place)))

static __always_inline int sighted(u64 skb, u8 direction) {
  u32 zero = 0, linear = 0;
  u64 device = 0, net = 0, head = 0;
  struct device key = {};
  struct sight sight = {};
  struct places *at = places.lookup(&zero);
  if (!at)
    return 0;
  READ(device, skb, at->skb_dev);
  READ(key.index, device, at->device_index);
  READ(net, device, at->device_net);
  READ(key.cookie, net, at->net_cookie);
  struct watched *tap = watched.lookup(&key);
  if (!tap)
    return 0;

  sight.ifindex = tap->tap;
  READ(sight.start, skb, at->skb_data);
  READ(sight.len, skb, at->skb_len);
  READ(linear, skb, at->skb_data_len);
  sight.linear = sight.len - linear;
  READ(head, skb, at->skb_head);
  READ(zero, skb, at->skb_end);
  head += zero;
  READ(zero, head, at->shared_gso_size);
  sight.gso_size = zero & 0xffff;
  READ(zero, head, at->shared_gso_segs);
  sight.gso_segs = zero & 0xffff;
  if (tap->ethernet) {
    if (direction == INGRESS) { /* the device has taken the header off; it is still there */
      sight.start -= ETHERNET_LENGTH;
      sight.len += ETHERNET_LENGTH;
      sight.linear += ETHERNET_LENGTH;
    }
  } else {
    READ(zero, skb, at->skb_protocol);
    sight.protocol = zero & 0xffff;
  }
  look(&sight, tap->ethernet, direction);
  return 0;
}

int received(struct bpf_raw_tracepoint_args *ctx) { return sighted(ctx->args[0], INGRESS); }
int sent(struct bpf_raw_tracepoint_args *ctx) { return sighted(ctx->args[0], EGRESS); }
