# Copies Placement's tables out of nova_api into a schema of their own, unless that has tables: after client.sh
tables="allocations placement_aggregates consumers inventories projects resource_classes resource_provider_aggregates
  resource_provider_traits resource_providers traits users"
if [ -n "$(tables placement)" ] && [ "$(sql -e "SHOW TABLES FROM placement LIKE 'alembic_version'")" ]; then
  echo "state=it was there"
  exit
fi
sql -e "DROP DATABASE IF EXISTS placement; CREATE DATABASE placement CHARACTER SET utf8mb3"
for table in $tables; do
  sql -e "CREATE TABLE placement.$table LIKE nova_api.$table; INSERT INTO placement.$table SELECT * FROM nova_api.$table"
done
# the revision that those tables are of: placement's own mysql-migrate-db.sh
sql placement -e "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
  INSERT INTO alembic_version VALUES ('b4ed3a175331')"
for table in $tables; do
  [ "$(sql -e "SELECT COUNT(*) FROM placement.$table")" = "$(sql -e "SELECT COUNT(*) FROM nova_api.$table")" ] ||
    fail "$table has other rows in placement than in nova_api: somebody writes"
done
echo "state=copied"
