/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Connection attempts: who asked for which destination, and what came of it. Asking is seen at the
 * system call, before any route is looked up, so an attempt that never becomes a packet is seen,
 * too. What came of it is told by events on the same socket, which carry the same cookie:
 *
 *   ASKED          connect(), or sendto() with an address, of a process
 *   CONNECTING     TCP: a route was found, the SYN goes out
 *   RETRANSMITTED  TCP: the SYN's timer ran out
 *   ESTABLISHED    TCP: the handshake is done
 *   CLOSED         TCP: a reset or an ICMP error ended it, or the kernel gave up
 *   LEFT           datagrams: the first one passed the routing and the packet filter
 *   RELEASED       the process closed the socket before any of the ends above
 *
 * All programs return 1, "go on", and write to no packet, address or socket option. For the time
 * of a handshake the socket's callback flags are raised; flags of others stay as they are.
 */
#include "key.h"

#define GO_ON 1

#define KIND_ASKED 1
#define KIND_CONNECTING 2
#define KIND_RETRANSMITTED 3
#define KIND_ESTABLISHED 4
#define KIND_CLOSED 5
#define KIND_LEFT 6
#define KIND_RELEASED 7

#define CALL_CONNECT 1
#define CALL_SENDMSG 2

#define TCP 6
#define UDP 17
#define OUR_FLAGS (BPF_SOCK_OPS_RTO_CB_FLAG | BPF_SOCK_OPS_STATE_CB_FLAG)

struct event {
  u64 time_ns;
  u64 socket;
  u64 netns;
  u64 cgroup;
  u8 destination[16]; /* as in key.h: IPv4 addresses are mapped */
  u8 comm[16];
  u32 pid;
  u16 port;
  u8 kind;
  u8 call;
  u8 family;
  u8 protocol;
  u8 answered; /* CLOSED: a segment had come back */
  u8 expired;  /* RETRANSMITTED: no, it was not: the kernel gives up */
  u8 unused[4];
};

/* A socket with an attempt that has not ended. */
struct watched {
  u8 protocol;
  u8 left;
  u8 raised; /* callback flags that were raised here, to be lowered again */
  u8 unused;
};

/* One destination of one unconnected socket: only the first datagram to it is an attempt. */
struct asked {
  u64 socket;
  u8 destination[16];
  u32 port;
  u32 protocol;
};

struct books {
  u64 calls;
  u64 recorded;
  u64 lost;
};

/* The process namespace in which process ids are told, where that is not the first one. */
struct settings {
  u64 device;
  u64 inode;
};

BPF_ARRAY(settings, struct settings, 1);
BPF_F_TABLE("lru_hash", u64, struct watched, watched, SOCKETS, 0);
BPF_F_TABLE("lru_hash", struct asked, u64, asked, SOCKETS, 0);
BPF_PERCPU_ARRAY(books, struct books, 1);
BPF_RINGBUF_OUTPUT(events, EVENT_PAGES);
BPF_ARRAY(events_layout, struct event, 1); /* only its type is read */

static __always_inline void record(struct event *event) {
  u32 slot = 0;
  struct books *book = books.lookup(&slot);
  event->time_ns = bpf_ktime_get_ns();
  int failed = events.ringbuf_output(event, sizeof(*event), 0);
  if (!book)
    return;
  if (failed)
    book->lost += 1;
  else
    book->recorded += 1;
}

static __always_inline void follow_up(u64 socket, u8 kind, u8 answered, u8 expired) {
  struct event event = {};
  event.socket = socket;
  event.kind = kind;
  event.answered = answered;
  event.expired = expired;
  record(&event);
}

static __always_inline u32 process(void) {
#ifdef NESTED /* 6.10 (commit eb166e522c77); before, these programs may not call it */
  u32 slot = 0;
  struct bpf_pidns_info own = {};
  struct settings *setting = settings.lookup(&slot);
  if (setting && !bpf_get_ns_current_pid_tgid(setting->device, setting->inode, &own, sizeof(own)))
    return own.tgid;
#endif
  return bpf_get_current_pid_tgid() >> 32;
}

static __always_inline void ask(struct bpf_sock_addr *ctx, struct event *event) {
  u32 slot = 0;
  struct books *book = books.lookup(&slot);
  if (book)
    book->calls += 1;
  event->kind = KIND_ASKED;
  event->socket = bpf_get_socket_cookie(ctx);
  event->netns = bpf_get_netns_cookie(ctx);
  event->protocol = ctx->protocol;
  event->port = __builtin_bswap16(ctx->user_port);
  if (event->call == CALL_SENDMSG) {
    struct asked key = {};
    u64 now = 1;
    key.socket = event->socket;
    __builtin_memcpy(key.destination, event->destination, 16);
    key.port = event->port;
    key.protocol = event->protocol;
    if (asked.lookup(&key))
      return;
    asked.update(&key, &now);
  }
  event->cgroup = bpf_get_current_cgroup_id();
  event->pid = process();
  bpf_get_current_comm(event->comm, sizeof(event->comm));
  struct watched fresh = {};
  fresh.protocol = event->protocol;
  watched.update(&event->socket, &fresh);
  record(event);
}

