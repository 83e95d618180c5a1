# What runs on a host, in one go and without a tool that may be missing: read by naru.site.discover.look. Each line is a
# kind and its values, with tabs between. Passwords never leave the host: of a URL only what is behind its last @.

host() {
    [ "$(id -u)" = 0 ] && say root yes || say root no
    [ -r /proc/sys/kernel/random/boot_id ] && read -r id </proc/sys/kernel/random/boot_id && say machine "$id"
    [ -r /proc/sys/kernel/hostname ] && read -r name </proc/sys/kernel/hostname && say name "$name"
    have hostname && name=$(soon 5 hostname -f 2>/dev/null) && say name "$name"
    [ -r /etc/os-release ] && (. /etc/os-release && say system "$ID" "$VERSION_ID")
    if have ip; then
        ip -o addr show 2>/dev/null | awk -v OFS='\t' '$3 ~ /^inet/ { sub(/\/.*/, "", $4); print "address", $2, $4 }'
    elif have ifconfig; then
        ifconfig -a 2>/dev/null | awk -v OFS='\t' '/^[^ \t]/ { nic = $1; sub(/:$/, "", nic) }
            $1 ~ /^inet6?$/ { sub(/^addr:/, "", $2); sub(/\/.*/, "", $2); print "address", nic, $2 }'
    fi
    if have ipmitool && [ -e /dev/ipmi0 -o -e /dev/ipmi/0 ]; then
        soon 5 ipmitool lan print 2>/dev/null | awk -v OFS='\t' '/^IP Address  *:/ { print "bmc", $NF }'
    fi
}

units() {
    have systemctl || return 0
    systemctl list-units --type=service --all --no-legend --no-pager 2>/dev/null |
        sed 's/^[^a-zA-Z0-9_@-]*//' |
        awk -v OFS='\t' '$2 == "loaded" && ($3 == "active" || $3 == "failed" || $3 == "activating") {
            print "unit", $1, $3, $4 }'
}

containers() {
    for engine in docker podman; do
        have $engine || continue
        ids=$(soon 5 $engine ps -aq --no-trunc 2>/dev/null) || { say refused $engine; continue; }
        [ -n "$ids" ] || continue
        # shellcheck disable=SC2086
        soon 5 $engine inspect --format \
            "container$T$engine$T{{.Id}}$T{{.Name}}$T{{.State.Status}}$T{{.Config.Image}}{{range .Mounts}}$T{{.Destination}}={{.Source}}{{end}}" \
            $ids 2>/dev/null || say refused $engine
    done
    if have lxc-ls; then soon 5 lxc-ls -1 2>/dev/null | sed "s/^/lxc$T/"; fi
}

PROGRAMS='nova-|neutron-|cinder-|glance-|keystone|placement|heat-|octavia-|designate-|barbican-|manila-|magnum-|ironic-|swift-|trove-|sahara-|senlin-|mistral-|murano-|aodh-|gnocchi-|ceilometer-|masakari-|zun-|watcher-|cloudkitty-|tacker-|blazar-|cyborg-|freezer-|zaqar-|vitrage-|mariadbd|mysqld|rabbit|haproxy|keepalived|memcached|libvirtd|virtqemud|ovs-vswitchd|ovsdb-server|ovn-controller|ovn-northd|ceph-|radosgw|wsgi|nginx|apache2|httpd'

# of a process's words: the program, the script that it interprets, and what says where its files are. Some services
# write a title over their words, with these in brackets
words() {
    tr '\000' '\n' 2>/dev/null <"$1" | awk '
        function word(text) {
            count++
            if (count == 1) { printf "\targ=%s", text; program = text; return }
            if (wanted) { printf "\t%s=%s", wanted, text; wanted = ""; return }
            if (text ~ /^--(config-file|config-dir|log-file|ini|wsgi-file|defaults-file)$/) { wanted = substr(text, 3); return }
            if (text ~ /^--(config-file|config-dir|log-file|ini|wsgi-file|defaults-file|wsrep_cluster_address|wsrep-cluster-address)=/) {
                printf "\t%s", substr(text, 3); return }
            if (text == "-f" && program ~ /(haproxy|keepalived)$/) { wanted = "file"; return }
            if (text !~ /^-/ && text ~ /\/[^ =:@]*$/ && text !~ /[=:@ ]/ && !script) { printf "\targ=%s", text; script = 1 }
        }
        NR == 1 && /[ \t]/ {
            if (match($0, /[\[(]\/.*/)) { $0 = substr($0, RSTART + 1); gsub(/[\])]/, "") } else sub(/:.*/, "")
            many = split($0, some, /[ \t]+/)
            for (i = 1; i <= many; i++) if (some[i] != "") word(some[i])
            next
        }
        { word($0) }'
}

