# What a site says of a host, looked up on it in one go: read by naru.site.check.look. Each line is a kind, what was
# asked for, and values, with tabs between. What to look up is called behind the functions. Nothing is changed.

# what it says, as one line
flat() { tail -c 400 | tr '\t\n' '  '; }

clock() { say clock "$(date +%s.%N)"; }

host() {
    [ "$(id -u)" = 0 ] && say root yes || say root no
    say user "$(id -un 2>/dev/null)"
    read -r id </proc/sys/kernel/random/boot_id && say boot "$id"
    read -r name </proc/sys/kernel/hostname && say name "$name"
    # a container's or a lab's host shows the machine's board, which is not its own
    if [ -r /sys/class/dmi/id/product_uuid ] && read -r id </sys/class/dmi/id/product_uuid; then say uuid "$id"; fi
    if [ -r /sys/class/dmi/id/product_serial ] && read -r id </sys/class/dmi/id/product_serial; then say serial "$id"; fi
    if have ip; then
        ip -o addr show 2>/dev/null | awk -v OFS='\t' '$3 ~ /^inet/ { sub(/\/.*/, "", $4); print "address", $2, $4 }'
    else
        say lacks ip
    fi
}

disks() {
    soon 10 df -Pkl 2>/dev/null | awk -v OFS='\t' 'NR > 1 && $2 > 0 { print "disk", $6, $2, $4 }'
    soon 10 df -Pil 2>/dev/null | awk -v OFS='\t' 'NR > 1 && $2 > 0 { print "inodes", $6, $2, $4 }'
    say disks-end
}

# TCP ports of /proc/net/tcp and tcp6 at which something listens: KIND NAME FILE...
listening() {
    kind=$1 of=$2; shift 2
    cat "$@" 2>/dev/null | awk -v OFS='\t' -v kind="$kind" -v of="$of" '$4 == "0A" { print kind, of, $2 }'
}

# at which ports something listens, and who: of the processes that share a socket, one
ports() {
    listening listens host /proc/net/tcp /proc/net/tcp6
    have ss && [ "$(id -u)" = 0 ] || return 0
    soon 10 ss -ltnp 2>/dev/null | awk '$1 == "LISTEN" && match($0, /pid=[0-9]+/) {
        port = $4; sub(/.*:/, "", port)
        print port, substr($0, RSTART + 4, RLENGTH - 4)
    }' | sort -u | while read -r port pid; do
        read -r name </proc/$pid/comm 2>/dev/null || continue
        say owner "$port" "$pid" "$name" "$(group "$pid")"
    done
}

# the cgroup of a process, which names its unit or its container
group() {
    found=
    while read -r line; do
        case $line in *:name=systemd:*) found=${line#*:*:} ;; 0::*) [ ${#found} -gt 1 ] || found=${line#*:*:} ;; esac
    done 2>/dev/null </proc/$1/cgroup
    printf '%s' "$found"
}

# systemd units: NAME...; sets `pids`, the main process of each, in the same order
units() {
    pids=
    have systemctl || return 0
    shown=$(soon 20 systemctl show -p LoadState -p ActiveState -p SubState -p MainPID -p Id -- "$@" 2>/dev/null)
    # a block for each, in the order asked for; if there are more or fewer, it is not known which is whose
    printf '%s\n' "$shown" | awk -v OFS='\t' '
        BEGIN { RS = ""; FS = "\n"; count = ARGC - 1; for (at = 1; at < ARGC; at++) name[at] = ARGV[at]; ARGC = 1 }
        { line[NR] = "unit" OFS name[NR]; for (at = 1; at <= NF; at++) { gsub(/\t/, " ", $at); line[NR] = line[NR] OFS $at } }
        END { if (NR == count) for (at = 1; at <= NR; at++) print line[at] }' "$@"
    pids=$(printf '%s\n' "$shown" | awk '
        BEGIN { RS = ""; FS = "\n" }
        { pid = 0; for (at = 1; at <= NF; at++) if ($at ~ /^MainPID=/) pid = substr($at, 9); print pid }')
    case $shown in *LoadState=not-found*) other_units=yes ;; esac
}

# the main process of one of them, as `pid`: its NUMBER
main_pid() {
    at=$1
    # shellcheck disable=SC2086
    set -- $pids
    eval "pid=\${$at:-0}"
}

units_there() {
    soon 10 systemctl list-units --type=service --state=active --no-legend --no-pager --plain 2>/dev/null |
        awk -v OFS='\t' '{ print "there", "unit", $1 }'
}