static __always_inline int ask_ipv4(struct bpf_sock_addr *ctx, u8 call) {
  struct event event = {};
  u32 *words = (u32 *)event.destination;
  event.call = call;
  event.family = FAMILY_IPV4;
  words[2] = __builtin_bswap32(0xffff);
  words[3] = ctx->user_ip4;
  ask(ctx, &event);
  return GO_ON;
}

static __always_inline int ask_ipv6(struct bpf_sock_addr *ctx, u8 call) {
  struct event event = {};
  u32 *words = (u32 *)event.destination;
  event.call = call;
  words[0] = ctx->user_ip6[0];
  words[1] = ctx->user_ip6[1];
  words[2] = ctx->user_ip6[2];
  words[3] = ctx->user_ip6[3];
  /* ::ffff:192.0.2.1 on an IPv6 socket asks for IPv4 (RFC 4291 section 2.5.5.2) */
  bool mapped = !words[0] && !words[1] && words[2] == __builtin_bswap32(0xffff);
  event.family = mapped ? FAMILY_IPV4 : FAMILY_IPV6;
  ask(ctx, &event);
  return GO_ON;
}

int connect_ipv4(struct bpf_sock_addr *ctx) { return ask_ipv4(ctx, CALL_CONNECT); }
int connect_ipv6(struct bpf_sock_addr *ctx) { return ask_ipv6(ctx, CALL_CONNECT); }
int sendmsg_ipv4(struct bpf_sock_addr *ctx) { return ask_ipv4(ctx, CALL_SENDMSG); }
int sendmsg_ipv6(struct bpf_sock_addr *ctx) { return ask_ipv6(ctx, CALL_SENDMSG); }

int outcome(struct bpf_sock_ops *ctx) {
  u32 op = ctx->op;
  if (op != BPF_SOCK_OPS_TCP_CONNECT_CB && op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB &&
      op != BPF_SOCK_OPS_RTO_CB && op != BPF_SOCK_OPS_STATE_CB)
    return GO_ON;
  u64 socket = bpf_get_socket_cookie(ctx);
  struct watched *entry = watched.lookup(&socket);
  if (!entry)
    return GO_ON;
  u32 flags = ctx->bpf_sock_ops_cb_flags;
  if (op == BPF_SOCK_OPS_TCP_CONNECT_CB) {
    entry->raised = OUR_FLAGS & ~flags;
    bpf_sock_ops_cb_flags_set(ctx, flags | OUR_FLAGS);
    follow_up(socket, KIND_CONNECTING, 0, 0);
  } else if (op == BPF_SOCK_OPS_RTO_CB) {
    follow_up(socket, KIND_RETRANSMITTED, 0, ctx->args[2] != 0);
  } else if (op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB) {
    bpf_sock_ops_cb_flags_set(ctx, flags & ~(u32)entry->raised);
    watched.delete(&socket);
    follow_up(socket, KIND_ESTABLISHED, 1, 0);
  } else if (ctx->args[0] == BPF_TCP_SYN_SENT && ctx->args[1] == BPF_TCP_CLOSE) {
    u8 answered = ctx->segs_in != 0;
    watched.delete(&socket);
    follow_up(socket, KIND_CLOSED, answered, 0);
  }
  return GO_ON;
}

int released(struct bpf_sock *ctx) {
  u64 socket = bpf_get_socket_cookie(ctx);
  struct watched *entry = watched.lookup(&socket);
  if (!entry)
    return GO_ON;
  u8 left = entry->left;
  watched.delete(&socket);
  if (!left)
    follow_up(socket, KIND_RELEASED, 0, 0);
  return GO_ON;
}

/* Behind OUTPUT and POSTROUTING: what is refused there never comes here. */
int left(struct __sk_buff *skb) {
  struct bpf_sock *sk = skb->sk;
  if (!sk)
    return GO_ON;
  sk = bpf_sk_fullsock(sk);
  if (!sk || sk->protocol == TCP)
    return GO_ON;
  u64 socket = bpf_get_socket_cookie(skb);
  struct watched *entry = watched.lookup(&socket);
  if (!entry || entry->left)
    return GO_ON;
  entry->left = 1;
  follow_up(socket, KIND_LEFT, 0, 0);
  return GO_ON;
}
