# Whether an environment runs on a host: functions, of which calls follow. They say lines of words with tabs between:
# glibc VERSION, runs PROGRAM VERSION, and wrong TEXT for each thing that is not as it has to be.
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

wrong() { printf 'wrong\t%s\n' "$1"; }

last() { printf '%s' "$1" | tail -n 3 | tr '\n\t' '  '; }

environment() { # DIRECTORY PYTHON: the distribution's on which it stands, if it does
  environment=$1
  printf 'glibc\t%s\n' "$(getconf GNU_LIBC_VERSION 2>/dev/null)"
  if [ -n "$2" ] && ! [ -x "$2" ]; then
    wrong "there is no $2, on which it stands"
  elif ! said=$("$environment/bin/python" -c 'import ssl, greenlet, lxml.etree, cryptography.x509' 2>&1); then
    wrong "its Python does not begin: $(last "$said")"
  fi
}

service() { # NAME UNIT CONFIGURATION...
  name=$1 unit=$2
  shift 2
  [ -z "$unit" ] || systemctl cat "$unit" >/dev/null 2>&1 || wrong "there is no unit $unit"
  if [ -x "$environment/bin/$name" ]; then
    if said=$(timeout 120 "$environment/bin/$name" --version 2>&1 </dev/null); then
      printf 'runs\t%s\t%s\n' "$name" "$(last "$said")"
    else
      wrong "$name --version: $(last "$said")"
    fi
  fi
  if [ $# -gt 0 ] && grep -Eqs '^ *compute_driver *[=:] *libvirt' "$@"; then binding "$unit"; fi
}

binding() { # UNIT, which may name a directory with libvirt's binding
  paths=$(systemctl show -p Environment "$1" | tr ' ' '\n' | sed -n 's/^\(Environment=\)\{0,1\}"\{0,1\}PYTHONPATH=//p')
  code='import libvirt; libvirt.openAuth; print(libvirt.getVersion())'
  said=$(PYTHONPATH=${paths%\"} "$environment/bin/python" -c "$code" 2>&1) ||
    wrong "libvirt's binding for Python, which Nova's libvirt driver needs: $(last "$said")"
}

link() { # PATH
  [ -L "$1" ] || [ ! -e "$1" ] || wrong "$1 is there, and is no symbolic link"
}
