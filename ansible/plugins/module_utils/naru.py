# Copyright: The Naru developers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""What all modules of this collection are made of: one of Naru's commands run with ``-f json``, and its answer.

A module says which commands it has (`Action`), and which options those take, with Ansible's types; `main` does the rest.
Nothing is decided here about clouds: what is refused, done or found is Naru's to say.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

from ansible.module_utils.basic import AnsibleModule

READ = "read"
"""The command changes nothing anywhere: it is run in check mode as well."""
PLAN = "plan"
"""The command writes a plan into its work directory, and changes nothing else: in check mode it gets a directory that is
removed afterwards."""
ACT = "act"
"""The command changes clouds, hosts or volumes: in check mode another command is asked what it would do."""

OUTCOMES = {0: "done", 1: "failed", 2: "bad input", 3: "paused", 130: "interrupted"}
"""Naru's exit codes. Of what only looks, 1 is that something was found."""

COMMON = {
    "naru": {"type": "path", "default": "naru"},
    "chdir": {"type": "path"},
}
WORK = {"work": {"type": "path"}}
WAIT = {"wait": {"type": "bool", "default": True}}

JSON = ("-f", "json")
STATUS = ("plan", "status")
LOOK = 0.5
"""Seconds between two looks whether a command has ended."""
LEFT = ("waiting", "running", "failed", "held", "undone")
"""States of steps that are yet to be done."""
PASSING = ("executor", "running", "expected end", "started", "bytes")
"""Fields of a status that change without anything being done."""


class Action:
    """One value of the option `action`, and the command that it is.

    `command`    its words, such as "host plan"
    `kind`       READ, PLAN or ACT
    `arguments`  options that are its positional arguments, in order; a list is one argument each
    `options`    those that are options of the same name. A list is the option once for each; with a comma after the name
                 it is one option, joined by commas; a mapping is NAME=VALUE once for each
    `needed`     those of both that have to be given
    `own`        those of `options` that are not given in check mode, since they write somewhere else
    `same`       of a PLAN: option -> the plan's setting. One that has begun is left as it is, if these are the same, all
                 that say what is changed. Without, naru refuses to plan again
    `preview`    of an ACT: the words of the command that tells what it would do, with those of its options given on
    `compare`    the same of the one that has what is there and what is to be, for --diff; without, it is `preview`
    `status`     of an ACT: the words of the command whose answer changes with what was done; none where each run counts
    `passes`     exit codes that are no failure
    `single`     options that are lists to other actions, and of which this one takes one value
    `has_json`   whether the command answers with anything
    """

    def __init__(
        self,
        command,
        kind,
        arguments=(),
        options=(),
        needed=(),
        own=(),
        same=None,
        preview=None,
        compare=None,
        status=None,
        passes=(0,),
        single=(),
        has_json=True,
    ):
        self.command = command.split()
        self.kind = kind
        self.arguments = list(arguments)
        self.joined = [name[:-1] for name in options if name.endswith(",")]
        self.options = [name.rstrip(",") for name in options]
        self.needed = needed
        self.own = own
        self.same = same
        self.preview = preview
        self.compare = compare or preview
        self.status = status.split() if status else None
        self.passes = passes
        self.single = single
        self.form = JSON if has_json else []

    def argv(self, params, arguments=None, options=None):
        """The command's words with what was given. A value never becomes an option of its own."""
        argv = []
        for name in self.options if options is None else options:
            value = params.get(name)
            flag = "--" + name.replace("_", "-")
            if value is None or value is False or value == []:
                continue
            if value is True:
                argv.append(flag)
            elif isinstance(value, dict):
                argv += [f"{flag}={key}={inner}" for key, inner in value.items()]
            elif isinstance(value, list) and name in self.joined:
                argv.append("{}={}".format(flag, ",".join(map(str, value))))
            elif isinstance(value, list):
                argv += [f"{flag}={inner}" for inner in value]
            else:
                argv.append(f"{flag}={value}")
        for name in self.arguments if arguments is None else arguments:
            value = params.get(name)
            argv += [str(one) for one in (value if isinstance(value, list) else [value]) if one is not None]
        return [*self.command, *argv, *self.form]