# containers: ENGINE NAME...; calls `of_container NAME PID` for each that runs
containers() {
    engine=$1; shift
    have "$engine" || { say engine "$engine" none; return; }
    if ! names=$(soon 20 "$engine" ps -a --format '{{.Names}}' 2>&1); then
        say engine "$engine" "refused" "$(printf '%s' "$names" | flat)"
        return
    fi
    say engine "$engine" there
    printf '%s\n' "$names" | sed "s/^/there${T}container${T}/"
    wanted=
    for name in "$@"; do
        printf '%s\n' "$names" | grep -Fxq -- "$name" && wanted="$wanted $name"
    done
    [ -n "$wanted" ] || return 0
    # shellcheck disable=SC2086 - names of containers have no blanks
    soon 20 "$engine" inspect --format \
        "{{.Name}}$T{{.State.Status}}$T{{.State.Pid}}$T{{.Id}}$T{{.Config.Image}}" $wanted 2>/dev/null |
        while IFS=$T read -r name state pid id image; do
            name=${name#/}
            say container "$engine" "$name" "$state" "$pid" "$id" "$image"
            [ "$pid" -gt 0 ] 2>/dev/null || continue
            if [ "$(readlink /proc/$pid/ns/net 2>/dev/null)" != "$(readlink /proc/$$/ns/net)" ]; then
                listening inside "$name" /proc/$pid/net/tcp /proc/$pid/net/tcp6
            fi
            of_container "$name" "$pid"
        done
}

# a command line that ends with 0 while a service runs: KEY LINE
status() {
    said=$(soon 20 sh -c "$2" 2>&1 </dev/null)
    code=$?
    say status "$1" "$code" "$(printf '%s' "$said" | flat)"
}

# Python distributions of a service: KEY PID PYTHON NAME... PYTHON is an interpreter or "". Nothing is run: it is seen
# by what lies beside the interpreter, in the container's files where the process is in one
packages() {
    key=$1 pid=$2 python=$3; shift 3
    root=
    if [ "$pid" -gt 0 ] 2>/dev/null && [ -d "/proc/$pid/root/" ]; then root=/proc/$pid/root; fi
    if [ -z "$python" ] && [ -r "/proc/$pid/cmdline" ]; then
        # the script's own environment, else the interpreter's
        for word in $(tr '\000' '\n' 2>/dev/null <"/proc/$pid/cmdline" | head -n 2); do
            case $word in */bin/*) python="$python $word" ;; esac
        done
        python="$python /var/lib/kolla/venv/bin/python"
    fi
    # shellcheck disable=SC2086
    for one in ${python:-/usr/bin/python3}; do
        prefix=${one%/bin/*}
        found=
        for place in "$root$prefix"/lib*/python*/site-packages "$root$prefix"/lib/python*/dist-packages \
            "$root$prefix"/local/lib/python*/dist-packages; do
            [ -d "$place" ] || continue
            found=yes
            for name in "$@"; do
                for file in "$place/$name"-[0-9]*.dist-info "$place/$name"-[0-9]*.egg-info "$place/$name.egg-link"; do
                    [ -e "$file" ] || continue
                    case $file in
                    *.egg-link)
                        read -r source <"$file"
                        version=$(sed -n 's/^Version: //p' "$root$source/$name.egg-info/PKG-INFO" 2>/dev/null | head -n 1)
                        [ -n "$version" ] && say package "$key" "$one" "$name-$version.egg-link" ;;
                    *) say package "$key" "$one" "${file##*/}" ;;
                    esac
                done
            done
        done
        [ -n "$found" ] && say modules "$key" "$one"
    done
}

# whether a file is there: PATH
file() {
    if [ -S "$1" ]; then say file "$1" socket
    elif [ -d "$1" ]; then say file "$1" directory
    elif [ -e "$1" ]; then say file "$1" there
    else
        above=${1%/*}
        while [ -n "$above" ] && [ ! -e "$above" ]; do above=${above%/*}; done
        if [ -d "${above:-/}" ] && [ ! -x "${above:-/}" ]; then say file "$1" hidden; else say file "$1" none; fi
    fi
}

# whether a program is there: NAME
program() { have "$1" && say program "$1" yes || say program "$1" no; }

# shares of NFS that are mounted here, whether they answer, and what this host exports
shares() {
    awk '$3 ~ /^nfs/ { print $1, $2 }' /proc/mounts | while read -r source target; do
        if soon 5 stat -f "$target" >/dev/null 2>&1; then say mounted "$source" "$target" answers
        else say mounted "$source" "$target" silent; fi
    done
    [ -r /var/lib/nfs/etab ] && say exports yes && awk -v OFS='\t' '{ print "exported", $1 }' /var/lib/nfs/etab
    return 0
}

# what a Ceph cluster says of itself: KEY CLUSTER CLIENT
ceph_says() {
    if ! have ceph; then say ceph "$1" none; return; fi
    for what in 'node ls' 'quorum_status'; do
        # shellcheck disable=SC2086
        said=$(soon 20 ceph --cluster "$2" --name "client.$3" --connect-timeout 10 $what -f json 2>&1)
        code=$?
        say ceph "$1" "$what" "$code" "$(printf '%s' "$said" | tr '\t\n' '  ')"
    done
}

look() {
    say look 1
    clock
    host
    wanted
    [ -n "$other_units" ] && units_there
    disks
    clock
    say end
}

other_units=
