# A database server of one's own on this host: start DIRECTORY UNIT MEGABYTES CHARSET COLLATION | stop DIRECTORY UNIT
set -eu
umask 077
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
verb=$1 directory=$2 unit=$3

fail() {
  printf '%s\n' "$1" >&2
  exit 70
}

if [ "$verb" = stop ]; then
  systemctl stop "$unit" 2>/dev/null || :
  systemctl reset-failed "$unit" 2>/dev/null || :
  rm -rf "$directory"
  exit
fi
command -v systemd-run >/dev/null && [ -d /run/systemd/system ] || fail "this host has no systemd"
server=$(command -v mariadbd || command -v mysqld) || fail "this host has no MariaDB server: install mariadb-server"
install=$(command -v mariadb-install-db || command -v mysql_install_db) || fail "this host has no mariadb-install-db"
client=$(command -v mariadb || command -v mysql) || fail "this host has no client of MariaDB"

if [ ! -e "$directory/made" ]; then
  systemctl stop "$unit" 2>/dev/null || :
  rm -rf "$directory"
  (umask 022 && mkdir -p "$directory") # its user has to come there
  mkdir "$directory/data" "$directory/tmp"
  od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$directory/password"
  chown mysql: "$directory/data" "$directory/tmp" "$directory"
  runuser -u mysql -- test -x "$directory" || fail "the user mysql cannot reach $directory: name another place"
  TMPDIR=$directory/tmp "$install" --no-defaults --user=mysql --datadir="$directory/data" --skip-test-db \
    --auth-root-authentication-method=socket --auth-root-socket-user=root >"$directory/said" 2>&1 ||
    fail "$(grep -i -m 3 error "$directory/said" || tail -n 3 "$directory/said")"
  touch "$directory/made"
fi
if ! systemctl is-active -q "$unit"; then
  systemctl reset-failed "$unit" 2>/dev/null || :
  systemd-run --unit="$unit" --description="a database server of Naru's, to try things on" \
    "$server" --no-defaults --user=mysql --datadir="$directory/data" --tmpdir="$directory/tmp" \
    --socket="$directory/socket" --pid-file="$directory/data/pid" --skip-networking --skip-log-bin \
    --character-set-server="$5" --collation-server="$6" --innodb-buffer-pool-size="$4M" \
    --innodb-flush-log-at-trx-commit=2 --max-allowed-packet=1G --max-connections=500 \
    --log-bin-trust-function-creators=1 >"$directory/said" 2>&1 || fail "$(cat "$directory/said")"
fi
for turn in $(seq 600); do
  if printf "CREATE OR REPLACE USER 'naru'@'localhost' IDENTIFIED BY '%s'; GRANT ALL ON *.* TO 'naru'@'localhost' WITH GRANT OPTION; SELECT CONCAT('version=', VERSION());" \
    "$(cat "$directory/password")" |
    "$client" --no-defaults --socket="$directory/socket" --batch --skip-column-names 2>"$directory/said"; then
    exit 0
  fi
  systemctl is-active -q "$unit" || fail "it does not start: $(journalctl -q -n 5 -o cat -u "$unit")"
  sleep 0.1
done
fail "it does not answer: $(cat "$directory/said")"
