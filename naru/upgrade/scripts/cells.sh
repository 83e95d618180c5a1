# Lets the cells of a copy of nova_api be on the copy's own server, and their message queue nobody's: after client.sh
where="mysql+pymysql://naru:$MYSQL_PWD@localhost/"
options="?unix_socket=$NARU_SCRATCH/socket&charset=utf8"
sql nova_api -e "UPDATE cell_mappings SET transport_url = 'fake:/', database_connection = CONCAT('$where',
  SUBSTRING_INDEX(SUBSTRING_INDEX(database_connection, '?', 1), '/', -1), '$options')"
sql nova_api -e "SELECT CONCAT('cell=', name) FROM cell_mappings"
