# What a file or a tree is put in its place from, as far as it has come: PART OFFSET, and from there on standard input.
part=$1 offset=$2
size=$(stat -c %s "$part" 2>/dev/null || echo 0)
[ "$size" -ge "$offset" ] || fail "only $size bytes have come of $part"
[ -e "$part" ] || : >"$part"
truncate -s "$offset" "$part"
cat >>"$part"
stat -c %s "$part"
