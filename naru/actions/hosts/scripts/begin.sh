# The beginning of every script that changes something on a host for a step: PLACE FENCE WORD...
# PLACE is what the step keeps on the host, root's alone. Of two scripts of a step one waits for the other, and one that
# comes late, of a connection or an executor given up long since, does nothing: its FENCE is not the newest.
place=$1 fence=$2
shift 2

# what is whole on the disk under its name, or not there: FILE NAME
settle() {
  [ -L "$1" ] || sync "$1"
  mv -fT "$1" "$2"
  sync "${2%/*}"
}

mkdir -p "$place"
exec 9>"$place/lock"
flock 9
last=$(cat "$place/fence" 2>/dev/null || :)
[ "$fence" -gt "${last:-0}" ] || exit 75
echo "$fence" >"$place/fence.new"
mv -f "$place/fence.new" "$place/fence"
