# A directory that comes as an archive and is switched to by a link: begin|unpack|switch|undo DIRECTORY LINK SHA256, undo
# without it
# The mark `.naru-tree` in it says of which archive it is; SHA256 may be "": of any.
verb=$1 directory=$2 link=$3 wanted=${4-}
new=${directory%/*}/.naru-${place##*-}
part=$new.part

digest() {
  set -- $(sha256sum <"$1")
  echo "$1"
}

# the directories above it that are not there; which ones those were is kept
above() {
  missing=
  up=${1%/*}
  while [ -n "$up" ] && [ ! -d "$up" ]; do
    missing="$up
$missing"
    up=${up%/*}
  done
  [ -n "$missing" ] || return 0
  printf '%s' "$missing" >>"$place/made-above"
  (umask 022 && mkdir -p "${1%/*}")
}

is() {
  mark=$(cat "$directory/.naru-tree" 2>/dev/null || :)
  if [ -n "$mark" ] && [ "$mark" = "${wanted:-$mark}" ]; then echo ours
  elif [ -e "$directory" ] || [ -L "$directory" ]; then echo other
  else echo none; fi
}

case $verb in
begin)
  echo "$wanted" >"$place/wanted.new"
  settle "$place/wanted.new" "$place/wanted"
  above "$directory"
  rm -rf "$new" "$new.gone"
  is=$(is)
  if [ -n "$link" ]; then
    above "$link"
    if [ -e "$link" ] && [ ! -L "$link" ]; then fail "$link is there, and is no symbolic link"; fi
    if [ ! -e "$place/before" ]; then
      (readlink "$link" || :) >"$place/before.new"
      settle "$place/before.new" "$place/before"
    fi
    echo "link=$(readlink "$link" || :)"
    echo "before=$(cat "$place/before")"
  fi
  echo "is=$is"
  echo "part=$(stat -c %s "$part" 2>/dev/null || echo 0)"
  df --output=avail,iavail -B1 "${directory%/*}/" | tail -1 | { read -r bytes files && echo "free=$bytes" && echo "files=$files"; }
  ;;
unpack) # OPTIONS [AHEAD]: those of tar, and whether it has time
  if [ -n "${6-}" ]; then
    # what runs on the host comes first
    renice -n 19 -p $$ >/dev/null 2>&1 || :
    ionice -c 3 -p $$ >/dev/null 2>&1 || :
  fi
  case $(is) in
  ours) ;;
  other) fail "$directory is there, and is not from this archive" ;;
  none)
    if [ "$(digest "$part")" != "$wanted" ]; then
      rm -f "$part"
      exit 65
    fi
    rm -rf "$new"
    mkdir "$new"
    chmod 755 "$new"
    # shellcheck disable=SC2086
    (umask 022 && tar -x -p $5 -f "$part" -C "$new") || fail "the archive cannot be unpacked"
    echo "$wanted" >"$new/.naru-tree"
    chmod 644 "$new/.naru-tree"
    : >"$place/made"
    sync "$place/made" "$place"
    sync -f "$new" 2>/dev/null || sync
    mv -T "$new" "$directory"
    sync "${directory%/*}"
    ;;
  esac
  rm -f "$part"
  ;;
switch)
  if [ "$(readlink "$link" || :)" != "$directory" ]; then
    rm -f "${link%/*}/.naru-link-${place##*-}"
    ln -s "$directory" "${link%/*}/.naru-link-${place##*-}"
    settle "${link%/*}/.naru-link-${place##*-}" "$link"
  fi
  ;;
undo)
  wanted=$(cat "$place/wanted" 2>/dev/null || :)
  if [ -n "$link" ] && [ -e "$place/before" ]; then
    rm -f "${link%/*}/.naru-link-${place##*-}"
    former=$(cat "$place/before")
    # a link that somebody has switched since is theirs
    if [ "$(readlink "$link" || :)" = "$directory" ] && [ "$former" != "$directory" ]; then
      if [ -n "$former" ]; then
        ln -s "$former" "${link%/*}/.naru-link-${place##*-}"
        settle "${link%/*}/.naru-link-${place##*-}" "$link"
      else
        rm -f "$link"
        sync "${link%/*}"
      fi
    fi
  fi
  if [ -e "$place/made" ] && [ "$(is)" = ours ]; then mv -T "$directory" "$new.gone"; fi
  rm -rf "$new" "$new.gone" "$part"
  if [ -e "$place/made-above" ]; then
    sort -r "$place/made-above" | while read -r up; do rmdir "$up" 2>/dev/null || :; done
  fi
  rm -f "$place/before" "$place/made" "$place/made-above" "$place/wanted"
  ;;
esac
