/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The packet program at raw tracepoints, with nothing attached to any device: netif_receive_skb is
 * where every device hands its packets to the stack, before traffic control and whatever may
 * rewrite them there; net_dev_start_xmit is where every device gets its packets, behind all of it.
 *
 * It is flows.c itself, with the same parser, stamps, table, books and events. What stands in for
 * `struct __sk_buff` here is a sight of the kernel's own packet. Where its fields lie is given as
 * -D SKB_*, DEVICE_*, NET_COOKIE and SHARED_GSO, in octets, from the BTF of the kernel that loads
 * this, and so is TAP_MASK, by which books are found. Instructions that are built for any kernel
 * have room for these numbers; then PLACED is there, and none of them is known to the preprocessor.
 * Octets are read from the linear part only: what lies in pages behind it is not there.
 *
 * A read of the kernel's memory costs as much as a look-up in a table, so few large ones are made.
 */
#include "key.h"

#define MOST_APART 256 /* octets from the first to the last field that is read of a packet */
#define NEAR                                                                                       \
  128 /* octets of a packet that are read at once; skb_shared_info (320) lies behind it */

/* What would not fit the stack. Nothing interrupts a direction's program on its CPU. */
struct scratch {
  u64 tick; /* in jiffies, when `now` was taken */
  u64 now;
  u8 fields[MOST_APART];
  u8 octets[NEAR] __attribute__((aligned(8)));
};

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
  struct scratch *scratch;
};

static __always_inline long sighted_octets(struct sight *sight, u32 offset, void *to, u32 length) {
  if (offset + length > sight->linear)
    return -1;
  if (__builtin_constant_p(length)) {
    u32 at = offset;
    asm volatile("" : "+r"(at)); /* clang would drop the bound that the verifier wants to see */
    if (at <= NEAR - length) {
      __builtin_memcpy(to, __builtin_assume_aligned(sight->scratch->octets + at, 8), length);
      return 0;
    }
  }
  return bpf_probe_read_kernel(to, length, (void *)(sight->start + offset));
}

/* The coarse clock is not for tracepoints; this one is as coarse: it moves once in a jiffy. */
static __always_inline u64 coarse_ns(struct sight *sight) {
  u64 tick = bpf_jiffies64();
  if (sight->scratch->tick != tick) {
    sight->scratch->now = bpf_ktime_get_ns();
    sight->scratch->tick = tick;
  }
  return sight->scratch->now;
}

#define __sk_buff sight
#define bpf_skb_load_bytes sighted_octets
#define bpf_ktime_get_coarse_ns() coarse_ns(skb)
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

/* A tap at its place, that of its books; a cookie is never given to another namespace. */
struct watched {
  u64 cookie; /* 0: there is none here */
  u32 index;
  u32 ethernet; /* 0: its packets begin with their IP header */
};

BPF_TABLE("array", u32, struct watched, watched, TAP_SLOTS);
BPF_PERCPU_ARRAY(scratches, struct scratch, 2);

#define READ(to, from) bpf_probe_read_kernel(&(to), sizeof(to), (void *)(from))
#define FIELD(type, place) (*(type *)(scratch->fields + (place) - SKB_FIRST))

#ifdef PLACED
#define TOGETHER 0
#else
#define TOGETHER                                                                                   \
  (DEVICE_NET > DEVICE_INDEX && (DEVICE_NET - DEVICE_INDEX) % 8 == 0 &&                            \
   DEVICE_NET - DEVICE_INDEX <= 56)
#endif

/* What tells devices apart; read at once where the kernel has it close together. */
struct device {
  u64 net;
  u32 index;
};

static __always_inline struct device device_of(u64 skb) {
  struct device found = {};
  u64 at = 0;
  READ(at, skb + SKB_DEV);
#if TOGETHER
  u64 fields[8] = {};
  bpf_probe_read_kernel(fields, DEVICE_NET + 8 - DEVICE_INDEX, (void *)(at + DEVICE_INDEX));
  found.index = fields[0];
  found.net = fields[(DEVICE_NET - DEVICE_INDEX) / 8];
#else
  READ(found.index, at + DEVICE_INDEX);
  READ(found.net, at + DEVICE_NET);
#endif
  return found;
}

static __always_inline int sighted(u64 skb, u32 direction) {
  u64 cookie = 0;
  struct device device = device_of(skb);
  u32 index = device.index, slot;
  slot = index & (u32)TAP_MASK;
  struct watched *tap = watched.lookup(&slot);
  if (!tap || tap->index != index || !tap->cookie)
    return 0;
  READ(cookie, device.net + NET_COOKIE);
  if (tap->cookie != cookie)
    return 0;

  struct scratch *scratch = scratches.lookup(&direction);
  if (!scratch || bpf_probe_read_kernel(scratch->fields, SKB_ROOM, (void *)(skb + SKB_FIRST)))
    return 0;
  struct sight sight = {.ifindex = index, .scratch = scratch};
  u32 gso = 0;
  READ(gso, FIELD(u64, SKB_HEAD) + FIELD(u32, SKB_END) + SHARED_GSO);
  sight.gso_size = gso & 0xffff;
  sight.gso_segs = gso >> 16;
  sight.start = FIELD(u64, SKB_DATA);
  sight.len = FIELD(u32, SKB_LEN);
  sight.linear = sight.len - FIELD(u32, SKB_DATA_LEN);
  sight.protocol = FIELD(u16, SKB_PROTOCOL);
  if (tap->ethernet && direction == INGRESS) { /* the header was taken off, and is still there */
    sight.start -= ETHERNET_LENGTH;
    sight.len += ETHERNET_LENGTH;
    sight.linear += ETHERNET_LENGTH;
  }
  if (READ(scratch->octets, sight.start))
    return 0;
  look(&sight, tap->ethernet, direction);
  return 0;
}

int received(struct bpf_raw_tracepoint_args *ctx) { return sighted(ctx->args[0], INGRESS); }
int sent(struct bpf_raw_tracepoint_args *ctx) { return sighted(ctx->args[0], EGRESS); }
