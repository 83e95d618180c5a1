#!/bin/sh
# holder.sh HOST GUESTS: what a hypervisor host is. Runs as the init of fresh mount, UTS and PID namespaces: when it is
# killed, the kernel ends everything in them. GUESTS/HOST holds the host's files; the same paths show every host its own,
# as on real machines, where a guest finds its disks under the same names after a live migration.
set -e
host=$1 guests=$2 own=$2/$1
hostname "$host"
for pair in etc:/etc/libvirt lib:/var/lib/libvirt run:/run/libvirt log:/var/log/libvirt cache:/var/cache/libvirt; do
  mkdir -p "${pair#*:}"
  mount --bind "$own/${pair%%:*}" "${pair#*:}"
done
# the other hosts' sockets, by a path that is short enough for a socket
mkdir -p /run/libvirt/hosts
mount --bind "$guests" /run/libvirt/hosts
for file in passwd group hosts; do
  mount --bind "$own/$file" "/etc/$file"
done
mount --bind "$own" "$guests/here" # last: its content tells that all is mounted
sleep infinity &
while :; do
  wait # reaps what loses its parent, qemu above all
done
