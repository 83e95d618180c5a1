# What a step knows of a unit from before, and what the unit is: PLACE UNIT NAME LINES
cat "$1/$3" 2>/dev/null || :
echo
systemctl show --property=LoadState --property=ActiveState --property=SubState --property=UnitFileState \
  --property=Job --property=Result --property=Type --property=InactiveExitTimestampMonotonic "$2"
echo "Boot=$boot"
echo
[ "$4" = 0 ] || journalctl --no-pager --lines="$4" --output=cat --unit="$2" 2>/dev/null || :
