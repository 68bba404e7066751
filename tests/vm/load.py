"""Load every program of `probes/bpf` into the kernel that this runs in; print their names as JSON.

Each `probes/bpf/NAME.c` belongs to the class NAME of `probes/NAME.py`, whose `open` loads it. It is
opened with nothing to watch.
"""

import importlib
import json
import platform
import sys
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[2] / "probes" / "bpf"


def main() -> None:
    loaded = {}
    for source in sorted(SOURCES.glob("*.c")):
        module = importlib.import_module(f"probes.{source.stem}")
        probe = getattr(module, source.stem.title().replace("_", "")).open({})
        loaded[source.stem] = sorted(probe.module.programs)
        probe.close()
    json.dump({"kernel": platform.release(), "loaded": loaded}, sys.stdout)


if __name__ == "__main__":
    main()
