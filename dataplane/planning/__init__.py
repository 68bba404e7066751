"""Cluster to Plan to Topology: deterministic, seedable, pure."""
