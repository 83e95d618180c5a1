"""How an API of a release is served: by its own script, or as a WSGI application under waitress."""

from naru.lab.cloud import Cloud
from naru.lab.process import Command

THREADS = 4


def command(cloud: Cloud, service: str, *arguments: str, name: str | None = None) -> Command:
    """The API process of `service`; `arguments` are the options that its configuration is found by."""
    serving = cloud.release.api[service]
    if serving.script:
        argv = (cloud.program(serving.script), *arguments)
    else:
        argv = (
            cloud.program("python"),
            str(cloud.inside / "serve.py"),
            str(cloud.ports[service]),
            str(THREADS),
            str(serving.wsgi),
            *arguments,
        )
    return Command(name or f"{service}-api", argv, cloud.environment(), port=cloud.ports[service])
