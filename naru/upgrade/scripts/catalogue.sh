# Gives endpoints in Keystone's catalogue other addresses: after client.sh. The words are OLD NEW, for each, as
# SCHEME://HOST:PORT.
text() {
  printf '%s\n' "$1" | sed "s/[\\\\']/\\\\&/g; s/^/'/; s/\$/'/"
}

while [ $# -gt 0 ]; do
  old=$(text "$1") new=$(text "$2")
  shift 2
  sql keystone -e "UPDATE endpoint SET url = CONCAT($new, SUBSTRING(url, CHAR_LENGTH($old) + 1))
    WHERE url = $old OR LEFT(url, CHAR_LENGTH($old) + 1) = CONCAT($old, '/')"
done
echo "endpoints=$(sql keystone -e 'SELECT COUNT(*) FROM endpoint')"
