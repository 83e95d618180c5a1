# What every script begins with. It needs root.
set -eu
umask 077
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
[ "$(id -u)" = 0 ] || exit 77
boot=$(cat /proc/sys/kernel/random/boot_id)

# a host that is going down: nothing is begun there, and what fails there fails for that
goes_down() {
  [ -d /run/systemd/system ] || return 1
  case $(systemctl is-system-running 2>/dev/null || :) in
  stopping | offline | unknown | "") return 0 ;;
  esac
  return 1
}
! goes_down || exit 76
trap 'code=$?; case $code in 0 | 65 | 75 | 76) ;; *) ! goes_down || exit 76 ;; esac; exit $code' EXIT

fail() {
  printf '%s\n' "$1" >&2
  exit 70
}

# whether the process that stands in the file `started` lives: 3rd line, and proc(5), stat, 22
lives() {
  { read -r its_boot && read -r _ && read -r pid began; } 2>/dev/null <"$1" || return 1
  [ "$its_boot" = "$boot" ] || return 1
  read -r stat 2>/dev/null <"/proc/$pid/stat" || return 1
  set -- ${stat##*) }
  [ "${20}" = "$began" ]
}
