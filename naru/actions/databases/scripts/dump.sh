# Dumps schemas of a server into a directory, whole and checked: DIRECTORY STEP SCHEMA...
#   data.sql.*   their tables; zst, gz, or neither
#   code.sql     their triggers, routines and events
#   schemas      of each: SCHEMA TAB character set TAB collation
#   tables       of each table its rows and its checksum, if nothing was written meanwhile
#   complete     what is known of it; written last
target=$1 step=$2
shift 2

# it was made, and who made it was cut off before it could say so
if [ -e "$target/complete" ]; then
  grep -qx "step=$step" "$target/complete" || fail "$target is there, and is a dump of another step"
  cat "$target/complete"
  exit
fi
dumper=$(program mariadb-dump mysqldump)
part=$target.part
rm -rf "$part" "$target"
# what is left of one that failed would take the disk, which may be the server's own
trap 'rm -rf "$own" "$part"' EXIT
mkdir -p "$part"

version=$(sql -e "SELECT VERSION()") || fail "the server cannot be asked"
present=$(sql -e "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME IN ($(quoted "$@"))" | tr '\n' ' ')
absent=
for schema; do
  case " $present" in *" $schema "*) ;; *) absent="$absent $schema" ;; esac
done
[ -n "$present" ] || fail "the server has none of the schemas $*"
sql -e "SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA
  WHERE SCHEMA_NAME IN ($(quoted $present)) ORDER BY 1" >"$part/schemas"
other=$(sql -e "SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME, ' (', COALESCE(ENGINE, TABLE_TYPE), ')')
  FROM information_schema.TABLES WHERE TABLE_SCHEMA IN ($(quoted $present))
  AND (TABLE_TYPE <> 'BASE TABLE' OR ENGINE <> 'InnoDB') LIMIT 5" | tr '\n' ' ')
[ -z "$other" ] || fail "a dump would not be consistent, or could not be restored: it has $other"

# as much as the tables have is enough: a dump has no indexes, and is compressed
needed=$(sql -e "SELECT COALESCE(SUM(DATA_LENGTH), 0) + 67108864 FROM information_schema.TABLES
  WHERE TABLE_SCHEMA IN ($(quoted $present))")
free=$(df --output=avail -B1 "$part" | tail -n 1)
[ "$free" -ge "$needed" ] || fail "there is no room for $target: $free bytes are free, $needed are needed"

if command -v zstd >/dev/null; then
  data=data.sql.zst
  pack() { zstd -q -3 -T0 -c; }
elif command -v gzip >/dev/null; then
  data=data.sql.gz
  pack() { gzip -1 -c; }
else
  data=data.sql
  pack() { cat; }
fi
dump() {
  "$dumper" --no-defaults $connection --default-character-set=utf8mb4 --max-allowed-packet=1G --single-transaction \
    --quick --skip-lock-tables --hex-blob --no-create-db "$@" --databases $present
}

# the server's clock, and a second of its own: when a table was written is known to the second
now=$(sql -e "SELECT NOW()")
while [ "$(sql -e "SELECT NOW()")" = "$now" ]; do sleep 0.1; done
began=$(date +%s)
{ dump --skip-triggers || echo "$?" >"$part/failed"; } | pack >"$part/$data" || fail "the dump cannot be written"
[ ! -e "$part/failed" ] || fail "$dumper exited with $(cat "$part/failed")"
unpack "$part/$data" | tail -n 1 | grep -q '^-- Dump completed' || fail "the dump has no end"
dump --no-data --no-create-info --triggers --routines --events >"$part/code.sql"
tail -n 1 "$part/code.sql" | grep -q '^-- Dump completed' || fail "the dump of triggers has no end"
# who dumps them need not be able to put them back: told now, and not in the middle of the way back
if grep -q '^/\*!500[0-9]* *CREATE\|^CREATE ' "$part/code.sql" &&
  ! sql -e "SHOW GRANTS" | grep -qE '^GRANT (ALL PRIVILEGES|.*SUPER).* ON \*\.\*'; then
  fail "it has triggers, routines or events, which only a user with SUPER can put back: give the site's user that"
fi
dumped=$(date +%s)
sums $present >"$part/tables"
all=$(written)
wrote=$(sql -e "SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) FROM information_schema.TABLES
  WHERE TABLE_SCHEMA IN ($(quoted $present)) AND UPDATE_TIME > '$now' ORDER BY UPDATE_TIME DESC LIMIT 5" | tr '\n' ' ')
quiet=yes who=
if [ -n "$wrote" ]; then
  quiet=no
  who=$(sql -e "SELECT DISTINCT CONCAT(USER, '@', SUBSTRING_INDEX(HOST, ':', 1), ' (', DB, ')')
    FROM information_schema.PROCESSLIST WHERE DB IN ($(quoted $present)) LIMIT 20" | tr '\n' ' ')
  rm "$part/tables"
fi

{
  echo "step=$step"
  echo "version=$version"
  echo "data=$data"
  echo "schemas=${present% }"
  echo "absent=${absent# }"
  echo "quiet=$quiet"
  echo "wrote=${wrote% }"
  echo "who=${who% }"
  echo "written=$all"
  echo "bytes=$(stat -c %s "$part/$data")"
  echo "tables=$(tables $present | wc -l)"
  echo "sha256=$(sha256sum <"$part/$data" | cut -d ' ' -f 1)"
  echo "began=$began"
  echo "seconds=$((dumped - began))"
} >"$part/complete"
sync "$part"/* "$part"
mv -T "$part" "$target"
sync "${target%/*}"
cat "$target/complete"
