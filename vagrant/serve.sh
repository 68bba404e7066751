#!/bin/sh
# Run the lab and serve it to the host of this virtual machine, which forwards 127.0.0.1:8464 to here.
# Plain HTTP, because the way from there to here does not leave that host; never without the token.
set -eu

project=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)

exec "$project/run" lab "$@" --serve --host 0.0.0.0 --port 8464 --insecure-http \
    --token-file /etc/sixscope/token --allow-host localhost --allow-host 127.0.0.1
