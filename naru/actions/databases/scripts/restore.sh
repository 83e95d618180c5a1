# Puts a dump into a server: DIRECTORY beside|fresh
# `beside` keeps the schemas that are there until the restored ones are whole and compared, and puts those in their place
# by renaming; `fresh` is for a server that nobody uses. What did not exist at the dump is dropped.
dump=$1 way=$2
prefix=
[ "$way" = fresh ] || prefix=naru_back_

known() {
  sed -n "s/^$1=//p" "$dump/complete"
}
[ -e "$dump/complete" ] || fail "$dump is no whole dump"
data=$dump/$(known data)
[ "$(sha256sum <"$data" | cut -d ' ' -f 1)" = "$(known sha256)" ] || fail "$data is damaged: its digest is another one"
schemas=$(known schemas)

create() { # SCHEMA PREFIX
  sed -n "s/^$1\t\(.*\)\t\(.*\)$/CREATE DATABASE \`$2$1\` CHARACTER SET \1 COLLATE \2/p" "$dump/schemas"
}
for schema in $schemas; do
  sql -e "DROP DATABASE IF EXISTS \`$prefix$schema\`; $(create "$schema" "$prefix")"
done
began=$(date +%s)
load() {
  "$client" --no-defaults $connection --default-character-set=utf8mb4 --max-allowed-packet=1G
}
# no line of a row begins so: what breaks a line is escaped
{ unpack "$data" || echo "the dump cannot be unpacked" >"$own/failed"; } |
  sed "s/^USE \`\(.*\)\`;\$/USE \`$prefix\1\`;/" | load || fail "the server does not take the dump"
[ ! -e "$own/failed" ] || fail "$(cat "$own/failed")"
loaded=$(date +%s)

beside=
for schema in $schemas; do beside="$beside $prefix$schema"; done
sums $beside | sed "s/^$prefix//" >"$own/now"
# checksums are comparable on servers of one version
if [ "$(sql -e "SELECT VERSION()")" = "$(known version)" ]; then columns=1-4; else columns=1-3; fi
wanted=$dump/tables
if [ ! -e "$wanted" ]; then
  # while it was dumped others wrote: the first copy is what others are compared with
  wanted=$dump/restored
  columns=1-4
  [ -e "$wanted" ] || { cp "$own/now" "$wanted.new" && mv "$wanted.new" "$wanted"; }
fi
cut -f "$columns" "$wanted" >"$own/wanted"
if ! cut -f "$columns" "$own/now" | cmp -s - "$own/wanted"; then
  other=$(cut -f "$columns" "$own/now" | diff "$own/wanted" - | awk '/^[<>]/ { print $2 "." $3 }' | sort -u | head -n 5 | tr '\n' ' ')
  fail "what was restored is not what was dumped: $other"
fi

if [ -n "$prefix" ]; then
  for schema in $schemas; do
    renamed=$(tables "$prefix$schema" | awk -F '\t' -v to="$schema" '{ printf "%s`%s`.`%s` TO `%s`.`%s`", (NR > 1 ? ", " : ""), $1, $2, to, $2 }')
    sql -e "SET foreign_key_checks = 0; DROP DATABASE IF EXISTS \`$schema\`; $(create "$schema" "");
      ${renamed:+RENAME TABLE $renamed;} DROP DATABASE \`$prefix$schema\`"
  done
fi
load <"$dump/code.sql"
for schema in $(known absent); do
  sql -e "DROP DATABASE IF EXISTS \`$schema\`"
done
echo "seconds=$(($(date +%s) - began))"
echo "loading=$((loaded - began))"
echo "rows=$(awk -F '\t' '{ sum += $3 } END { printf "%.0f", sum }' "$own/now")"
echo "tables=$(wc -l <"$own/now")"
echo "compared=$columns"
