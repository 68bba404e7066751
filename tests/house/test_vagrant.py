"""The Vagrantfile is valid, and reaches no further than the host it runs on."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_api_is_forwarded_to_loopback_only():
    text = (ROOT / "Vagrantfile").read_text()
    (forwarded,) = re.findall(r'network "forwarded_port".*', text)
    assert "guest: 8464, host: 8464" in forwarded
    assert 'host_ip: "127.0.0.1"' in forwarded
    assert "public_network" not in text


@pytest.fixture
def validate(tmp_path):
    (tmp_path / "vagrant").mkdir()
    shutil.copy(ROOT / "vagrant" / "provision.sh", tmp_path / "vagrant")
    # To have its settings checked, VirtualBox only needs to be there.
    (tmp_path / "VBoxManage").write_text("#!/bin/sh\necho 7.0.20r163906\n")
    (tmp_path / "VBoxManage").chmod(0o755)

    def run(text, provider):
        (tmp_path / "Vagrantfile").write_text(text)
        done = subprocess.run(
            ["vagrant", "validate"],
            cwd=tmp_path,
            env={
                "PATH": f"{tmp_path}:{os.environ['PATH']}",
                "HOME": str(tmp_path),
                "VAGRANT_HOME": str(tmp_path / "home"),
                "VAGRANT_CHECKPOINT_DISABLE": "1",
                "VAGRANT_DEFAULT_PROVIDER": provider,
                "LANG": "C.UTF-8",
            },
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.mark.long
@pytest.mark.needs("vagrant")
@pytest.mark.parametrize("provider", ["virtualbox", "libvirt"])
def test_vagrant_finds_nothing_wrong(validate, provider):
    text = (ROOT / "Vagrantfile").read_text()
    status, words = validate(text, provider)
    assert status == 0, words
    status, words = validate(text.replace("machine.memory", "machine.elephants"), provider)
    assert status == 1
    assert "elephants" in words
