"""`./run` on a machine of our making: own /usr/sbin, own os-release, own package tools that write down
what they were asked for. Everything else (the shell, Python's venv, flock) is the real thing."""

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAB = {
    *("python3-venv", "python3-bpfcc", "nftables", "iproute2", "iputils-ping"),
    *("tayga", "bind9", "unbound", "haproxy", "nginx", "tinyproxy", "radvd", "dnsmasq-base"),
    *("isc-dhcp-client", "ca-certificates"),
}
TEST = {
    *(
        "bind9-dnsutils",
        "busybox-static",
        "git",
        "kmod",
        "nfdump",
        "procps",
        "prometheus",
        "qemu-system-x86",
        "shellcheck",
    ),
    *("tshark", "util-linux"),
}

pytestmark = pytest.mark.needs("root", "netns")

TOOLS = {
    "dpkg-query": """
        for package; do :; done
        case $package in
        *'${Package}'*) sed 's/^/installed /' "$STATE/installed" ;;
        *) grep -qxF "$package" "$STATE/installed" && echo installed ;;
        esac
    """,
    "dpkg": 'printf "/lib/systemd/system/%s.service\\n" "$2"',
    "systemctl": 'echo "systemctl $*" >>"$STATE/log"',
    "shellcheck": 'echo "shellcheck $*"',
    "apt-cache": """
        grep -qxF "$2" "$STATE/unknown" && { echo "  Candidate: (none)"; exit; }
        echo "  Candidate: 1.0"
    """,
    "apt-get": """
        case "$*" in
        *" -s "*) cat "$STATE/simulated"; exit ;;
        *" update") echo update >>"$STATE/log"; : >"$STATE/unknown"; exit ;;
        esac
        echo "words of the installer"
        echo "install $*" >>"$STATE/log"
        sh /usr/sbin/policy-rc.d named start
        echo "policy $?" >>"$STATE/log"
        if [ -p "$STATE/started" ]; then
            echo >"$STATE/started"
            read -r never <"$STATE/never"
        fi
        for word; do
            case $word in -*|*=*|install) ;; *) echo "$word" >>"$STATE/installed" ;; esac
        done
    """,
}


class Machine:
    """A copy of the project that sees a made-up machine."""

    def __init__(self, place):
        self.project, self.sbin, self.state = place / "project", place / "sbin", place / "state"
        self.tools, self.release = place / "tools", place / "os-release"
        for directory in (
            self.project / ".lock",
            self.sbin,
            self.state,
            self.tools,
            place / "lock",
        ):
            directory.mkdir(parents=True)
        shutil.copy(ROOT / "run", self.project / "run")
        for name in ("runtime.txt", "dev.txt"):
            (self.project / ".lock" / name).write_text("# nothing\n")
        package = self.project / "dataplane" / "commands"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(
            "import json, sys\n\ndef main():\n    print(json.dumps(sys.argv[1:]))\n    return 3\n"
        )
        for name, body in TOOLS.items():
            (self.tools / name).write_text(f"#!/bin/sh\n{textwrap.dedent(body)}")
            (self.tools / name).chmod(0o755)
        for name in ("installed", "unknown", "simulated", "log"):
            (self.state / name).touch()
        self.is_called("debian", "12")
        self.wrap = (
            f"mount --bind {self.sbin} /usr/sbin && mount --bind {self.release} /etc/os-release && "
            f'mkdir -p /run/lock && mount --bind {place / "lock"} /run/lock && exec "$@"'
        )

    def is_called(self, name, version):
        self.release.write_text(f'ID={name}\nVERSION_ID="{version}"\n')

    def has(self, *packages):
        (self.state / "installed").write_text("".join(f"{name}\n" for name in packages))

    def is_prepared(self):
        """Lay the environment that `./run` would make, so that it has nothing to do for it."""
        (self.project / ".venv" / "bin").mkdir(parents=True)
        command = self.project / ".venv" / "bin" / "sixscope"
        command.write_text("#!/bin/sh\nexit 0\n")
        command.chmod(0o755)
        python = subprocess.check_output(["/usr/bin/python3", "-V"], text=True)
        made_from = f"{self.project}\n{python}# nothing\n# nothing\n"
        (self.project / ".venv" / "made-from").write_text(made_from)

    def command(self, *arguments):
        inside = ("sh", "-c", self.wrap, "sh", str(self.project / "run"), *arguments)
        return ["unshare", "--mount", "--propagation", "private", *inside]

    def environment(self, **more):
        tools = {"PATH": f"{self.tools}:/usr/bin:/bin", "HOME": "/nonexistent"}
        return {**tools, "STATE": str(self.state), **more}

    def run(self, *arguments, **more):
        return subprocess.run(
            self.command(*arguments),
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
            env=self.environment(**more),
            timeout=120,
        )

    @property
    def log(self):
        return (self.state / "log").read_text().splitlines()

    @property
    def policy(self):
        return self.sbin / "policy-rc.d"


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_a_fresh_machine_is_prepared_once_and_only_the_answer_is_on_stdout(machine):
    first = machine.run("lab", "-o", "json")
    assert (first.returncode, json.loads(first.stdout)) == (3, ["run", "default", "-o", "json"]), (
        first
    )
    assert "words of the installer" in first.stderr
    installs = [line for line in machine.log if line.startswith("install")]
    assert len(installs) == 1
    words = set(installs[0].split())
    assert words >= LAB | {"--no-install-recommends"}
    assert "policy 101" in machine.log
    assert "systemctl --quiet disable bind9.service" in machine.log
    assert not machine.policy.exists()

    before = machine.log
    second = machine.run("lab", "keywords", "--seed", "3")
    assert json.loads(second.stdout) == ["run", "keywords", "--seed", "3"]
    assert (second.stderr, machine.log) == ("", before)


