# A container of podman or docker: record|start|stop|restart|clear ENGINE NAME ...
# ENGINE may be "": the one that there is, and that knows the container.
verb=$1 engine=$2 name=$3
shift 3

if [ -z "$engine" ]; then
  for one in podman docker; do
    if command -v "$one" >/dev/null && "$one" container inspect "$name" >/dev/null 2>&1; then
      engine=$one
      break
    fi
  done
  [ -n "$engine" ] || fail "neither podman nor docker has a container $name"
fi
command -v "$engine" >/dev/null || fail "there is no $engine"

show() {
  echo "engine=$engine"
  echo "boot=$boot"
  "$engine" container inspect --format 'status={{.State.Status}}
started={{.State.StartedAt}}
code={{.State.ExitCode}}' "$name"
}

case $verb in
record) # what it is, unless that is known: as it was before, and as it is
  if [ ! -e "$place/before" ]; then
    show >"$place/before.new"
    settle "$place/before.new" "$place/before"
  fi
  cat "$place/before"
  echo
  show
  ;;
start | stop | restart) # BOOT SINCE: of the start that it has had; when it has had another one, this was sent before
  since=$("$engine" container inspect --format '{{.State.StartedAt}}' "$name")
  if [ "$verb" != stop ] && { [ "$1" != "$boot" ] || [ "$2" != "$since" ]; }; then exit 0; fi
  # the lock is not for what stays behind
  "$engine" "$verb" "$name" >"$place/said" 2>&1 9>&- || fail "$(cat "$place/said")"
  rm -f "$place/said"
  ;;
logs)
  "$engine" logs --tail 20 "$name" 2>&1 || :
  ;;
clear)
  rm -f "$place/before" "$place/before.new" "$place/said"
  ;;
esac
