#!/bin/sh
# acpid runs this when the power button is pressed
export PATH=/bin
kill -9 "$(cat /beats)" # else a line might follow `off`
echo "off $(cat /boot)" >> /mnt/marker.log
sync
mount -o remount,ro /mnt
echo GUEST-OFF > /dev/ttyS0
poweroff -f
