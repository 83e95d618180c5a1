# A unit of systemd: record|start|stop|restart|mask|unmask|hold|release|clear UNIT ...
verb=$1 unit=$2
shift 2
own=/etc/systemd/system/$unit
held=$own.d/zz-naru-hold.conf

show() {
  systemctl show --property=LoadState --property=ActiveState --property=SubState --property=UnitFileState \
    --property=Job --property=Result --property=Type --property=InactiveExitTimestampMonotonic "$unit"
  echo "Boot=$boot"
}

# puts what is at $new in the place of the unit's own file
replace() {
  settle "$new" "$own"
  systemctl daemon-reload
}

[ -d /run/systemd/system ] || fail "there is no systemd here"
new=/etc/systemd/system/.naru-${place##*-}
case $verb in
record) # NAME: what the unit is, unless that is known: as it was before, and as it is
  if [ ! -e "$place/$1" ]; then
    show >"$place/$1.new"
    settle "$place/$1.new" "$place/$1"
  fi
  cat "$place/$1"
  echo
  show
  ;;
start | restart) # BOOT SINCE: of the start that it has had; when it has had another one, this was sent before
  job=$(systemctl show --property=Job "$unit")
  case ${job#Job=} in
  "" | 0)
    since=$(systemctl show --property=InactiveExitTimestampMonotonic "$unit")
    if [ "$1" = "$boot" ] && [ "$2" = "${since#*=}" ]; then systemctl --no-block "$verb" "$unit"; fi
    ;;
  esac
  ;;
stop)
  systemctl --no-block stop "$unit"
  ;;
mask) # by hand: systemctl leaves alone a unit whose own file is there
  if [ "$(readlink "$own" || :)" != /dev/null ]; then
    if [ -e "$own" ] || [ -L "$own" ]; then
      rm -f "$place/former.new"
      cp -a "$own" "$place/former.new"
      settle "$place/former.new" "$place/former"
    fi
    ln -sfn /dev/null "$new"
    replace
  else
    systemctl daemon-reload
  fi
  ;;
unmask)
  if [ "$(readlink "$own" || :)" = /dev/null ]; then
    if [ -e "$place/former" ] || [ -L "$place/former" ]; then
      rm -f "$new"
      cp -a "$place/former" "$new"
      replace
    else
      rm -f "$own"
      sync /etc/systemd/system
    fi
  fi
  systemctl daemon-reload
  ;;
hold) # its own files and links stay as they are: systemd finds that its condition does not hold
  if [ ! -d "$own.d" ]; then
    mkdir "$own.d"
    chmod 755 "$own.d"
  fi
  printf '# of Naru: the unit is not started as long as this file is there\n[Unit]\nConditionPathExists=!%s\n' \
    "$held" >"$new"
  chmod 644 "$new"
  settle "$new" "$held"
  systemctl daemon-reload
  ;;
release)
  if [ -e "$held" ]; then
    rm -f "$held"
    rmdir --ignore-fail-on-non-empty "$own.d"
    sync /etc/systemd/system
  fi
  systemctl daemon-reload
  ;;
clear)
  rm -f "$place/before" "$place/again"
  rm -f "$place/former" "$place/former.new" "$new"
  ;;
esac
