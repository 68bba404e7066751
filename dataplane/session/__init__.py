"""The session: where a plan, a lab, probes and checks meet."""
