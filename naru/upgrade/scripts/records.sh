# Gives records of services, and what is theirs, other names, in the schemas $2 (words) of the project $1: after
# client.sh. The other words are BINARY OLD NEW, for each; "" is no other name: the record is deleted. Where another has
# the new name already that stays, and the old one is deleted, as the service itself does it.
project=$1 schemas=$2
shift 2

text() {
  printf '%s\n' "$1" | sed "s/[\\\\']/\\\\&/g; s/^/'/; s/\$/'/"
}

# which of the tables $2 ... of a schema have a host
having() {
  schema=$1
  shift
  sql -e "SELECT TABLE_NAME FROM information_schema.COLUMNS
    WHERE TABLE_SCHEMA = '$schema' AND COLUMN_NAME = 'host' AND TABLE_NAME IN ($(quoted "$@"))"
}

changed=0
while [ $# -gt 0 ]; do
  binary=$(text "$1") old=$(text "$2") new=$(text "$3")
  case $1 in
    cinder-volume) tables="volumes groups consistencygroups image_volume_cache_entries" ;;
    cinder-backup) tables=backups ;;
    *) tables= ;;
  esac
  shift 3
  for schema in $schemas; do
    found=
    # by itself: what fails in the line of a loop ends nothing
    [ -z "$tables" ] || found=$(having "$schema" $tables)
    for table in $found; do
      # with the pool, which stands behind a #
      sql "$schema" -e "UPDATE \`$table\` SET host = CONCAT($new, SUBSTRING(host, CHAR_LENGTH($old) + 1))
        WHERE SUBSTRING_INDEX(host, '#', 1) = $old"
    done
    those="\`binary\` = $binary AND deleted = 0"
    there=$(sql "$schema" -e "SELECT COUNT(*) FROM services WHERE $those AND host = $new")
    if [ "$new" != "''" ] && [ "$there" = 0 ]; then
      sql "$schema" -e "UPDATE services SET host = $new WHERE $those AND host = $old"
    elif [ "$project" = cinder ]; then
      sql "$schema" -e "UPDATE volumes
        SET service_uuid = (SELECT uuid FROM services WHERE $those AND host = $new LIMIT 1)
        WHERE service_uuid IN (SELECT uuid FROM services WHERE $those AND host = $old);
        UPDATE services SET deleted = 1, deleted_at = UTC_TIMESTAMP() WHERE $those AND host = $old"
    else
      sql "$schema" -e "UPDATE services SET deleted = id, deleted_at = UTC_TIMESTAMP() WHERE $those AND host = $old"
    fi
  done
  changed=$((changed + 1))
done
echo "changed=$changed"
