# Runs a service's own upgrade checks of a release, after client.sh and configuration.sh:
# ENVIRONMENT CELL SECONDS PROGRAM MODULE LEFT_OUT
# LEFT_OUT are the checks that are not run, a line each. Says checks=JSON, or error=TEXT when the program does not come to
# its end.
cell=$2 seconds=$3 program=$4
shift 3

configuration "$cell" | sed '/mysql+pymysql:/s/$/\&init_command=SET+SESSION+TRANSACTION+READ+ONLY/' >"$own/service.conf"
# As the program itself does it, but each check alone: else one that raises takes the others' results with it. It is run
# by the release's own Python, which may be 2.
cat >"$own/status.py" <<'END'
import importlib
import json
import sys
import time

ROOM = 3500  # characters of all that is kept, since an output's last 4096 bytes are
program, module, left_out = sys.argv[1], sys.argv[2], sys.argv[3].splitlines()
sys.argv = [program, "--config-file", "service.conf", "upgrade", "check"]  # is read when the module is imported
found = []


class Told(object):
    code, details = 0, None


def alone(name, check):
    def run(commands):
        began = time.time()
        told = {"check": name}
        try:
            function, words = check if isinstance(check, tuple) else (check, {})
            result = function(commands, **words)
            told.update(code=int(result.code), details=result.details or "")
        except Exception as error:
            told["error"] = ("%s: %s" % (type(error).__name__, error)).split("\n")[0]
        told["seconds"] = round(time.time() - began, 2)
        found.append(told)
        return Told

    return run


own = importlib.import_module(module)
commands = next(one for one in vars(own).values() if isinstance(one, type) and "_upgrade_checks" in vars(one))
checks = commands._upgrade_checks
commands._upgrade_checks = tuple((name, alone(name, check)) for name, check in checks if name not in left_out)
code = own.main()
found += [{"check": name} for name, _ in checks if name in left_out]
for length in (400, 100, 0):
    for one in found:
        one.update((key, one[key][:length]) for key in ("details", "error") if key in one)
    text = json.dumps(found)
    if len(text) <= ROOM:
        break
with open("found", "w") as file:
    file.write(text)
sys.exit(code)
END
code=0
timeout -k 10 "$seconds" "$environment/bin/python" "$own/status.py" "$@" >"$own/said" 2>&1 </dev/null || code=$?
case $code in
0) printf 'checks=%s\n' "$(cat "$own/found")" ;;
124) echo "error=$program has not ended in $seconds s" ;;
*) printf 'error=%s\n' "$program exited with $code: $(tail -n 1 "$own/said" | cut -c 1-400)" ;;
esac
