# The write gate of an nginx or Apache: close|open DIRECTORY PROGRAMS RELOAD SERVICE...; closing has lines for who goes on
# writing on standard input, then `end`. A gate is closed while its file is there, which is looked for at each request.
verb=$1 directory=$2 programs=$3 reload=$4
shift 4
list=$directory/allowed.conf

# the processes
pids() {
  for comm in /proc/[0-9]*/comm; do
    read -r name 2>/dev/null <"$comm" || continue
    case " $programs " in *" $name "*)
      pid=${comm%/comm}
      echo "${pid#/proc/}"
      ;;
    esac
  done
}

runs() { [ -n "$(pids)" ]; }

# has what runs read who is let through: processes of its begin anew then
read_again() {
  runs || return 0
  before=" $(pids | tr '\n' ' ') " tries=0
  sh -c "$reload" >"$place/said" 2>&1 </dev/null || fail "$reload: $(tail -n 5 "$place/said")"
  until new "$before"; do
    tries=$((tries + 1))
    [ "$tries" -lt 150 ] || fail "$reload: no process of $programs has begun anew"
    sleep 0.2
  done
}

# whether there is a process that is not among these: PIDS
new() {
  for pid in $(pids); do
    case $1 in *" $pid "*) ;; *) return 0 ;; esac
  done
  return 1
}

# closed|open SERVICE
set_gate() {
  if [ "$1" = closed ]; then
    : >"$directory/$2.closed"
    sync "$directory/$2.closed"
  else
    rm -f "$directory/$2.closed"
  fi
}

case $verb in
close)
  take_given
  [ -f "$list" ] || fail "there is no $list: see naru site gate rules"
  for service; do
    [ -f "$directory/$service.conf" ] || fail "there is no $directory/$service.conf: see naru site gate rules"
  done
  if [ ! -e "$place/before" ]; then
    find_added "$list"
    for service; do
      if [ -e "$directory/$service.closed" ]; then echo "$service closed"; else echo "$service open"; fi
    done >"$place/gates"
    keep_before
  fi
  # who goes on writing is let through before anybody is refused
  if [ -s "$place/added" ]; then
    add_to "$list"
    read_again
  fi
  for service; do set_gate closed "$service"; done
  ;;
open) # as they were
  if [ -e "$place/before" ]; then
    if [ -d "$directory" ]; then
      while read -r service state; do set_gate "$state" "$service"; done <"$place/gates"
    fi
    if [ -s "$place/added" ] && [ -f "$list" ]; then
      take_from "$list"
      read_again
    fi
    rm -f "$place/before" "$place/added" "$place/gates" "$place/wanted" "$place/given" "$place/said"
  fi
  ;;
esac
if runs; then echo running=yes; else echo running=no; fi
