#!/bin/sh
# The guest's only program: a line a second to its disk, until the power button is pressed.
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in $(cat /lib/order); do insmod "/lib/$module"; done
disk=
while [ -z "$disk" ]; do
  for try in /dev/vda2 /dev/sda2; do [ -b $try ] && disk=$try; done
  sleep 0.1
done
mount -t ext4 $disk /mnt || echo MOUNT-FAILED
boot=$(($(cat /mnt/boots 2>/dev/null || echo 0) + 1))
echo $boot > /mnt/boots
echo $boot > /boot
echo "boot $boot" >> /mnt/marker.log
sync
ip link set eth0 up 2>/dev/null
acpid
beats() {
  beat=0
  while :; do
    beat=$((beat + 1))
    echo "hb $boot $beat" >> /mnt/marker.log
    sync
    [ $((beat % 10)) = 0 ] && echo "hb $boot $beat"
    sleep 1
  done
}
beats &
echo $! > /beats
echo "GUEST-READY boot=$boot disk=$disk uptime=$(cut -d' ' -f1 /proc/uptime)"
while :; do wait; done
