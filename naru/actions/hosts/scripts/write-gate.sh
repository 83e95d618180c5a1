# The write gate of a HAProxy: close|open SOCKET DIRECTORY SEEN_AS SERVICE...; closing has addresses on standard input,
# a line each, and `end`: else a sender that was killed has sent but a part. The files come first: what is told at the socket alone is gone with the next reload.
verb=$1 socket=$2 directory=$3 seen=$4
shift 4
map=$directory/gates.map list=$directory/allowed.list

# puts what is on standard input in the place of a file, as that was: FILE
renew() {
  cp -a "$1" "$1.naru"
  cat >"$1.naru"
  settle "$1.naru" "$1"
}

# the lines of the second file that are not in the first, which may be empty: FILE FILE
without() { awk 'FILENAME == ARGV[1] { has[$1] = 1; next } !($1 in has)' "$1" "$2"; }

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
  cat >"$place/given"
  [ "$(tail -n 1 "$place/given")" = end ] || exit 65
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
    awk 'NF == 1 && $1 != "end" && !seen[$1]++ { print $1 }' "$place/given" >"$place/wanted"
    without "$list" "$place/wanted" >"$place/added"
    for service; do echo "$service $(gate "$map" "$service")"; done >"$place/gates"
    sync "$place/wanted" "$place/added" "$place/gates"
    : >"$place/before.new"
    settle "$place/before.new" "$place/before"
  fi
  # who goes on writing is let through before anybody is refused
  awk 'NF && !seen[$0]++' "$list" "$place/added" | renew "$list"
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
      without "$place/added" "$list" | renew "$list"
      ! runs || tell_each "del acl" <"$place/added"
    fi
    rm -f "$place/before" "$place/added" "$place/gates" "$place/wanted" "$place/shown" "$place/given"
  fi
  ;;
esac
if runs; then echo running=yes; else echo running=no; fi
