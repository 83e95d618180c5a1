# A dump that was gone back to: another one may be made under its name
number=1
while [ -e "$dump.used-$number" ]; do number=$((number + 1)); done
mv -T "$dump" "$dump.used-$number"
echo "state=restored"
