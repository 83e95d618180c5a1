# A member of Galera whose server is off: position DIRECTORY RECOVER | safe DIRECTORY | begin DIRECTORY BOOTSTRAP [UNIT]
verb=$1 directory=$2 line=${3-} unit=${4-}
state=$directory/grastate.dat
[ -d "$directory" ] || fail "there is no directory $directory"

case $verb in
position) # how far it had come: as grastate.dat has it, or after a crash as the server recovers it
  uuid=$(sed -n 's/^uuid: *//p' "$state" 2>/dev/null || :)
  seqno=$(sed -n 's/^seqno: *//p' "$state" 2>/dev/null || :)
  safe=$(sed -n 's/^safe_to_bootstrap: *//p' "$state" 2>/dev/null || :)
  by=grastate.dat
  if [ "${seqno:--1}" = -1 ]; then
    by=recovery
    said=$(sh -c "$line" 2>&1 </dev/null) || fail "how far it had come cannot be recovered
$said"
    found=$(printf '%s\n' "$said" | grep -oE '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}:-?[0-9]+' | tail -n 1)
    [ -n "$found" ] || fail "it does not say how far it had come
$said"
    uuid=${found%:*} seqno=${found##*:}
  fi
  printf 'uuid=%s\nseqno=%s\nsafe=%s\nby=%s\n' "$uuid" "$seqno" "${safe:-0}" "$by"
  ;;
safe) # it may begin the cluster: the server asks this file
  [ -e "$state" ] || fail "there is no $state"
  rm -f "$state.naru"
  cp -p "$state" "$state.naru"
  sed -i 's/^safe_to_bootstrap:.*/safe_to_bootstrap: 1/' "$state.naru"
  settle "$state.naru" "$state"
  ;;
begin) # once: this may have been sent before
  case ${unit:+$(systemctl is-active "$unit" || :)} in
  active | activating | reloading) exit 0 ;;
  esac
  # into a file: a server that it leaves in the background would hold the connection open
  sh -c "$line" </dev/null >"$place/said" 2>&1 9>&- || fail "the first member does not start: $line
$(tail -c 2000 "$place/said")"
  ;;
esac
