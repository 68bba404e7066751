"""The eyes: eBPF programs and their collectors. They count, and change nothing."""