def test_only_what_is_missing_is_installed(machine):
    machine.is_prepared()
    machine.has(*(LAB - {"tayga"}))
    assert machine.run("prepare", "lab").returncode == 0
    (install,) = [line for line in machine.log if line.startswith("install")]
    assert LAB & set(install.split()) == {"tayga"}
    assert "update" not in machine.log
    assert [line for line in machine.log if "systemctl" in line] == [
        "systemctl --quiet disable tayga.service"
    ]


def test_package_lists_are_fetched_when_a_name_is_unknown(machine):
    machine.is_prepared()
    (machine.state / "unknown").write_text("python3-bpfcc\n")
    assert machine.run("prepare").returncode == 0
    assert machine.log[0] == "update"


@pytest.mark.parametrize("end", ["done", signal.SIGINT, signal.SIGTERM])
def test_a_policy_that_was_there_comes_back_as_it_was(machine, end):
    machine.is_prepared()
    machine.policy.write_text("#!/bin/sh\nexit 104\n")
    machine.policy.chmod(0o711)
    before = machine.policy.stat()
    if end == "done":
        assert machine.run("prepare").returncode == 0
    else:
        assert _interrupted(machine, end) == 128 + end
    after = machine.policy.stat()
    assert machine.policy.read_text() == "#!/bin/sh\nexit 104\n"
    assert (after.st_ino, stat.S_IMODE(after.st_mode)) == (before.st_ino, 0o711)
    assert after.st_mtime_ns == before.st_mtime_ns
    assert [entry.name for entry in machine.sbin.iterdir()] == ["policy-rc.d"]
    assert "policy 101" in machine.log


def test_what_a_killed_run_left_is_put_right_by_the_next(machine):
    machine.is_prepared()
    _interrupted(machine, signal.SIGKILL)
    assert machine.policy.exists()
    assert machine.run("prepare").returncode == 0
    assert list(machine.sbin.iterdir()) == []


