# Nothing of a plan is left on the host: DIRECTORY PLAN
# What still runs for it is told instead, and nothing is removed.
directory=$1 plan=$2

for started in "$directory"/*/*/started; do
  [ -e "$started" ] || continue
  unit=naru-$plan-$(basename "${started%/*/*}")-$(basename "${started%/*}")
  case $(systemctl show --property=ActiveState "$unit" 2>/dev/null) in
  *=active | *=activating | *=deactivating) fail "the command of $unit still runs" ;;
  esac
  if lives "$started"; then fail "the command of $unit still runs"; fi
done
rm -rf "$directory"
rm -f "/run/naru/naru-$plan-"*.env
rmdir "${directory%/*}" /run/naru 2>/dev/null || :