processes() {
    list=$(grep -lE "$PROGRAMS" /proc/[0-9]*/cmdline 2>/dev/null | sed 's,/proc/\([0-9]*\)/.*,\1,')
    all=" $(echo $list) "
    mine=" $$ "
    chosen=
    wsgi=
    for pid in $list; do
        case $mine in *" $pid "*) continue ;; esac
        read -r stat 2>/dev/null </proc/$pid/stat || continue
        name=${stat#*\(}; name=${name%\)*}
        rest=${stat##*\) }; rest=${rest#* }; parent=${rest%% *}
        case $name in sh | bash | dash | sudo | ssh | sshd | grep | sed | awk | vim* | less | tail | journalctl | su) continue ;; esac
        case $name in apache2 | httpd*)  # what Apache serves has a title
            title=$(tr '\000' ' ' 2>/dev/null </proc/$pid/cmdline)
            case $title in '(wsgi:'*)
                title=${title#\(wsgi:}; title=${title%%\)*}; title=${title%% *}
                case $wsgi in *" $parent:$title "*) ;; *) wsgi="$wsgi $parent:$title "; say wsgi "$parent" "$title" ;; esac
                continue ;;
            esac ;;
        esac
        # the workers of a service, and what its agents start, have a parent that is one too
        case $all in
        *" $parent "*)
            above=
            read -r above 2>/dev/null </proc/$parent/stat
            above=${above#*\(}; above=${above%\)*}
            case $above in sh | bash | dash | sudo | tini | dumb-init | conmon | systemd | containerd-shim*) ;; *) continue ;; esac ;;
        esac
        chosen="$chosen $pid"
        group=
        while read -r line; do
            case $line in *:name=systemd:*) group=${line#*:*:} ;; 0::*) [ ${#group} -gt 1 ] || group=${line#*:*:} ;; esac
        done 2>/dev/null </proc/$pid/cgroup
        printf 'process\t%s\t%s\t%s%s\n' "$pid" "$name" "$group" "$(words /proc/$pid/cmdline)"
        # its log files, and the sockets that it listens on
        ls -l /proc/$pid/fd 2>/dev/null | awk -v OFS='\t' -v pid="$pid" '
            / -> \/.*\.log$/ { sub(/.* -> /, ""); if (!seen[$0]++) print "log", pid, $0 }
            / -> socket:/ { sub(/.*socket:\[/, ""); sub(/\].*/, ""); list = list " " $0 }
            END { if (list) print "sockets", pid, substr(list, 2) }'
    done
}

# the namespaces of networks that the processes are in have tables of their own
ports() {
    done_=" "
    for pid in self $chosen; do
        net=$(readlink /proc/$pid/ns/net 2>/dev/null) || continue
        case $done_ in *" $net "*) continue ;; esac
        done_="$done_$net "
        for file in /proc/$pid/net/tcp /proc/$pid/net/tcp6; do
            [ -r $file ] || continue
            # listening, and connected to databases (3306, 5432, 6033) and queues (5671, 5672)
            awk -v OFS='\t' '$4 == "0A" { print "listens", $2, $10 }
                $4 == "01" && $3 ~ /:(0CEA|1538|1791|1627|1628)$/ && !seen[$3]++ { print "connected", $3 }' $file
        done
    done
}

