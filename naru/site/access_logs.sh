# Requests in the logs of one host, counted there: what is called behind the functions says which logs. Nothing is
# changed. It takes what processor and disk others leave, and little memory: only counts are kept.

renice -n 19 -p $$ >/dev/null 2>&1
have ionice && ionice -c 3 -p $$ >/dev/null 2>&1
ulimit -v 2000000 2>/dev/null
export LC_ALL=C SINCE
SINCE=$(date -d "@$(($(date +%s) - DAYS * 86400))" '+%Y-%m-%d %H:%M:%S')

# what is on standard input as lines of the source NUMBER. SERVICE is whose it is, "" for a load balancer's, several
# with blanks between for a log that they have in common: NUMBER SERVICE
counted() {
    { SERVICE=$2 awk "$AWK" || echo broken; } | while IFS= read -r line; do printf '%s\n' "$1$T$line"; done
}

# a log, unpacked if it has to be
opened() {
    case $1 in
        *.gz) gzip -dc -- "$1" ;;
        *.xz) xz -dc -- "$1" ;;
        *.bz2) bzip2 -dc -- "$1" ;;
        *.zst) zstd -dcq -- "$1" ;;
        *) cat -- "$1" ;;
    esac 2>/dev/null
}

# a file, and what it was before it was rotated, so far as it was written to in those days: NUMBER SERVICE FILE
file() {
    number=$1 service=$2 path=$3
    if [ ! -r "$path" ]; then say "$number" unread "$path"; return; fi
    set --
    for one in "$path" "$path".* "$path"-*; do
        [ -f "$one" ] && [ -n "$(find "$one" -prune -mtime "-$DAYS")" ] && set -- "$@" "$one"
    done
    { for one; do opened "$one" || say "$number" unread "$one" >&3; done | counted "$number" "$service"; } 3>&1
}

# a service that has no log: NUMBER SERVICE NAME
none() { say "$1" unread ''; }

# what systemd's journal has of a unit: NUMBER SERVICE UNIT
journal() {
    { { journalctl -q -o cat --no-pager -u "$3" --since "$SINCE" 2>/dev/null || say "$1" unread "$3" >&3; } |
        counted "$1" "$2"; } 3>&1
}

# what a container has said: NUMBER SERVICE CONTAINER ENGINE
container() {
    engine=${4:-$(command -v podman || command -v docker)}
    { { "$engine" logs --since "$((DAYS * 24))h" "$3" 2>&1 || say "$1" unread "$3" >&3; } | counted "$1" "$2"; } 3>&1
}