def main(actions, options, default=None):
    """Runs the module: `actions` by name, `options` as Ansible's argument specification, beside those of all."""
    action = {"type": "str", "choices": list(actions)}
    action.update({"required": True} if default is None else {"default": default})
    spec = dict(COMMON, action=action, **options)
    if any("work" in one.options for one in actions.values()):
        spec.update(WORK)
    if any(one.kind != READ for one in actions.values()):
        spec.update(WAIT)
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    Run(module, actions[module.params["action"]]).go()


class Run:
    """One call of a module."""

    def __init__(self, module, action):
        self.module = module
        self.action = action
        self.params = {name: value for name, value in module.params.items() if value is not None}
        self.naru = _program(module)

    def go(self):
        """Does what was asked for, and ends the module."""
        self._check()
        kind, check = self.action.kind, self.module.check_mode
        if kind == READ:
            self._end(self._asked(self.action.argv(self.params)), changed=False)
        elif kind == PLAN:
            self._plan(check)
        elif check:
            self._told()
        else:
            self._act()

    def _check(self):
        """Fails for what the action lacks, or does not take."""
        action, name = self.action, self.module.params["action"]
        missing = [one for one in action.needed if self.params.get(one) in (None, "", [])]
        if missing:
            self.module.fail_json(msg="action={} needs {}".format(name, ", ".join(missing)))
        known = {*COMMON, *WAIT, "action", *action.options, *action.arguments}
        more = sorted(one for one, value in self.params.items() if one not in known and value not in (False, [], {}))
        if more:
            self.module.fail_json(msg="action={} does not take {}".format(name, ", ".join(more)))
        for one in action.single:
            if len(self.params.get(one, [])) > 1:
                self.module.fail_json(msg=f"action={name} takes one {one}")
        for one in action.arguments:
            value = self.params.get(one)
            for text in value if isinstance(value, list) else [value]:
                if str(text).startswith("-"):
                    self.module.fail_json(msg=f"{one}: {text} begins with -")

    def _plan(self, check):
        if self._begun():
            self.module.exit_json(
                changed=False, begun=True, outcome="done", exit_code=0, result=None, messages=[], command=[]
            )
        if not check:
            self._run(changed=True)
            return
        directory = tempfile.mkdtemp(prefix="naru-check-")
        try:
            given = dict(self.params, work=os.path.join(directory, "work"))
            told = self._asked(self.action.argv({k: v for k, v in given.items() if k not in self.action.own}))
        finally:
            shutil.rmtree(directory, ignore_errors=True)
        self._end(told, changed=True, begun=False)

    def _begun(self):
        """Whether the work directory has a plan of the same change of which something was done. Fails where it is that
        of another change."""
        work = self.params.get("work")
        if not work or self.action.same is None:
            return False
        told = self._asked([*STATUS, "--work=" + work, *JSON])
        if not told.result or {key for key, number in told.result["steps"].items() if number} <= {"waiting", "held"}:
            return False
        shown = self._asked(["plan", "show", "--work=" + work, *JSON])
        settings = (shown.result or {}).get("settings", {})
        if settings.get("commands", self._commands()) != self._commands():
            return False  # the plan of something else: naru says so
        for option, setting in self.action.same.items():
            given, was = self.params.get(option), settings.get(setting)
            if self._is_other(given, was):
                self.module.fail_json(
                    msg=f"{work} holds a plan that has begun, of {option} {was} and not {given}: name another directory in work"
                )
        return True

    def _commands(self):
        """What a plan of the action's command says of who made it."""
        return "naru " + self.action.command[0]

    def _is_other(self, given, was):
        """Whether an option is another one than the setting of a plan. One that is not given is none, but for lists:
        those are empty then. A setting that a plan does not have was not written down when it was made."""
        if was is None:
            return False
        if isinstance(was, list):
            return sorted(map(str, given or [])) != sorted(map(str, was))
        if given is None:
            return False
        if isinstance(was, dict):
            pairs = given if isinstance(given, dict) else dict(str(one).partition("=")[::2] for one in given)
            return {str(key): str(value) for key, value in pairs.items()} != was
        if str(was).startswith(os.sep):
            cwd = self.params.get("chdir") or os.getcwd()
            return os.path.realpath(os.path.join(cwd, os.path.expanduser(str(given)))) != os.path.realpath(was)
        return str(given) != str(was)

    def _told(self):
        """In check mode: what an action would do."""
        told = self._previewed(self.action.preview)
        if told is None:
            self.module.exit_json(
                changed=True,
                outcome="done",
                exit_code=0,
                result=None,
                command=[],
                messages=["naru cannot tell beforehand what this would do"],
            )
        if told.rc != 0:
            self._end(told, changed=False)
        rows = self._rows(told)
        self._end(told, changed=bool(rows), result=rows, diff=self._compared(told))

    def _act(self):
        if self.params.get("wait") is False:
            self._run(changed=True)
            return
        diff = self._compared()
        before = self._status()
        told = self._asked(self.action.argv(self.params))
        state = told.result.get("state") if isinstance(told.result, dict) else None
        changed = state != "nothing to do" and (self.action.status is None or before != self._status())
        self._end(told, changed=changed, diff=diff)

    def _run(self, changed):
        """The command, waited for or only begun."""
        argv = self.action.argv(self.params)
        if self.params.get("wait") is not False:
            self._end(self._asked(argv), changed=changed)
        job, begun = begin([self.naru, *argv], self.params.get("chdir") or os.getcwd())
        self.module.exit_json(
            changed=begun,
            job=job,
            finished=False,
            outcome="running",
            exit_code=None,
            result=None,
            messages=[],
            command=argv,
        )

    def _previewed(self, preview):
        if preview is None:
            return None
        words, arguments, options = preview
        return self._asked(Action(" ".join(words), READ, arguments, options).argv(self.params))

    def _rows(self, told):
        """What a preview has told, as a list; of steps, those that are not done."""
        found = told.result
        if isinstance(found, dict):
            found = found.get("steps", [found])
        return [row for row in found or [] if row.get("state", "waiting") in LEFT]

    def _compared(self, told=None):
        """For --diff: what is there before, and after. `told` is what the preview has answered, if it was asked."""
        action = self.action
        if not self.module._diff or action.compare is None:
            return None
        if told is None or action.compare != action.preview:
            told = self._previewed(action.compare)
        if told.result is None:
            return None
        rows = self._rows(told)
        old = [_line(row, row["cloud"]) for row in rows if "cloud" in row]
        new = [_line(row, row["file"]) if "file" in row else _step(row) for row in rows]
        return {"before": "".join(old), "after": "".join(new)}

    def _status(self):
        if self.action.status is None:
            return None
        work = self.params.get("work")
        told = self._asked([*self.action.status, *(["--work=" + work] if work else []), *JSON])
        if not isinstance(told.result, dict):
            return None
        return {name: value for name, value in told.result.items() if name not in PASSING}

    def _asked(self, argv):
        """The command's answer."""
        cwd = self.params.get("chdir")
        rc, out, err = self.module.run_command([self.naru, *argv], cwd=cwd, handle_exceptions=True)
        return Told(argv, rc, out, err)

    def _end(self, told, changed, diff=None, **more):
        answer = told.answer(changed=changed)
        answer.update(more)
        if diff is not None:
            answer["diff"] = diff
        if told.rc in self.action.passes:
            self.module.exit_json(**answer)
        self.module.fail_json(msg=told.message(), **answer)


