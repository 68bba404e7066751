"""The few errors of the effectful parts. A message says where, what, why and what to do."""


class UnsupportedError(Exception):
    """This machine lacks something: what was wanted, what that needs, what was found."""

    def __init__(self, what: str, *, needs: str, found: str) -> None:
        self.what, self.needs, self.found = what, needs, found
        super().__init__(f"{what}: needs {needs}; found {found}")


class LabFailedError(Exception):
    """Something inside the lab did not work: in which namespace, which command, its last words."""

    def __init__(self, namespace: str, command: str, *, stderr: str = "", log: str = "") -> None:
        self.namespace, self.command, self.stderr, self.log = namespace, command, stderr, log
        tail = f": {stderr.strip()}" if stderr.strip() else ""
        where = f" (log: {log})" if log else ""
        super().__init__(f"{namespace}: {command} failed{tail}{where}")


class ProbeRefusedError(Exception):
    """A probe was not attached, so that nothing foreign is disturbed or nothing false is said."""

    def __init__(self, interface: str, why: str) -> None:
        self.interface, self.why = interface, why
        super().__init__(f"{interface}: probe refused: {why}")
