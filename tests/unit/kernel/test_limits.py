"""What bounds a process, read from trees of files as kernels and containers show them."""

import pytest

from dataplane.kernel import features
from dataplane.kernel.limits import (
    confined,
    lockdown,
    memory_limit,
    profiles,
    require_reading,
)
from dataplane.model.errors import UnsupportedError

MB = 1_000_000
NEVER = 9223372036854771712  # what version 1 says for no limit


@pytest.fixture
def tree(tmp_path):
    """Return a function that writes files below a root of their own."""

    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(str(text))
        return tmp_path

    (tmp_path / "run").mkdir()
    return write


LOCKDOWN = "sys/kernel/security/lockdown"


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("[none] integrity confidentiality\n", "none"),
        ("none [integrity] confidentiality\n", "integrity"),
        ("none integrity [confidentiality]\n", "confidentiality"),
    ],
)
def test_lockdown_is_the_word_in_brackets(tree, text, mode):
    assert lockdown(tree({LOCKDOWN: text})) == mode


def test_a_kernel_without_lockdown_locks_nothing_down(tmp_path):
    assert lockdown(tmp_path) == "none"
    require_reading("drops", tmp_path)


def test_integrity_refuses_nothing_and_confidentiality_says_what_it_refuses(tree):
    root = tree({LOCKDOWN: "none [integrity] confidentiality\n"})
    require_reading("drops", root)
    assert features.lockdown(root) is None
    assert features.lockdown_note(root) == "not in the way (mode integrity)"

    tree({LOCKDOWN: "none integrity [confidentiality]\n"})

    assert "no program may read" in features.lockdown(root)
    with pytest.raises(UnsupportedError, match="lockdown=confidentiality forbids it"):
        require_reading("drops", root)


TWO = "29 23 0:26 {root} /sys/fs/cgroup ro,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
ONE = (
    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
    "35 31 0:32 {root} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
)
GROUP = "sys/fs/cgroup"


def container_of_version_2(**files):
    return {
        "proc/self/cgroup": "0::/\n",
        "proc/self/mountinfo": TWO.format(root="/"),
        **{f"{GROUP}/{name.replace('_', '.', 1)}": text for name, text in files.items()},
    }


def test_a_container_of_version_2_is_bound_by_the_root_that_it_sees(tree):
    root = tree(
        container_of_version_2(
            memory_max=200 * MB,
            memory_current=60 * MB,
            memory_stat=f"anon {10 * MB}\ninactive_file {40 * MB}\n",
        )
    )

    bound = memory_limit(root)

    assert (bound.limit, bound.room, bound.group) == (200 * MB, 180 * MB, f"/{GROUP}")


def test_max_is_no_limit(tree):
    root = tree(container_of_version_2(memory_max="max", memory_current=60 * MB))

    assert memory_limit(root) is None
    assert features.memory_note(root) == "no limit"


def test_a_service_is_bound_by_the_tightest_group_above_it(tree):
    root = tree(
        {
            "proc/self/cgroup": "0::/system.slice/sixscope.service\n",
            "proc/self/mountinfo": TWO.format(root="/"),
            f"{GROUP}/system.slice/memory.max": 300 * MB,
            f"{GROUP}/system.slice/memory.current": 250 * MB,
            f"{GROUP}/system.slice/sixscope.service/memory.max": 280 * MB,
            f"{GROUP}/system.slice/sixscope.service/memory.current": 10 * MB,
        }
    )

    bound = memory_limit(root)

    assert (bound.group, bound.room) == (f"/{GROUP}/system.slice", 50 * MB)


@pytest.mark.parametrize(
    ("own", "mounted"), [("/docker/abc", "/docker/abc"), ("/docker/abc", "/"), ("/", "/")]
)
def test_a_container_of_version_1_is_found_with_and_without_a_namespace(tree, own, mounted):
    inner = own.removeprefix(mounted).strip("/")
    at = "/".join(filter(None, (f"{GROUP}/memory", inner)))
    root = tree(
        {
            "proc/self/cgroup": f"9:name=systemd:/\n4:memory:{own}\n1:cpu:/\n0::/\n",
            "proc/self/mountinfo": ONE.format(root=mounted),
            f"{GROUP}/memory/memory.limit_in_bytes": NEVER,
            f"{GROUP}/memory/memory.usage_in_bytes": 5 * MB,
            f"{at}/memory.limit_in_bytes": 128 * MB,
            f"{at}/memory.usage_in_bytes": 30 * MB,
        }
    )

    assert memory_limit(root).room == 98 * MB


PLENTY = {"proc/meminfo": "MemTotal: 8000000 kB\nMemAvailable:    4000000 kB\n"}


def test_a_limit_in_which_compiling_does_not_fit_says_what_is_needed(tree):
    root = tree({**PLENTY, **container_of_version_2(memory_max=200 * MB, memory_current=20 * MB)})

    assert features.memory(root) == (
        "/sys/fs/cgroup allows 200 MB and has 180 MB left; compiling the programs takes 280 MB, and "
        "the kernel would kill it"
    )


def test_a_limit_that_is_wide_enough_is_told_beside(tree):
    root = tree({**PLENTY, **container_of_version_2(memory_max=512 * MB, memory_current=20 * MB)})

    assert features.memory(root) is None
    assert features.memory_note(root) == "/sys/fs/cgroup has 492 MB of 512 MB left"


def test_a_machine_without_memory_says_so(tree):
    root = tree({"proc/meminfo": "MemAvailable:    150000 kB\n"})

    assert features.memory(root) == "only 154 MB of memory available, 280 MB are needed"


PROFILES = "sys/kernel/security/apparmor/profiles"


def test_profiles_have_names_with_spaces_and_slashes(tree):
    root = tree({PROFILES: "named (enforce)\n/usr/sbin/unbound (complain)\nA b//null (kill)\n"})

    assert profiles(root) == {
        "named": "enforce",
        "/usr/sbin/unbound": "complain",
        "A b//null": "kill",
    }


def test_without_apparmor_there_is_nothing_to_say(tmp_path):
    assert features.app_armor(tmp_path) is None
    assert "not in the way" in features.app_armor_note(tmp_path)
    assert confined(tmp_path) == ("", "")


def test_enforced_profiles_of_servers_are_named_and_do_no_harm(tree):
    root = tree({PROFILES: "/usr/sbin/named (enforce)\nunbound (complain)\nman_groff (enforce)\n"})

    assert features.app_armor(root) is None
    assert features.app_armor_note(root).startswith("enforced for /usr/sbin/named: ")


def test_a_profile_of_what_runs_from_its_own_place_refuses_the_lab(tree):
    root = tree({PROFILES: "/usr/sbin/tayga (enforce)\n"})

    assert features.app_armor(root) == "AppArmor enforces a profile of /usr/sbin/tayga"


@pytest.mark.parametrize("name", ["attr/apparmor/current", "attr/current"])
def test_a_container_confines_everything_that_is_started_in_it(tree, name):
    root = tree({f"proc/self/{name}": "cri-containerd.apparmor.d (enforce)\n"})

    assert "runs under the AppArmor profile cri-containerd.apparmor.d" in features.app_armor(root)


@pytest.mark.parametrize("words", ["unconfined\n", "snap.sixscope (complain)\n", "\0"])
def test_unconfined_or_complaining_is_no_trouble(tree, words):
    root = tree({"proc/self/attr/current": words})

    assert features.app_armor(root) is None
