#!/bin/sh
# What a new virtual machine needs: the preparation of any machine, and a token for its API.
set -eu

project=${1:-/opt/sixscope}
token=/etc/sixscope/token

"$project/run" prepare lab

if ! [ -s "$token" ]; then
    mkdir -p "${token%/*}"
    (umask 077 && od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$token")
fi
