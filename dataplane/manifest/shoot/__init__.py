"""A Shoot, or the networking part of one: what is wrong with it, and the cluster it asks for.

`walk` is the one way through it, for `validate`, `plan` and `run` alike.
"""

from dataplane.manifest.shoot.text import Parsed, parse

__all__ = ["Parsed", "parse"]
