"""Conformance cases: packets in, predicted packets out."""
