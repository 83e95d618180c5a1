# Runs a command that goes on without whoever began it: DIRECTORY ENVIRONMENT
# It stands in DIRECTORY as a shell's line, and ENVIRONMENT is a file of what it is given beside. What is written there:
#   started   boot id, seconds since 1970, this process and its own start (proc(5), stat, 22)
#   output.N  what it says, as it says it; the first part and the last two are kept
#   ended     exit code, seconds since 1970
umask 077
directory=$1 environment=$2
cd "$directory" || exit 1

settle() {
  sync "$1" && mv -f "$1" "$2" && sync .
}

read -r stat </proc/self/stat
stat=${stat##*) }
# the 3rd field is the first one now
set -- $stat
shift 19
{
  cat /proc/sys/kernel/random/boot_id
  date +%s
  echo "$$ $1"
} >started.new
settle started.new started || exit 1

rm -f pipe drained
mkfifo pipe
{
  n=0
  while dd bs=1024 count=64 of="output.$n" 2>/dev/null && [ -s "output.$n" ]; do
    [ "$n" -lt 3 ] || rm -f "output.$((n - 2))"
    n=$((n + 1))
  done
  : >drained
} <pipe &
reader=$!
(
  set -e
  . "$environment"
  rm -f "$environment"
  umask 022
  : "${HOME:=/root}"
  export HOME
  . "$directory/command"
) >pipe 2>&1 </dev/null &
wait $!
code=$?
# what it has left in the background may have the pipe open for ever
n=0
while [ ! -e drained ] && [ "$n" -lt 20 ]; do
  sleep 0.05
  n=$((n + 1))
done
{
  echo "$code"
  date +%s
} >ended.new
settle ended.new ended
[ "$(cat by)" = unit ] || kill -KILL 0
kill "$reader" 2>/dev/null
exit 0
