#!/bin/sh
# Everything that building the image runs: install.sh SOURCES PROGRAMS [ROOT]
#
# SOURCES is the repository, PROGRAMS what `sixscope build-programs` wrote. Into a Debian of the slim kind
# come Python, nft and the pinned packages that a node needs; no compiler, no BCC, nothing of the lab.
set -eu

sources=$1 programs=$2
home=/opt/sixscope
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

apt-get -qq update
apt-get -qq install --no-install-recommends nftables python3 python3-venv >/dev/null

python3 -m venv "$home"
grep -Ev '^(#|scapy==)' "$sources/.lock/runtime.txt" >/tmp/pins
"$home/bin/pip" install -q --disable-pip-version-check --no-input --no-compile -r /tmp/pins
site=$("$home/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
cp -R "$sources/dataplane" "$sources/probes" "$site/"
find "$site" -name __pycache__ -type d -prune -exec rm -r {} +
mkdir -p "$home/programs"
cp "$programs"/*.json "$home/programs/"
cat >"$home/bin/sixscope" <<END
#!$home/bin/python
import sys

from dataplane.commands import main

sys.exit(main())
END
chmod 755 "$home/bin/sixscope"

# The file system is read-only later, and compiling every module is most of what starting costs.
"$home/bin/pip" uninstall -q -y pip setuptools >/dev/null 2>&1 || :
"$home/bin/python" -m compileall -q --invalidation-mode unchecked-hash "$site" /usr/lib/python3*
apt-get -qq purge --auto-remove python3-venv python3-pip-whl python3-setuptools-whl >/dev/null || :
apt-get clean
rm -rf /tmp/pins /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log /usr/share/doc/* /usr/share/man/* "$HOME/.cache"

"$home/bin/sixscope" attach --help >/dev/null
