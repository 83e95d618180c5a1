"""Object storage: a proxy, and one account, container and object server each on one directory of the state."""

import shutil

from naru.lab.cloud import Cloud
from naru.lab.process import Command

DATABASES = ()
CATALOG = (("object-store", "swift", "/v1/AUTH_%(project_id)s"),)
USER_ROLES = ("swiftoperator",)
BACKENDS = ("account", "container", "object")
# the storage policies of swift.conf: the rings of the second one are told apart by a number
RINGS = (("account", "account"), ("container", "container"), ("object", "object"), ("object-1", "object"))


def migrate(cloud: Cloud) -> list[tuple[str, ...]]:
    """No schema, but rings: one copy of everything on the one device there is."""
    builder = cloud.program("swift-ring-builder")
    commands: list[tuple[str, ...]] = []
    for ring, backend in RINGS:
        file = str(cloud.state / "swift" / "rings" / f"{ring}.builder")
        commands += [
            (builder, file, "create", "4", "1", "0"),
            (builder, file, "add", f"r1z1-127.0.0.1:{cloud.ports[f'swift-{backend}']}/d1", "1"),
            (builder, file, "rebalance"),
        ]
    return commands


def prepare(cloud: Cloud) -> None:
    """Puts the rings beside swift.conf, the only place where Swift looks for them."""
    for ring in (cloud.state / "swift" / "rings").glob("*.ring.gz"):
        shutil.copy(ring, cloud.etc / "swift")


def programs(cloud: Cloud) -> list[Command]:
    def command(name: str, script: str, file: str, port: str | None) -> Command:
        argv = (
            cloud.program("python"),
            str(cloud.inside / "run_swift.py"),
            str(cloud.etc / "swift"),
            cloud.program(script),
            str(cloud.etc / "swift" / file),
            "-v",
        )
        return Command(name, argv, cloud.environment(), port=cloud.ports[port] if port else None)

    return [
        *(command(f"swift-{name}", f"swift-{name}-server", f"{name}.conf", f"swift-{name}") for name in BACKENDS),
        # without it an account never learns how many objects and bytes its containers have
        command("swift-container-updater", "swift-container-updater", "container.conf", None),
        command("swift-proxy", str(cloud.release.api["swift"].script), "proxy.conf", "swift"),
    ]
