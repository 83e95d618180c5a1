# A command that goes on without whoever began it: start|stop|tell|clear NAME UNIT ...
verb=$1 directory=$place/$2 unit=$3
shift 3

manager() {
  if [ -d /run/systemd/system ] && command -v systemd-run >/dev/null; then echo unit; else echo process; fi
}

stop() {
  case $(cat "$directory/by" 2>/dev/null) in
  unit)
    systemctl stop "$unit" 2>/dev/null || :
    systemctl reset-failed "$unit" 2>/dev/null || :
    ;;
  process)
    signal=TERM
    for turn in $(seq 200); do
      lives "$directory/started" || return 0
      [ "$turn" -lt 100 ] || signal=KILL
      kill -s "$signal" -- "-$pid" 2>/dev/null || :
      sleep 0.1
    done
    ;;
  esac
}

case $verb in
start) # COMMAND RUN: a shell's line, and run.sh; the environment on standard input, to its line "# whole"
  [ ! -e "$directory/started" ] || exit 0
  stop # one that was told to start, and has not
  [ ! -e "$directory/started" ] || exit 0
  rm -rf "$directory"
  mkdir -p "$directory" /run/naru
  printf '%s\n' "$1" >"$directory/command"
  printf '%s\n' "$2" >"$directory/run"
  cat >"/run/naru/$unit.env"
  # it ends, too, when whoever sends it is killed: what is not whole is not begun with
  if [ "$(tail -n 1 "/run/naru/$unit.env")" != "# whole" ]; then
    rm -f "/run/naru/$unit.env"
    exit 65
  fi
  by=$(manager)
  echo "$by" >"$directory/by"
  sync "$directory" "$directory/command" "$directory/run" "$directory/by"
  if [ "$by" = unit ]; then
    systemctl reset-failed "$unit" 2>/dev/null || :
    systemd-run --unit="$unit" --description="a step of Naru" --property=TimeoutStopSec=10 \
      /bin/sh "$directory/run" "$directory" "/run/naru/$unit.env" >"$directory/said" 2>&1 9>&- ||
      fail "$(cat "$directory/said")"
  else
    setsid /bin/sh "$directory/run" "$directory" "/run/naru/$unit.env" </dev/null >/dev/null 2>&1 9>&- &
  fi
  ;;
stop)
  stop
  ;;
tell) # ATTEMPT: the one that tells how it ended
  echo "$1" >"$directory/told.new"
  settle "$directory/told.new" "$directory/told"
  ;;
clear)
  stop
  rm -f "/run/naru/$unit.env"
  rm -rf "$directory.old"
  [ ! -e "$directory" ] || mv -T "$directory" "$directory.old"
  rm -rf "$directory.old"
  ;;
esac
