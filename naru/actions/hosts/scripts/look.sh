# How a command is that goes on without whoever began it: PLACE NAME UNIT BYTES
directory=$1/$2 unit=$3 bytes=$4

runs() {
  case $(cat by 2>/dev/null) in
  unit)
    case $(systemctl show --property=ActiveState "$unit" 2>/dev/null) in
    *=active | *=activating | *=deactivating | *=reloading) return 0 ;;
    esac
    ;;
  process) ! lives started || return 0 ;;
  esac
  return 1
}

cd "$directory" 2>/dev/null || {
  echo state=none
  exit
}
# in this order: what ends in between has left its end
if runs; then state=running
elif [ -e ended ]; then state=ended
elif [ -e started ]; then state=cut
else state=none; fi
echo "state=$state"
[ ! -e started ] || sed -n -e "1s/^/boot=/p" -e "2s/^/started=/p" started
[ ! -e ended ] || sed -n -e "1s/^/code=/p" -e "2s/^/ended=/p" ended
[ ! -e told ] || sed -n "1s/^/told=/p" told
echo "now=$boot"
echo
ls output.* 2>/dev/null | sort -t. -k2n | xargs -r cat | tail -c "$bytes"
