#!/bin/sh
# holder.sh DIRECTORY PYTHON CGROUP...: starts the holder of a lab's hosts, in namespaces of its own.
#
# This process becomes `unshare`, and the kernel kills the holder with it. What the kernel does not take away by itself
# are the lab's cgroups: a watcher waits on a pipe that the holder has open, and removes them when it is gone.
set -eu
directory=$1 python=$2
shift 2
rm -f "$directory/alive"
mkfifo -m 600 "$directory/alive"
setsid sh -c '
  alive=$1
  shift
  exec 3<"$alive"
  read -r nothing <&3 || true
  left=600
  while [ "$left" -gt 0 ]; do
    for root; do
      if [ -d "$root" ]; then find "$root" -depth -type d -exec rmdir {} + 2>/dev/null || true; fi
    done
    found=
    for root; do if [ -d "$root" ]; then found=$root; fi; done
    if [ -z "$found" ]; then exit 0; fi
    left=$((left - 1))
    sleep 0.05
  done' watcher "$directory/alive" "$@" </dev/null &
exec 3>"$directory/alive"
rm "$directory/alive"
# the shell inside is the init: it collects what loses its parent
exec unshare --mount --net --pid --ipc --fork --kill-child --mount-proc --propagation slave \
  sh -c '"$@"; exit $?' init "$python" -m naru.lab.hosts.holder "$directory"
