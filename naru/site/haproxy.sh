# what HAProxy answers to a line at its socket, with whatever the host has to ask it with: SOCKET LINE
ask_haproxy() {
  if command -v socat >/dev/null 2>&1; then
    printf '%s\n' "$2" | socat -t 10 - UNIX-CONNECT:"$1"
    return
  fi
  for python in python3 python2 python; do
    if command -v "$python" >/dev/null 2>&1; then
      "$python" - "$1" "$2" <<'END'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(10)
try:
    s.connect(sys.argv[1])
except (socket.error, OSError) as error:
    sys.exit(str(error))
s.sendall((sys.argv[2] + "\n").encode())
while True:
    piece = s.recv(65536)
    if not piece:
        break
    getattr(sys.stdout, "buffer", sys.stdout).write(piece)
END
      return
    fi
  done
  if command -v perl >/dev/null 2>&1; then
    perl - "$1" "$2" <<'END'
use Socket;
socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die "$!\n";
connect($s, sockaddr_un($ARGV[0])) or die "$!\n";
alarm 10;
syswrite($s, "$ARGV[1]\n");
print while <$s>;
END
    return
  fi
  printf 'it needs socat, python or perl\n' >&2
  return 127
}