def _interrupted(machine, number):
    """Interrupt a run, with everything it started, in the middle of an installation."""
    for name in ("started", "never"):
        os.mkfifo(machine.state / name)
    process = subprocess.Popen(
        machine.command("prepare"),
        env=machine.environment(),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with (machine.state / "started").open() as started:
        started.readline()
    (machine.state / "started").unlink()
    os.killpg(process.pid, number)
    return process.wait(timeout=30)


def test_upgrades_are_not_ours_to_make(machine):
    machine.is_prepared()
    (machine.state / "simulated").write_text("Inst bind9 (9.18)\nInst libc6 [2.36-1] (2.36-9)\n")
    refused = machine.run("prepare")
    assert refused.returncode == 1
    assert "Inst libc6 [2.36-1] (2.36-9)" in refused.stderr
    assert "Inst bind9" not in refused.stderr
    assert machine.log == []
    assert machine.run("prepare", SIXSCOPE_ALLOW_UPGRADE="1").returncode == 0


def test_no_install_only_reports(machine):
    machine.has(*(LAB - {"unbound"}))
    done = machine.run("lab", SIXSCOPE_NO_INSTALL="1")
    assert done.returncode == 1
    assert "missing packages: unbound" in done.stderr
    assert str(machine.project / ".venv") in done.stderr
    assert machine.log == []
    assert not (machine.project / ".venv").exists()


def test_elsewhere_it_says_what_it_needs(machine):
    machine.is_called("fedora", "43")
    done = machine.run("lab")
    assert done.returncode == 1
    assert "fedora 43" in done.stderr
    assert "Debian 12, Debian 13 and Ubuntu 24.04" in done.stderr
    assert "tayga" in done.stderr
    assert machine.log == []


@pytest.mark.parametrize("verb", ["lab", "test", "prepare"])
def test_without_root_it_says_so(machine, verb):
    (machine.tools / "id").write_text("#!/bin/sh\necho 1000\n")
    (machine.tools / "id").chmod(0o755)
    done = machine.run(verb)
    assert done.returncode == 1
    assert "needs root" in done.stderr
    assert machine.log == []
    assert not (machine.project / ".venv").exists()


def test_attach_installs_nothing(machine):
    done = machine.run("attach", "--interface", "eth0")
    assert done.returncode == 1
    assert "./run prepare lab" in done.stderr
    assert machine.log == []
    assert not (machine.project / ".venv").exists()


@pytest.fixture
def checked(machine):
    """A machine whose check has nothing to do: tools that say a word, and a pytest that repeats its own."""
    machine.is_prepared()
    for name in ("ruff", "mypy", "lint-imports", "codespell", "clang-format"):
        tool = machine.project / ".venv" / "bin" / name
        tool.write_text(f'#!/bin/sh\necho "{name} $*"; ! grep -qs . "$STATE/{name} fails"\n')
        tool.chmod(0o755)
    python = machine.project / ".venv" / "bin" / "python"
    python.write_text('#!/bin/sh\necho "python $*"; [ "$*" != "$(cat "$STATE/python fails")" ]\n')
    (machine.state / "python fails").touch()
    python.chmod(0o755)
    machine.has(*LAB, *TEST)
    return machine


def test_the_check_has_a_line_per_stage_and_pytest_has_the_last_word(checked):
    done = checked.run("test", "--must-have", "root,bpf")
    assert done.returncode == 0, done
    *stages, last = done.stdout.splitlines()
    assert stages
    assert all(re.match(r"ok    \S[\w -]+ +\d+ s  \S", line) for line in stages), stages
    assert last.startswith("python -m pytest --must-have root,bpf --ignore tests/vm")
    assert "--failed-stage" not in last
    assert "--long" not in last


def test_a_stage_that_fails_is_shown_and_handed_on_to_the_summary(checked):
    (checked.state / "ruff fails").write_text("yes")
    (checked.state / "python fails").write_text("-m pytest --long tests/vm -q --color no")
    done = checked.run("test", "--long")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert [line[6:].split("  ")[0] for line in lines if line.startswith("FAIL")] == [
        *("ruff check", "ruff format", "other kernels"),
    ]
    assert "ruff check --no-fix ." in lines
    for words in ("--long", "--failed-stage ruff check", "--failed-stage other kernels"):
        assert words in lines[-1]


def test_with_arguments_only_pytest_runs(checked):
    done = checked.run("test", "--must-have=bpf", "tests/unit", "-k", "two words")
    assert done.stdout == "python -m pytest --must-have bpf tests/unit -k two words\n"


def test_help_and_unknown_verbs(machine):
    helped = machine.run("help")
    assert (helped.returncode, helped.stderr) == (0, "")
    assert "SIXSCOPE_NO_INSTALL" in helped.stdout
    unknown = machine.run("frobnicate")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "usage" in unknown.stderr
