# Runs a service's manage commands of a release on its schemas, after client.sh: ENVIRONMENT TURNS CELLS COMMANDS
# NARU_CONFIG is their configuration, with @SCHEMA@ for a URL and @cell@ for that of each of CELLS in turn. COMMANDS is a
# file's text, a shell's line each. With TURNS a command is repeated while it says that there is more to do (1).
environment=$1 turns=$2 cells=$3 commands=$4

url() { # SCHEMA
  if [ -n "${NARU_SCRATCH:-}" ]; then
    echo "mysql+pymysql://naru:$MYSQL_PWD@localhost/$1?unix_socket=$NARU_SCRATCH/socket&charset=utf8"
  else
    echo "mysql+pymysql://$NARU_DB_LOGIN@$NARU_DB_HOST:$NARU_DB_PORT/$1?charset=utf8${NARU_DB_CA:+&ssl_ca=$own/ca}"
  fi
}

configuration() { # CELL
  printf '%s\n' "$NARU_CONFIG" | sed "s/@cell@/@$1@/" | while IFS= read -r line; do
    case $line in
    *@*@)
      name=${line#*@}
      echo "${line%%@*}$(url "${name%@}")"
      ;;
    *) echo "$line" ;;
    esac
  done
}

export HOME="$own" PATH="$environment/bin:$PATH" PYTHONDONTWRITEBYTECODE=1 TMPDIR="$own"
cd "$own"
"$environment/bin/python" -c pass || fail "the Python of $environment does not run here"
printf '%s\n' "$commands" >"$own/commands"
for cell in ${cells:--}; do
  configuration "$cell" >"$own/service.conf"
  while IFS= read -r line; do
    case $line in cell:*) line=${line#cell:} ;; *) [ "$cell" = "${cells%% *}" ] || [ -z "$cells" ] || continue ;; esac
    echo "== $line${cells:+ ($cell)}"
    turn=0
    while :; do
      code=0
      eval "$line" >"$own/said" 2>&1 </dev/null || code=$?
      tail -c 3000 "$own/said"
      # Pike's, Queens' and Cinder's swallow what goes wrong, and exit with 0
      ! grep -q "Error attempting to run" "$own/said" || fail "some of the migrations have failed"
      [ "$code" = 1 ] && [ "$turn" -lt "$turns" ] || break
      turn=$((turn + 1))
    done
    [ "$code" = 0 ] || fail "$line exited with $code"
  done <"$own/commands"
done
