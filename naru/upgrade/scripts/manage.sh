# Runs a service's manage commands of a release, after client.sh and configuration.sh: ENVIRONMENT TURNS CELLS COMMANDS
# The configuration is written for each of CELLS in turn. COMMANDS is a file's text, a shell's line each. With TURNS a
# command is repeated while it says that there is more to do (1).
turns=$2 cells=$3 commands=$4

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
