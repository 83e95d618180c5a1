"""For tests: Ansible writes what each task has answered as a line of JSON."""

import json

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: answers
type: stdout
short_description: Answers as lines of JSON
description: [For tests.]
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "answers"

    def v2_runner_on_ok(self, result):
        self._say(result, "ok")

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._say(result, "failed")

    def v2_runner_on_skipped(self, result):
        self._say(result, "skipped")

    def v2_runner_on_unreachable(self, result):
        self._say(result, "unreachable")

    def _say(self, result, what):
        print(json.dumps({**result._result, "task": what}, default=str))
