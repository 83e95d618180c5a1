# How the write gates of an nginx or Apache are: DIRECTORY SEEN_AS PROGRAMS FILE...; FILEs are its configuration.
directory=$1 seen=$2 programs=$3
shift 3
export LC_ALL=C

# whether the configuration reads a file of the directory: NAME FILE...
is_read() {
  name=$1
  shift
  grep -RhsF "$seen/$name" "$@" | grep -v '^[[:space:]]*#' | grep -qiE '(^|[[:space:];{}])include[[:space:]]' &&
    echo yes || echo no
}

for file in "$directory"/*.conf; do
  [ -e "$file" ] || continue
  name=${file##*/}
  case $name in
  allowed.conf) continue ;;
  naru.conf) echo "common $(is_read "$name" "$@")" ;;
  *)
    service=${name%.conf} state=open
    [ ! -e "$directory/$service.closed" ] || state=closed
    echo "gate $service $state $(is_read "$name" "$@")"
    ;;
  esac
done

# seconds since 1970: when the newest process began, and when what it reads was changed
ticks=$(getconf CLK_TCK 2>/dev/null || echo 100)
booted=$(awk '$1 == "btime" { print $2 }' /proc/stat)
for comm in /proc/[0-9]*/comm; do
  read -r name 2>/dev/null <"$comm" || continue
  case " $programs " in *" $name "*) ;; *) continue ;; esac
  read -r stat 2>/dev/null <"${comm%comm}stat" || continue
  echo "${stat##*) }" | awk -v booted="$booted" -v ticks="$ticks" '{ printf "started %d\n", booted + $20 / ticks }'
done
{ grep -RlsF "$seen/" "$@"; ls "$directory"/*.conf 2>/dev/null; } | while read -r file; do
  stat -Lc 'changed %Y' "$file" 2>/dev/null
done
