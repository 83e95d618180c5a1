# The key of Ceph's orchestrator among those that may log in on a host: HOW USER, the key on standard input. Says `added`
# or `removed` where that was not so before, and to `look` whether it is `there`.
how=$1 user=$2 key=$(cat)
home=$(getent passwd "$user" | cut -d: -f6)
[ -n "$home" ] && [ -n "$key" ] || { echo "there is no user $user, or no key" >&2; exit 1; }
file=$home/.ssh/authorized_keys
if [ "$how" = look ]; then
    grep -qxF "$key" "$file" 2>/dev/null && echo there
    exit 0
elif [ "$how" = add ]; then
    grep -qxF "$key" "$file" 2>/dev/null && exit 0
    umask 077
    [ -d "$home/.ssh" ] || { mkdir "$home/.ssh" && chown "$user:" "$home/.ssh"; } || exit 1
    # a last line without an end would run into the key
    [ ! -s "$file" ] || [ -z "$(tail -c 1 "$file")" ] || echo >>"$file"
    printf '%s\n' "$key" >>"$file" && chown "$user:" "$file" && echo added
else
    grep -qxF "$key" "$file" 2>/dev/null || exit 0
    left=$(mktemp "$file.XXXXXX") || exit 1
    grep -vxF "$key" "$file" >"$left"
    # the file itself stays, with its owner and mode
    cat "$left" >"$file" && rm -f "$left" && echo removed
fi
