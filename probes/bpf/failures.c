/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Errors that the kernel gives to sockets of its own accord, at the raw tracepoint
 * inet_sk_error_report: a reset, an ICMP error, a SYN that was given up. What `connect` itself
 * answers at once is not among them. Where fields lie in the kernel's structures is given as -D, in
 * octets, from its BTF. An error is rare; nothing here is a fast path.
 */

struct failure {
  u64 time_ns;
  u64 socket; /* its cookie; 0 would be a socket that nobody has asked about */
  u32 error;
  u32 unused;
};

struct failure_books {
  u64 errors;
  u64 recorded;
  u64 lost;
};

BPF_PERCPU_ARRAY(failure_books, struct failure_books, 1);
BPF_RINGBUF_OUTPUT(failures, EVENT_PAGES);
BPF_ARRAY(failures_layout, struct failure, 1); /* only its type is read */

#define READ(to, from) bpf_probe_read_kernel(&(to), sizeof(to), (void *)(from))

int reported(struct bpf_raw_tracepoint_args *ctx) {
  u64 sock = ctx->args[0];
  u32 zero = 0;
  struct failure event = {};
  struct failure_books *book = failure_books.lookup(&zero);
  READ(event.socket, sock + SOCK_COOKIE);
  READ(event.error, sock + SOCK_ERROR);
  if (!book || !event.error)
    return 0;
  book->errors += 1;
  if (!event.socket)
    return 0;
  event.time_ns = bpf_ktime_get_ns();
  if (failures.ringbuf_output(&event, sizeof(event), 0))
    book->lost += 1;
  else
    book->recorded += 1;
  return 0;
}
