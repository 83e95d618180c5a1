# The write gate of a HAProxy: close|open SOCKET DIRECTORY SEEN_AS SERVICE...; closing has addresses on standard input,
# a line each, then `end`. The files come first: what is told at the socket alone is gone with the next reload.
verb=$1 socket=$2 directory=$3 seen=$4
shift 4
map=$directory/gates.map list=$directory/allowed.list

# what a service's gate is, in a file's lines: FILE SERVICE
gate() { awk -v name="$2" '$1 == name { print $2; exit }' "$1"; }

# what each of the services is in the file and in the running HAProxy: STATE SERVICE...
set_gates() {
  state=$1
  shift
  awk -v names=" $* " -v state="$state" 'index(names, " " $1 " ") { print $1, state; next } { print }' "$map" |
    renew "$map"
  runs || return 0
  for service; do tell "set map $seen/gates.map $service $state" >/dev/null; done
  now=$(tell "show map $seen/gates.map")
  for service; do
    is=$(printf '%s\n' "$now" | awk -v name="$service" 'NF == 3 && $2 == name { print $3; exit }')
    # without the map it refuses nobody
    [ "$is" = "$state" ] || [ "$state$is" = open ] ||
      fail "the running HAProxy has no gate of $service in $seen/gates.map: see naru site gate rules, then reload it"
  done
}

runs() { grep -qx haproxy /proc/[0-9]*/comm 2>/dev/null; }

# what HAProxy answers; one that does not run has nothing to be told, and reads its files when it starts
tell() { ask_haproxy "$socket" "$1"; }

# lines on standard input told so many at a time: COMMAND
tell_each() {
  awk -v each="$1 $seen/allowed.list" \
    '{ line = line (line ? ";" : "") each " " $1; if (NR % 100 == 0) { print line; line = "" } }
     END { if (line) print line }' | while read -r line; do tell "$line" >/dev/null; done
}

case $verb in
close)
  take_given
  for file in "$map" "$list"; do
    [ -f "$file" ] || fail "there is no $file: see naru site gate rules"
  done
  for service; do
    [ -n "$(gate "$map" "$service")" ] || fail "$map has no line for $service: see naru site gate rules"
  done
  if runs; then
    processes=$(tell "show info" | awk '/^Nbproc:/ { print $2 }')
    [ "${processes:-1}" = 1 ] || fail "HAProxy has $processes processes (nbproc): a socket speaks to one of them"
  fi
  if [ ! -e "$place/before" ]; then
    find_added "$list"
    for service; do echo "$service $(gate "$map" "$service")"; done >"$place/gates"
    keep_before
  fi
  # who goes on writing is let through before anybody is refused
  add_to "$list"
  if runs; then
    tell "show acl $seen/allowed.list" | awk 'NF == 2 { print $2 }' >"$place/shown"
    without "$place/shown" "$place/wanted" | tell_each "add acl"
  fi
  set_gates closed "$@"
  ;;
open) # as they were
  if [ -e "$place/before" ]; then
    if [ -f "$map" ] && [ -f "$list" ]; then
      while read -r service state; do set_gates "$state" "$service"; done <"$place/gates"
      take_from "$list"
      ! runs || tell_each "del acl" <"$place/added"
    fi
    rm -f "$place/before" "$place/added" "$place/gates" "$place/wanted" "$place/shown" "$place/given"
  fi
  ;;
esac
if runs; then echo running=yes; else echo running=no; fi
