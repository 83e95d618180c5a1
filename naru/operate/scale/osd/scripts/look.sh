# What a host says of itself that is to have OSDs: read by naru.operate.scale.osd.hosts. The disks are the arguments.
# Each part begins with a line of its own. Nothing is changed.
PATH=$PATH:/usr/sbin:/sbin
part() { printf '\n== %s\n' "$*"; }

part clock
date +%s.%N
part name
cat /proc/sys/kernel/hostname
part system
(. /etc/os-release 2>/dev/null && echo "$ID $VERSION_ID")
part programs
for one in python3 podman docker lvm chronyc ntpq systemctl ceph-osd; do
    command -v "$one" >/dev/null && echo "$one"
done
part addresses
ip -j addr show 2>/dev/null
for disk; do
    real=$(readlink -f "$disk")
    part kind "$disk"
    if [ -b "$real" ]; then echo block; elif [ -e "$real" ]; then echo other; else echo missing; fi
    [ -b "$real" ] || continue
    part real "$disk"
    echo "$real"
    part blocks "$disk"
    lsblk -J -b -o NAME,TYPE,SIZE,RO,FSTYPE,MOUNTPOINT "$real" 2>/dev/null
    part signatures "$disk"
    wipefs -n -p "$real" 2>/dev/null | grep -v '^#'
    part holders "$disk"
    ls "/sys/class/block/${real##*/}/holders" 2>/dev/null
    part exclusive "$disk"
    # what a mount, LVM, md or another OSD holds cannot be opened alone
    python3 -c 'import os, sys; os.close(os.open(sys.argv[1], os.O_RDONLY | os.O_EXCL))' "$real" 2>&1 | tail -n 1
done
part clock
date +%s.%N
part end
