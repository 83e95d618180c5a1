# What every script that asks a database server begins with. In the environment is which: NARU_DB_HOST, NARU_DB_PORT,
# NARU_DB_USER, MYSQL_PWD, NARU_DB_LOGIN (user and password as in a URL), NARU_DB_CA (a certificate's text); or
# NARU_SCRATCH, the directory of one of Naru's own on this host. NARU_OWN is a directory for what the script needs while
# it runs.
set -eu
umask 077
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

fail() {
  printf '%s\n' "$1" >&2
  exit 70
}

own=$NARU_OWN
rm -rf "$own"
mkdir -p "$own"
trap 'rm -rf "$own"' EXIT
if [ -n "${NARU_SCRATCH:-}" ]; then
  MYSQL_PWD=$(cat "$NARU_SCRATCH/password") || fail "there is no server in $NARU_SCRATCH"
  export MYSQL_PWD
  connection="--socket=$NARU_SCRATCH/socket --user=naru"
else
  connection="--host=$NARU_DB_HOST --port=$NARU_DB_PORT --user=$NARU_DB_USER"
fi
if [ -n "${NARU_DB_CA:-}" ]; then
  printf '%s\n' "$NARU_DB_CA" >"$own/ca"
  connection="$connection --ssl-ca=$own/ca --ssl-verify-server-cert"
fi

# the first of these programs that there is
program() {
  for one; do
    ! command -v "$one" || return 0
  done
  fail "this host has none of: $*"
}
client=$(program mariadb mysql)

# what the server answers, a row a line, with tabs
sql() {
  "$client" --no-defaults $connection --default-character-set=utf8mb4 --max-allowed-packet=1G --batch \
    --skip-column-names "$@"
}

# what is in a file of a dump
unpack() {
  case $1 in *.zst) zstd -q -dc "$1" ;; *.gz) gzip -dc "$1" ;; *) cat "$1" ;; esac
}

# names of schemas as a list of texts
quoted() {
  printf "'%s'," "$@" | sed 's/,$//'
}

# how much any session has ever written to the server, and since when that is counted
written() {
  sql -e "SHOW GLOBAL STATUS WHERE Variable_name IN ('Handler_write', 'Handler_update', 'Handler_delete')" |
    awk '{ sum += $2 } END { printf "%.0f ", sum }'
  sql -e "SELECT UNIX_TIMESTAMP() - VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'UPTIME'"
}

# all tables of the schemas, as SCHEMA TAB TABLE
tables() {
  sql -e "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES
    WHERE TABLE_TYPE = 'BASE TABLE' AND TABLE_SCHEMA IN ($(quoted "$@")) ORDER BY 1, 2"
}

# of each table its rows and its checksum, as SCHEMA TAB TABLE TAB ROWS TAB CHECKSUM
sums() {
  tables "$@" >"$own/tables"
  awk -F '\t' '{ printf "SELECT COUNT(*) FROM `%s`.`%s`; CHECKSUM TABLE `%s`.`%s`;\n", $1, $2, $1, $2 }' \
    "$own/tables" | sql >"$own/sums"
  awk -F '\t' 'FNR == NR { rows[FNR] = (FNR % 2 ? $1 : $2); next }
    { print $1 "\t" $2 "\t" rows[2 * FNR - 1] "\t" rows[2 * FNR] }' "$own/sums" "$own/tables"
}
