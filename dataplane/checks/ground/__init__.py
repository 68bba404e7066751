"""What several checks stand on: places, exchanges, sight, and findings put together.

A subpackage is no check, so `dataplane.checks.checks` passes it over.
"""
