# A file that is put in place whole: begin|put|undo PATH SHA256 ..., undo without it
verb=$1 path=$2 wanted=${3-}
part=$place/part
# beside it, so that it is put in its place at once
new=${path%/*}/.naru-${place##*-}

digest() {
  set -- $(sha256sum <"$1")
  echo "$1"
}

what() {
  if [ -L "$1" ]; then echo link
  elif [ ! -e "$1" ]; then echo absent
  elif [ -f "$1" ]; then echo file
  else echo other; fi
}

case $verb in
begin) # keeps what is there, unless that is done, and says what is there
  [ -d "${path%/*}/" ] || fail "there is no directory ${path%/*}"
  is=$(what "$path")
  [ "$is" != other ] || fail "$path is no file"
  if [ ! -e "$place/before" ]; then
    rm -f "$place/former" "$place/former.new"
    if [ "$is" != absent ]; then
      cp -a "$path" "$place/former.new"
      settle "$place/former.new" "$place/former"
    fi
    echo "$wanted" >"$place/wanted"
    sync "$place/wanted"
    echo "$is" >"$place/before.new"
    settle "$place/before.new" "$place/before"
  fi
  echo "before=$(cat "$place/before")"
  if [ "$is" = file ]; then
    echo "digest=$(digest "$path")"
    stat --printf='mode=%a\nowner=%U\nuid=%u\ngroup=%G\ngid=%g\n' "$path"
  fi
  echo "part=$(stat -c %s "$part" 2>/dev/null || echo 0)"
  # what is free of the two file systems that it goes through
  echo "free=$(df --output=avail -B1 "$place" "${path%/*}/" | tail -n +2 | sort -n | head -1)"
  ;;
put) # MODE OWNER GROUP: "" as the former one has it
  if [ "$(digest "$part")" != "$wanted" ]; then
    rm -f "$part"
    exit 65
  fi
  rm -f "$new"
  if [ "$(cat "$place/before")" = file ]; then
    # with its owner, mode, security context and attributes: the content alone is another one
    cp -a "$place/former" "$new"
    cat "$part" >"$new"
  else
    cat "$part" >"$new"
    chmod 644 "$new"
  fi
  [ -z "$5" ] || chown -- "$5" "$new"
  [ -z "$6" ] || chgrp -- "$6" "$new"
  [ -z "$4" ] || chmod -- "$4" "$new"
  touch "$new"
  settle "$new" "$path"
  if [ "$(cat "$place/before")" != file ] && command -v restorecon >/dev/null && [ -e /sys/fs/selinux/enforce ]; then
    restorecon "$path"
  fi
  rm -f "$part"
  ;;
undo)
  rm -f "$new" "$part"
  if [ -e "$place/before" ]; then
    is=$(what "$path")
    wanted=$(cat "$place/wanted")
    if [ "$is" = file ] && [ "$(digest "$path")" != "$wanted" ] &&
      ! { [ -f "$place/former" ] && cmp -s "$place/former" "$path"; }; then
      # somebody has changed it since: what they wrote is not lost
      cp -a "$path" "$place/changed.new"
      settle "$place/changed.new" "$place/changed"
      echo "$place/changed"
    fi
    if [ "$(cat "$place/before")" = absent ]; then
      rm -f "$path"
      sync "${path%/*}"
    else
      cp -a "$place/former" "$new"
      settle "$new" "$path"
    fi
    rm -f "$place/before"
    rm -f "$place/former" "$place/former.new" "$place/before.new" "$place/wanted"
  fi
  ;;
esac
