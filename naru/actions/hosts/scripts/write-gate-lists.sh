# What a write gate lets through, in a file with a line for each: functions of the scripts that close it.

# puts what is on standard input in the place of a file, as that was: FILE
renew() {
  cp -a "$1" "$1.naru"
  cat >"$1.naru"
  settle "$1.naru" "$1"
}

# the lines of the second file that are not in the first, which may be empty, but for blanks around them: FILE FILE
without() {
  awk '{ key = $0; gsub(/^[ \t]+|[ \t]+$/, "", key) }
    FILENAME == ARGV[1] { has[key] = 1; next }
    !(key in has)' "$1" "$2"
}

# the lines on standard input up to `end`: a sender that was killed has sent but a part
take_given() {
  cat >"$place/given"
  [ "$(tail -n 1 "$place/given")" = end ] || exit 65
}

# finds, of what was given, what is wanted, and what of it a file has not: FILE
find_added() {
  awk 'NF && $0 != "end" && !seen[$0]++' "$place/given" >"$place/wanted"
  without "$1" "$place/wanted" >"$place/added"
}

# from here on it is known what there was before
keep_before() {
  sync "$place/wanted" "$place/added" "$place/gates"
  : >"$place/before.new"
  settle "$place/before.new" "$place/before"
}

# a file with what is to be added, and left alone where that is nothing: FILE
add_to() {
  [ -s "$place/added" ] || return 0
  { awk 1 "$1" && without "$1" "$place/added"; } | renew "$1"
}

# a file without what was added: FILE
take_from() {
  [ -s "$place/added" ] || return 0
  without "$place/added" "$1" | renew "$1"
}
