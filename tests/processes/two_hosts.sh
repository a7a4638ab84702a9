#!/usr/bin/env bash
# Two hosts on one machine, for tests: network namespaces with a cable between them, names and addresses of their own.
#
#   bash tests/processes/two_hosts.sh up NAME            makes NAME-1 (10.77.0.1) and NAME-2 (10.77.0.2), as root
#   bash tests/processes/two_hosts.sh on NAME-2 COMMAND  runs a command on one of them
#   bash tests/processes/two_hosts.sh down NAME          removes both
#
# They see the same files, as machines of a cluster do.
set -euo pipefail

up() {
  ip link add "$1-1" type veth peer name "$1-2"
  for number in 1 2; do
    host=$1-$number
    ip netns add "$host"
    mkdir -p "/etc/netns/$host"
    printf '127.0.0.1 localhost\n10.77.0.1 %s-1\n10.77.0.2 %s-2\n' "$1" "$1" > "/etc/netns/$host/hosts"
    ip link set "$host" netns "$host"
    ip -n "$host" address add "10.77.0.$number/24" dev "$host"
    ip -n "$host" link set lo up
    ip -n "$host" link set "$host" up
  done
}

on() {
  host=$1
  shift
  exec ip netns exec "$host" unshare --uts bash -c 'hostname "$1"; shift; exec "$@"' bash "$host" "$@"
}

down() {
  for host in "$1-1" "$1-2"; do
    ip netns delete "$host" || true
    rm -rf "/etc/netns/$host"
  done
}

"$@"
