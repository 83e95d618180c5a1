# What runs a release's own code for a service on its schemas, after client.sh: ENVIRONMENT ...
# NARU_CONFIG is its configuration, with @SCHEMA@ for a URL and @cell@ for that of one of Nova's cells.
environment=$1

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
