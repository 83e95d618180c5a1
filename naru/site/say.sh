# What scripts that look on a host begin with: they say lines of a kind and its values, with tabs between.

T=$(printf '\t')

say() {
    line=$1; shift
    for value in "$@"; do line="$line$T$value"; done
    printf '%s\n' "$line"
}

have() { command -v "$1" >/dev/null 2>&1; }

# a command that may hang: SECONDS WORD...
soon() {
    if have timeout; then timeout "$@"; else shift; "$@"; fi
}
