"""A cloud's configuration: the release's own files, then the lab's templates over them."""

import hashlib
import shutil
from pathlib import Path

import jinja2

from naru.lab.cloud import INSIDE, Cloud

TEMPLATES = Path(__file__).parent / "templates"


def render(cloud: Cloud, root: Path = Path("/")) -> None:
    """Writes `etc/` and `inside/` anew, below another root when they are for a host's disk; files hold secrets and are
    readable by their owner alone.

    The new `etc/` is whole before it takes the place of the old one: a program that a killed attempt started may be
    reading its configuration at this moment.
    """
    etc, inside = (root / path.relative_to("/") for path in (cloud.etc, cloud.inside))
    fresh, old = etc.with_name("etc.new"), etc.with_name("etc.old")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True, mode=0o700)
    shutil.copytree(INSIDE, inside, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    environment = _environment(cloud)
    shared = cloud.venv / "etc" / "os-brick"
    if shared.is_dir():
        shutil.copytree(shared, fresh / "os-brick")
    for service in cloud.services:
        target = fresh / service
        packaged = cloud.venv / "etc" / service
        if packaged.is_dir():
            shutil.copytree(packaged, target)
        target.mkdir(exist_ok=True)
        for template in sorted((TEMPLATES / service).glob("*.j2")):
            text = environment.get_template(f"{service}/{template.name}").render()
            (target / template.stem).write_text(text)
    shutil.rmtree(old, ignore_errors=True)
    if etc.exists():
        etc.rename(old)
    fresh.rename(etc)
    shutil.rmtree(old, ignore_errors=True)


def text(cloud: Cloud, template: str, **values: object) -> str:
    """One file's text, by the path of its template and values beside the cloud's."""
    return _environment(cloud).get_template(template).render(values)


def _environment(cloud: Cloud) -> jinja2.Environment:
    environment = jinja2.Environment(  # configuration files, not HTML: nothing to escape
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.globals.update(cloud=cloud, release=cloud.release)
    return environment


def fingerprint() -> str:
    """A digest of everything in the lab that shapes a cloud's state: templates, services, bootstrap."""
    digest = hashlib.sha256()
    here = Path(__file__).parent
    files = [
        here / "bootstrap.py",
        here / "ceph.py",
        *here.glob("services/*.py"),
        *here.glob("infra/*.py"),
        *TEMPLATES.rglob("*"),
    ]
    for file in sorted(files):
        if file.is_file():
            digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()
