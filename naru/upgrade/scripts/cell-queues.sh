# Lets the cells in nova_api whose message queue is at one of the servers $1 (an extended regular expression) have the
# servers $2 ... (HOST:PORT), each with the user that the first one had: after client.sh
old=$1
shift
server="SUBSTRING(transport_url, LOCATE('://', transport_url) + 3)"
server="SUBSTRING_INDEX(SUBSTRING_INDEX($server, '/', 1), '?', 1)"
user="IF(LOCATE('@', $server), CONCAT(SUBSTRING_INDEX($server, '@', 1), '@'), '')"
rest="SUBSTRING(transport_url, LOCATE('://', transport_url) + 3 + CHAR_LENGTH($server))"
list=
for new; do list="$list${list:+, ',', }$user, '$new'"; done
those="transport_url REGEXP '(//|[@,])($old)([,/?]|\$)'"
cells=$(sql nova_api -e "SELECT GROUP_CONCAT(name) FROM cell_mappings WHERE $those")
sql nova_api -e "UPDATE cell_mappings
  SET transport_url = CONCAT(SUBSTRING_INDEX(transport_url, '://', 1), '://', $list, $rest) WHERE $those"
[ "$(sql nova_api -e "SELECT COUNT(*) FROM cell_mappings WHERE $those")" = 0 ] || fail "a cell has the old queue still"
echo "cells=$cells"
