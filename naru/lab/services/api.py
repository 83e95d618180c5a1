"""How an API of a release is served: by its own script, or as a WSGI application under waitress."""

import dataclasses

from naru.lab.cloud import Cloud
from naru.lab.process import Command

THREADS = 4


def make_home(cloud: Cloud, service: str) -> None:
    """Makes the service's directory under etc/ a home directory for those that look for their configuration in
    ~/.SERVICE or /etc/SERVICE and nowhere else: see `at_home`."""
    (cloud.etc / service / f".{service}").symlink_to(".")


def at_home(cloud: Cloud, service: str, command: Command) -> Command:
    """The command with the directory that `make_home` made as its home directory."""
    return dataclasses.replace(command, env={**command.env, "HOME": str(cloud.etc / service)})


def command(cloud: Cloud, service: str, *arguments: str, name: str | None = None) -> Command:
    """The API process of `service`; `arguments` are the options that its configuration is found by."""
    serving = cloud.release.api[service]
    if serving.script:
        argv = (cloud.program(serving.script), *arguments)
    else:
        argv = (
            cloud.program("python"),
            str(cloud.inside / "serve.py"),
            cloud.here,
            str(cloud.ports[service]),
            str(THREADS),
            str(serving.wsgi),
            *arguments,
        )
    return Command(name or f"{service}-api", argv, cloud.environment(), port=cloud.ports[service], address=cloud.here)
