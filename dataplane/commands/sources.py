"""What `attach` knows of a node from others than the kernel: its files and its container runtime."""

import argparse
from pathlib import Path

from dataplane.commands.verb import UsageError
from probes.node.cri import Runtime
from probes.node.pods import Pods, node_root

NOBODY = "none"


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """Add where the node's root is, and which socket its container runtime answers at."""
    parser.add_argument(
        "--node-root",
        type=Path,
        metavar="DIR",
        help="where the node's root directory is (that of process 1)",
    )
    parser.add_argument(
        "--cri",
        metavar="SOCKET",
        help="ask the container runtime here; none: nobody is asked (containerd's, CRI-O's, k3s')",
    )


class Sources:
    """Where names of pods come from; each look is one reading of all of them."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Take the options of `add_source_options`; UsageError when a named socket is not there."""
        self.root: Path = options.node_root or node_root()
        self._asked = options.cri is not None
        self._runtime: Runtime | None = None
        if options.cri != NOBODY:
            named = Path(options.cri.removeprefix("unix://")) if options.cri else None
            if named is not None and not named.is_socket():
                raise UsageError(f"--cri {options.cri}: there is no socket; none asks nobody")
            self._runtime = Runtime(self.root, named)

    def pods(self) -> Pods:
        """Return the pods that the node knows now.

        UsageError when a runtime that was named does not answer the first time.
        """
        if self._runtime is None:
            return Pods(self.root)
        sandboxes = self._runtime.sandboxes()
        if self._runtime.trouble and self._asked:
            raise UsageError(f"--cri {self._runtime.trouble}")
        self._asked = False  # it may restart while it is followed
        return Pods(self.root, sandboxes)

    @property
    def unasked(self) -> tuple[str, ...]:
        """Return who could not be asked at the last look, and why."""
        trouble = self._runtime.trouble if self._runtime is not None else ""
        return (f"the container runtime was not asked: {trouble}",) if trouble else ()