class Told:
    """What a command has answered: its exit code, its JSON (None where there is none), and what it said."""

    def __init__(self, argv, rc, out, err):
        self.argv = argv
        self.rc = rc
        self.out = out
        self.messages = [line for line in err.splitlines() if line.strip()]
        try:
            self.result = json.loads(out) if out.strip() else None
        except ValueError:
            self.result = None

    def answer(self, changed):
        """As what a module returns."""
        return {
            "changed": changed,
            "command": self.argv,
            "exit_code": self.rc,
            "outcome": OUTCOMES.get(self.rc, "killed"),
            "result": self.result,
            "messages": self.messages,
        }

    def message(self):
        """What went wrong, for a person: what naru said, and which steps failed."""
        said = list(self.messages[:20])
        failed = self.result.get("failed") if isinstance(self.result, dict) else None
        for step in failed or []:
            said.append("{}: {}".format(step.get("title") or step.get("id"), step.get("summary", "")))
        head = "naru {}: {}".format(" ".join(self.argv[:2]), OUTCOMES.get(self.rc, f"ended with {self.rc}"))
        return "\n".join([head, *said])


def _line(row, value):
    """A row of `naru tenant diff`, with the cloud's value or the file's."""
    if value in (None, ""):
        return ""
    name = " ".join(str(row[key]) for key in ("kind", "name", "field") if row.get(key))
    return f"{name}: {value if isinstance(value, str) else json.dumps(value, sort_keys=True)}\n"