# only what is wanted of an INI file; of URLs the scheme and what is behind the last @ of each host, never before
ini() {
    awk -v OFS='\t' -v pid="$1" -v file="$3" '
        function url(text,    scheme, count, some, i, out, one) {
            scheme = ""
            if (match(text, /^[a-zA-Z0-9+]+:\/\//)) { scheme = substr(text, 1, RLENGTH); text = substr(text, RLENGTH + 1) }
            if (scheme == "") return ""
            if (text !~ /@/) { return text ~ /^[a-zA-Z0-9._-]+(:[0-9]+)?(\/[a-zA-Z0-9_]*)?$/ ? scheme text : scheme }
            sub(/\?.*$/, "", text)
            count = split(text, some, ",")
            out = ""
            for (i = 1; i <= count; i++) {
                one = some[i]
                if (one !~ /@/) continue
                sub(/.*@/, "", one)
                if (one !~ /^[][a-zA-Z0-9._:-]+(\/[a-zA-Z0-9_.\/-]*)?$/) continue
                out = out (out == "" ? "" : ",") one
            }
            return scheme out
        }
        /^[ \t]*[#;]/ { next }
        /^[ \t]*\[/ { section = $0; gsub(/^[ \t]*\[|\].*$/, "", section); next }
        /^[^= \t]+[ \t]*=/ {
            key = $0; sub(/[ \t]*=.*/, "", key)
            value = $0; sub(/^[^=]*=[ \t]*/, "", value); sub(/[ \t\r]+$/, "", value)
            if (key == "connection" || key == "sql_connection" || key == "transport_url") value = url(value)
            else if (key !~ /^(host|my_ip|log_file|log_dir|use_syslog|rabbit_hosts|rabbit_host|rabbit_port|rabbit_virtual_host|enabled_backends|volume_driver|nfs_shares_config|rbd_ceph_conf|rbd_pool|images_type|fsid|mon_host|mon_initial_members|wsrep_cluster_address|wsrep_on|wsrep_cluster_name|port|log_error|log-error|bind_address|bind-address)$/) next
            if (value ~ /@/ && key != "connection" && key != "sql_connection" && key != "transport_url") next
            print "setting", pid, file, section, key, value
        }' "$2" 2>/dev/null
}

# the files of a process as it sees them: in a container by its own root
inside() { if [ -e "/proc/$1/root/" ]; then echo "/proc/$1/root$2"; else echo "$2"; fi; }

configs() {
    for pid in $chosen; do
        said=$(words /proc/$pid/cmdline | tr '\t' '\n')
        name=$(printf '%s\n' "$said" | sed -n 's,^arg=.*/,,p;s,^arg=,,p' | grep -vE '^(python|uwsgi|gunicorn|apache2|httpd)' | head -n 1)
        files=$(printf '%s\n' "$said" | sed -n 's/^config-file=//p')
        case $name in
        haproxy*) balancer "$pid" "$said"; continue ;;
        keepalived*) virtual "$pid" "$said"; continue ;;
        mysqld* | mariadbd*)
            files=$(printf '%s\n' "$said" | sed -n 's/^defaults-file=//p')
            [ -n "$files" ] || files='/etc/my.cnf /etc/mysql/my.cnf /etc/my.cnf.d/*.cnf /etc/mysql/conf.d/*.cnf /etc/mysql/mariadb.conf.d/*.cnf' ;;
        ceph-* | radosgw*) files='/etc/ceph/*.conf' ;;
        *-*) [ -n "$files" ] || { project=${name%%-*}; files="/etc/$project/$project.conf /etc/$project/$name.conf"; } ;;
        esac
        for file in $files; do
            for found in $(inside "$pid" "$file"); do
                [ -r "$found" ] || continue
                path=${found#/proc/$pid/root}
                say config "$pid" "$path"
                ini "$pid" "$found" "$path"
            done
        done
    done
    # what Apache serves has no words of its own
    for name in keystone placement nova; do
        for at in /etc/$name/$name.conf; do
            [ -r $at ] && { say config "$name" "$at"; ini "$name" "$at" "$at"; }
        done
    done
    for file in /etc/apache2/sites-enabled/* /etc/httpd/conf.d/*.conf; do
        [ -r "$file" ] && awk -v OFS='\t' -v file="$file" '
            tolower($1) == "wsgiscriptalias" { print "alias", file, $3 }
            tolower($0) ~ /balancer:\/\// && !balanced++ { print "balances", "apache", file }' "$file"
    done
    for file in /etc/nginx/nginx.conf /etc/nginx/conf.d/*.conf /etc/nginx/sites-enabled/*; do
        [ -r "$file" ] && awk -v OFS='\t' -v file="$file" '
            $1 == "upstream" && !balanced++ { print "balances", "nginx", file }' "$file"
    done
}

balancer() {
    files=$(printf '%s\n' "$2" | sed -n 's/^file=//p')
    for file in ${files:-/etc/haproxy/haproxy.cfg}; do
        found=$(inside "$1" "$file")
        if [ -d "$found" ]; then found="$found/*.cfg"; fi
        for one in $found; do
            [ -r "$one" ] || continue
            awk -v OFS='\t' -v pid="$1" -v file="${one#/proc/$1/root}" '
                $1 == "stats" && $2 == "socket" { level = $0 ~ /level[ \t]+admin/ ? "admin" : "other"; print "socket", pid, $3, level }
                $1 ~ /^(listen|frontend|backend)$/ { print "balancer", pid, file, $1, $2 }
                $1 ~ /^(bind|server)$/ { print "balancer", pid, file, $1, $2, $1 == "server" ? $3 : "" }' "$one"
        done
    done
}

virtual() {
    files=$(printf '%s\n' "$2" | sed -n 's/^file=//p')
    for file in ${files:-/etc/keepalived/keepalived.conf}; do
        found=$(inside "$1" "$file")
        [ -r "$found" ] && awk -v OFS='\t' -v pid="$1" '
            /^[ \t]*[#!]/ { next }
            /virtual_ipaddress(_excluded)?[ \t]*\{/ { within = 1; sub(/.*\{/, "") }
            within { for (i = 1; i <= NF; i++) if ($i ~ /^[0-9a-fA-F.:]+(\/[0-9]+)?$/ && $i ~ /[.:]/) {
                address = $i; sub(/\/.*/, "", address); print "virtual", pid, address; break } }
            /\}/ { within = 0 }' "$found"
    done
}

shares() {
    [ -r /proc/mounts ] && awk -v OFS='\t' '$3 ~ /^nfs4?$/ { print "share", $1, $2 }' /proc/mounts
    [ -r /etc/cinder/nfs_shares ] && awk -v OFS='\t' '/^[^# \t]/ { print "share", $1, "" }' /etc/cinder/nfs_shares
}

look() {
    PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin
    LC_ALL=C
    export PATH LC_ALL
    say look 1
    host
    units
    containers
    processes
    ports
    configs
    shares
    say end
}

look </dev/null
