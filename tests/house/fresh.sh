#!/bin/sh
# A fresh machine: runs a command in a newly installed distribution that has never seen this project.
#
#   tests/house/fresh.sh [--worktree] bookworm|trixie|noble ./run lab
#
# The tree comes from debootstrap (minbase, kept in .cache/fresh), what the run adds to it lies in an
# overlay that is thrown away. The command runs in a clone of the repository's HEAD, or in a copy of
# the files as they are now, with nothing in its environment but PATH, HOME and a proxy's certificate.
# Own mounts, processes, host name and control groups; the network is the machine's, for the packages.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
repository=${here%/tests/house}
trees=${SIXSCOPE_CACHE:-$repository/.cache}/fresh
keys=usr/share/keyrings/ubuntu-archive-keyring.gpg

say() { printf '%s\n' "fresh: $*" >&2; }

# Make the tree of a suite once; nothing is left of one that failed half-way. Who comes second waits:
# debootstrap mounts /proc into what it makes, so nobody may clear that away but after it.
plant() (
    [ ! -e "$trees/$1" ] || exit 0
    mkdir -p "$trees"
    exec 9>"$trees/$1.lock"
    flock 9
    [ ! -e "$trees/$1" ] || exit 0
    say "debootstrap $1"
    while umount -l "$trees/$1.part/proc" 2>/dev/null; do :; done
    rm -rf --one-file-system "$trees/$1.part"
    case $1 in
    bookworm | trixie) debootstrap --variant=minbase "$1" "$trees/$1.part" >&2 ;;
    noble)
        # debootstrap knows where Ubuntu lives, but not every release of it, nor its keys.
        plant trixie
        [ -e "$trees/trixie/$keys" ] || inside "$trees/trixie" / sh -c \
            'apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install ubuntu-keyring' >&2
        script=/usr/share/debootstrap/scripts/noble
        [ -e "$script" ] || script=/usr/share/debootstrap/scripts/jammy
        debootstrap --variant=minbase --keyring="$trees/trixie/$keys" --components=main,universe \
            noble "$trees/noble.part" "$(sed -n 's/^ *default_mirror //p' /usr/share/debootstrap/scripts/gutsy)" \
            "$script" >&2
        ;;
    *)
        say "no such suite: $1 (bookworm, trixie or noble)"
        exit 2
        ;;
    esac
    mv "$trees/$1.part" "$trees/$1"
)

# Where the hierarchies of control groups of a type are mounted.
hierarchies() { awk -v type="$1" '$3 == type { print $2 }' /proc/mounts; }

# Go into the group of this run in one hierarchy; one of cpuset takes nobody before it has CPUs.
join() {
    for file in cpuset.cpus cpuset.mems; do
        [ ! -e "$1/$file" ] || cat "$1/$file" >"$1/$FRESH_GROUP/$file"
    done
    echo $$ >"$1/$FRESH_GROUP/cgroup.procs"
}

# inside ROOT DIRECTORY COMMAND...: the command sees ROOT as its whole machine.
inside() {
    FRESH_GROUP=sx-fresh-$$
    export FRESH_GROUP
    for hierarchy in $(hierarchies cgroup2 | head -n 1) $(hierarchies cgroup); do
        mkdir -p "$hierarchy/$FRESH_GROUP"
    done
    status=0
    unshare --fork --kill-child --mount --pid --uts "$here/fresh.sh" --inside "$@" || status=$?
    for hierarchy in $(hierarchies cgroup2 | head -n 1) $(hierarchies cgroup); do
        find "$hierarchy/$FRESH_GROUP" -depth -type d -exec rmdir {} +
    done
    return "$status"
}

enter() {
    root=$1 directory=$2
    shift 2
    unified=$(hierarchies cgroup2 | head -n 1)
    legacy=$(hierarchies cgroup)
    for hierarchy in $unified $legacy; do
        join "$hierarchy"
    done
    mount --make-rprivate /
    if [ -n "${FRESH_OVERLAY:-}" ]; then
        mount -t overlay -o "lowerdir=$root,upperdir=$FRESH_OVERLAY/upper,workdir=$FRESH_OVERLAY/work" \
            fresh "$FRESH_OVERLAY/root"
        root=$FRESH_OVERLAY/root
    else
        mount --bind "$root" "$root" # `ip netns` wants / to be a mount
    fi
    mount -t proc proc "$root/proc"
    mount -t sysfs sysfs "$root/sys"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/run"
    mkdir -p "$root/run/lock"
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    # Not chroot: a process in one may not make user namespaces.
    # shellcheck disable=SC2016 # it is the inner shell that expands
    set -- sh -c 'cd "$1" && pivot_root . . && umount -l . && cd "$2" && shift 2 && exec "$@"' \
        sh "$root" "$directory" "$@"
    if [ -n "${PIP_CERT:-}" ]; then
        cp -L "$PIP_CERT" "$root/root/certificates.pem"
        set -- PIP_CERT=/root/certificates.pem "$@"
    fi
    if [ -n "${SIXSCOPE_VECTORS:-}" ] && [ -d "$SIXSCOPE_VECTORS" ]; then
        cp -R "$SIXSCOPE_VECTORS" "$root/root/vectors"
        set -- SIXSCOPE_VECTORS=/root/vectors "$@"
    fi
    set -- env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"
    [ -n "$unified" ] || exec "$@"
    # Controllers of version 1 as the machine has them, without the groups of others: what stands alone
    # at /sys/fs/cgroup is taken by runc for the version 2 that has them all.
    groups=$root/sys/fs/cgroup
    if [ -n "$legacy" ]; then
        mount -t tmpfs tmpfs "$groups"
        for hierarchy in $legacy; do
            mkdir "$groups/${hierarchy##*/}"
            mount --bind "$hierarchy/$FRESH_GROUP" "$groups/${hierarchy##*/}"
        done
        groups=$groups/unified
        mkdir "$groups"
    fi
    # shellcheck disable=SC2016 # it is the inner shell that expands
    exec unshare --cgroup sh -c 'mount -t cgroup2 cgroup2 "$1" && shift && exec "$@"' sh "$groups" "$@"
}

case ${1:-} in
--inside)
    shift
    enter "$@"
    ;;
--worktree)
    worktree=1
    shift
    ;;
*) worktree='' ;;
esac
[ $# -ge 2 ] || {
    sed -n 's/^# \{0,1\}//; 2,4p' "$0" >&2
    exit 2
}
suite=$1
shift
plant "$suite"

FRESH_OVERLAY=$(mktemp -d "$trees/run.XXXXXX")
export FRESH_OVERLAY
trap 'rm -rf "$FRESH_OVERLAY"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
mkdir -p "$FRESH_OVERLAY/root" "$FRESH_OVERLAY/work" "$FRESH_OVERLAY/upper/root/sixscope"
chmod 755 "$FRESH_OVERLAY/upper"
chmod 700 "$FRESH_OVERLAY/upper/root"
if [ -n "$worktree" ]; then
    { printf '.git\0' && git -C "$repository" ls-files -z --cached --others --exclude-standard; } |
        tar -C "$repository" --null --files-from - --ignore-failed-read -cf - |
        tar -C "$FRESH_OVERLAY/upper/root/sixscope" -xf -
else
    git clone -q --no-hardlinks "$repository" "$FRESH_OVERLAY/upper/root/sixscope"
fi
inside "$trees/$suite" /root/sixscope "$@"
