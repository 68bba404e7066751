"""Loading: the header tree is enough, a failure says why, layouts are the compiler's."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dataplane.kernel import bpf, maps
from dataplane.kernel.bpf import Entry, LoadFailedError, ProgramType

pytestmark = pytest.mark.needs("root", "bpf")

ROOT = Path(__file__).resolve().parents[2]
HIDE = ("/usr/include", "/usr/src", "/lib/modules", "/usr/lib/modules")


def test_no_header_of_the_machine_is_needed(tmp_path):
    """Hide every header and load every program, in a mount namespace of its own."""
    hidden = [path for path in HIDE if Path(path).is_dir()]
    lines = [f'mount -t tmpfs none {path}; test -z "$(ls {path})"' for path in hidden]
    script = tmp_path / "hidden.sh"
    script.write_text("\n".join(["set -eu", *lines, 'exec "$@"\n']))
    words = ("unshare", "--mount", "sh", str(script), sys.executable, "-m", "tests.vm.load")
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    sources = {path.stem for path in (ROOT / "probes" / "bpf").glob("*.c")}
    loaded = json.loads(done.stdout)["loaded"]
    assert loaded.keys() == sources
    assert all(loaded.values())


def descriptors():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def load(tmp_path, text, *, sizes=None, type=ProgramType.SCHED_CLS):  # noqa: A002 - as in Entry
    source = tmp_path / "some.c"
    source.write_text(text)
    return bpf.load(source, [Entry(name="some", type=type)], sizes)


def test_what_does_not_compile_says_where(tmp_path):
    with pytest.raises(LoadFailedError) as caught:
        load(tmp_path, "\nint some(struct __sk_buff *skb) { return nothing; }\n")
    assert "cannot compile it" in str(caught.value)
    assert "some.c:2:" in caught.value.output
    assert "undeclared identifier 'nothing'" in caught.value.output


def test_an_error_in_a_header_names_the_header(tmp_path):
    (tmp_path / "own.h").write_text("\n\nint broken(void) { return absent; }\n")
    with pytest.raises(LoadFailedError, match=r"own\.h:3:\d+"):
        load(tmp_path, '#include "key.h"\n#include "own.h"\nint some(void *c) { return 0; }\n')


def test_what_the_verifier_refuses_comes_with_its_last_words(tmp_path, capfd):
    endless = (
        "int some(struct __sk_buff *skb) { u32 *p = 0; return *(u32 *)((long)skb->len + (long)p); }"
    )
    with pytest.raises(LoadFailedError) as caught:
        load(tmp_path, endless)
    assert "cannot load some" in str(caught.value)
    assert "invalid mem access" in caught.value.output
    assert len(str(caught.value)) < bpf.TAIL + 200
    assert capfd.readouterr().err == ""


def test_nothing_stays_open_after_a_failure_or_a_close(tmp_path):
    good = "BPF_HASH(table, u32, u64, 8);\nint some(struct __sk_buff *skb) { return -1; }\n"
    load(tmp_path, good).close()
    before = descriptors()
    for _ in range(3):
        load(tmp_path, good).close()
        with pytest.raises(LoadFailedError):
            load(tmp_path, good.replace("return -1", "return *(int *)0"))
    assert descriptors() == before


def test_the_environment_and_the_directory_are_as_before(tmp_path, monkeypatch):
    monkeypatch.setenv("BCC_KERNEL_SOURCE", "/nowhere")
    monkeypatch.delenv("ARCH", raising=False)
    here = Path.cwd()
    load(tmp_path, "int some(struct __sk_buff *skb) { return -1; }").close()
    assert os.environ["BCC_KERNEL_SOURCE"] == "/nowhere"
    assert "ARCH" not in os.environ
    assert Path.cwd() == here


def test_what_others_write_meanwhile_is_not_swallowed(capfd):
    os.write(2, b"before\n")
    with bpf._output() as output:
        os.write(2, b"meanwhile\n")
        assert output() == "meanwhile\n"
    assert capfd.readouterr().err == "before\nmeanwhile\n"


WITHOUT_RIGHTS = """
from pathlib import Path
import sys
from dataplane.kernel import bpf
from dataplane.model.errors import UnsupportedError
try:
    bpf.load(Path(sys.argv[1]), [bpf.Entry(name="some", type=bpf.ProgramType.SCHED_CLS)])
