# The lines by which a nova-compute that starts leaves guests as they are: lay FILE, or lift FILE, in a file of its
# configuration on the host. They stand at its end, where they count before what it says above.
begin='# naru: guests are left as they are, until: naru upgrade settle' end='# naru: end'

# the file without them
plain() { awk -v begin="$begin" -v end="$end" '$0 == begin { skip = 1 } !skip { print } $0 == end { skip = 0 }' "$1"; }

verb=$1 file=$2
if [ ! -f "$file" ]; then
  echo none
  exit 0
fi
file=$(readlink -f "$file")
cp -a "$file" "$file.naru"
{
  plain "$file"
  [ "$verb" = lift ] || printf '%s\n' "$begin" '[DEFAULT]' 'sync_power_state_interval = -1' \
    'running_deleted_instance_action = noop' 'resume_guests_state_on_host_boot = false' "$end"
} >"$file.naru"
if cmp -s "$file.naru" "$file"; then
  rm -f "$file.naru"
else
  settle "$file.naru" "$file"
fi