def _step(row):
    return "{}\n".format(row.get("title") or row.get("id") or row.get("step"))


def _program(module):
    """Where naru is: as given, on the path, or beside the Python that runs the module."""
    naru = module.params["naru"]
    if os.sep in naru:
        if not os.access(naru, os.X_OK):
            module.fail_json(msg=f"naru: {naru} is no program")
        return naru
    return module.get_bin_path(naru, required=True, opt_dirs=[os.path.dirname(sys.executable)])


# Commands that are begun, and waited for by another task. A directory for each:
#   command  what was begun (JSON)     lock    held as long as it runs
#   stdout, stderr                     exit    its exit code, once it has ended


def jobs():
    """Where they are: of the user, as all that Naru keeps."""
    state = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(state, "naru", "ansible")


_SCRIPT = (
    'cd "$1" && shift && "$@" >"$JOB/stdout" 2>"$JOB/stderr"; echo $? >"$JOB/exit.new"; mv "$JOB/exit.new" "$JOB/exit"'
)


def begin(argv, cwd):
    """Begins a command that goes on when the module has ended; one that runs already is left alone. Returns the job's
    name, and whether it was begun."""
    name = "{}-{}".format(
        "-".join(word for word in argv[1:3] if not word.startswith("-")),
        hashlib.sha256(json.dumps([argv, cwd]).encode()).hexdigest()[:12],
    )
    directory = os.path.join(jobs(), name)
    os.makedirs(directory, mode=0o700, exist_ok=True)
    lock = _lock(directory)
    if lock is None:
        time.sleep(LOOK)  # who only looks whether it has ended has it, too, for an instant
        lock = _lock(directory)
    if lock is None:
        return name, False
    try:
        for file in ("exit", "stdout", "stderr"):
            if os.path.exists(os.path.join(directory, file)):
                os.remove(os.path.join(directory, file))
        with open(os.path.join(directory, "command"), "w") as file:
            json.dump({"argv": argv, "cwd": cwd}, file)
        # The descriptor goes to the command as well: the lock is held until the last of them has ended
        subprocess.Popen(
            ["/bin/sh", "-c", _SCRIPT, "naru", cwd, *argv],
            env=dict(os.environ, JOB=directory),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=(lock,),
        )
    finally:
        os.close(lock)
    return name, True


def ended(name, seconds):
    """What a command that was begun has answered, waited for so long; None while it runs. Raises OSError where there is
    none of that name."""
    directory = os.path.join(jobs(), name)
    with open(os.path.join(directory, "command")) as file:
        argv = json.load(file)["argv"][1:]
    until = time.monotonic() + seconds
    while True:
        lock = _lock(directory)
        if lock is not None:
            os.close(lock)
            break
        if time.monotonic() >= until:
            return None
        time.sleep(LOOK)
    rc = _text(directory, "exit").strip()
    return Told(argv, int(rc) if rc else -9, _text(directory, "stdout"), _text(directory, "stderr"))


def _text(directory, name):
    file = os.path.join(directory, name)
    if not os.path.exists(file):
        return ""
    with open(file) as opened:
        return opened.read()


def _lock(directory):
    """A descriptor that holds the lock; None while another one does."""
    descriptor = os.open(os.path.join(directory, "lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