except UnsupportedError as failure:
    print(failure)
"""


@pytest.mark.parametrize("table", ["", "BPF_HASH(table, u32, u64, 8);"])
def test_without_the_right_to_load_it_is_said_in_one_line(tmp_path, table):
    source = tmp_path / "some.c"
    source.write_text(f"{table}\nint some(struct __sk_buff *skb) {{ return -1; }}\n")
    words = ("setpriv", "--bounding-set", "-all", "--inh-caps", "-all", "--ambient-caps", "-all")
    done = subprocess.run(
        (*words, sys.executable, "-c", WITHOUT_RIGHTS, str(source)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.startswith("eBPF: needs root, or its right to load programs; found "), done
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


LAYOUT = """
struct inner { u16 port; u8 octets[6]; };
struct key { u8 kind; u32 number; struct inner inner; };
struct value { u64 count; s32 balance; u8 text[3]; };
BPF_HASH(table, struct key, struct value, 64);
BPF_PERCPU_ARRAY(cells, u64, 4);
int some(struct __sk_buff *skb) { return -1; }
"""


def test_layouts_are_read_back(tmp_path):
    with load(tmp_path, LAYOUT) as module:
        table = module.table("table")
        assert table.key.names == ("kind", "number", "inner.port", "inner.octets")
        assert (table.key.size, table.value.size, table.capacity) == (16, 16, 64)
        key = table.key.pack(kind=1, number=7, **{"inner.octets": b"abc"})
        assert table.key.unpack(key)["inner.octets"] == b"abc\0\0\0"
        with pytest.raises(KeyError, match="no such field: colour"):
            table.key.pack(colour=1)


def test_elements_and_batches(tmp_path):
    with load(tmp_path, LAYOUT) as module:
        table = module.table("table")
        keys = [table.key.pack(number=number) for number in range(50)]
        assert table.get(keys[0]) is None
        table.put(keys[0], table.value.pack(count=9, balance=-1))
        assert table.value.unpack(table.get(keys[0])) == {
            "count": 9,
            "balance": -1,
            "text": bytes(3),
        }
        values = [table.value.pack(count=number) for number in range(50)]
        table.put_batch(b"".join(keys), b"".join(values), 50)
        rows = table.read()
        assert len(rows) == 50
        assert sorted(key[1] for key in rows.keys()) == list(range(50))  # noqa: SIM118 - no mapping
        assert {key[1]: value[0] for key, (value,) in rows.page()} == {n: n for n in range(50)}
        with pytest.raises(ValueError, match="not 3 keys and values"):
            table.put_batch(b"", b"", 3)


def test_a_value_of_every_cpu(tmp_path):
    with load(tmp_path, LAYOUT) as module:
        cells = module.table("cells")
        assert cells.cpus == maps.possible_cpus()
        cells.put(cells.key.pack(value=2), cells.value.pack(value=5))
        assert cells.sums(cells.key.pack(value=2)) == {"value": 5 * cells.cpus}
        assert cells.sums(cells.key.pack(value=3)) == {"value": 0}


def test_batches_smaller_than_the_map(tmp_path, monkeypatch):
    monkeypatch.setattr(maps, "BATCH", 7)
    with load(tmp_path, LAYOUT.replace("64)", "5000)")) as module:
        table = module.table("table")
        keys = b"".join(table.key.pack(number=number) for number in range(3000))
        table.put_batch(keys, bytes(3000 * table.value.size), 3000)
        rows = table.read()
        assert len(rows) == len(set(rows.keys())) == 3000
