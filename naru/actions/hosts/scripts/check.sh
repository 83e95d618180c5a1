# Whether a program exits with 0: DIRECTORY PROGRAM WORD...
cd "$1"
shift
if (umask 022 && exec "$@") >/dev/null 2>&1 </dev/null; then echo yes; else echo no; fi
