"""clouds.yaml: found, read and checked, so that what is wrong with it is told by file and field.

openstacksdk reads it, as every client of OpenStack does; but it passes over a file that it cannot read, and what it
says of a wrong type is Python's. It is loaded when a cloud is asked for, since that takes longer than all else of Naru:
commands that ask no cloud answer without it.
"""

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from keystoneauth1 import exceptions
from keystoneauth1 import session as keystone_session

from naru import yamlfile
from naru.errors import InputError

if TYPE_CHECKING:
    from openstack.config.cloud_region import CloudRegion

HINT = "OS_CLIENT_CONFIG_FILE says where clouds.yaml is; `naru lab up` prints the lab's."


def region(
    name: str, files: list[str] | None, http: requests.Session
) -> "tuple[CloudRegion, keystone_session.Session]":
    """The cloud `name`, and a session of its identity over `http`. Raises InputError that names file and field."""
    import openstack.config
    from openstack.exceptions import ConfigException, SDKException

    file = _file(files)
    if file is not None:
        _check(file, name)
    constructor: Any = functools.partial(keystone_session.Session, session=http)
    try:
        config = openstack.config.OpenStackConfig(config_files=files, session_constructor=constructor, app_name="naru")
        known = sorted(config.get_cloud_names())
        if name not in known:
            if file is None:
                raise InputError(f"cloud {name!r}: there is no clouds.yaml", detail=_searched(files), hint=HINT)
            raise InputError(
                f"cloud {name!r} is not in {file}", detail=f"It has: {', '.join(known) or 'no cloud'}.", hint=HINT
            )
        found: CloudRegion = config.get_one(name)
        auth = found.config.get("auth", {})
        address = auth.get("auth_url")
        if not address:
            raise _wrong(file, name, "auth.auth_url: is missing; it is Keystone's URL, as in https://HOST:5000/v3")
        if urlsplit(str(address)).scheme not in ("http", "https") or not urlsplit(str(address)).hostname:
            raise _wrong(file, name, f"auth.auth_url: {address!r} is no URL, as in https://HOST:5000/v3")
        by_password = found.config.get("auth_type", "password") in ("password", "v3password")
        if by_password and auth.keys() & {"username", "user_id"} and not auth.get("password"):
            raise _wrong(file, name, "auth.password: is missing; it may also stand in secure.yaml beside the file")
        return found, found.get_session()
    except (ConfigException, SDKException, exceptions.ClientException, TypeError, ValueError, AttributeError) as error:
        raise _wrong(file, name, str(error)) from error


def _wrong(file: Path | None, name: str, what: str) -> InputError:
    return InputError(f"{file or 'clouds.yaml'}: clouds.{name} is not valid", detail=what, hint="Correct it there.")


def _file(files: list[str] | None) -> Path | None:
    """The file that counts, None when there is none; then the environment may say all (OS_AUTH_URL ...)."""
    named = os.environ.get("OS_CLIENT_CONFIG_FILE")
    if files is None and named and not Path(named).exists():
        raise InputError(f"there is no {named}, which OS_CLIENT_CONFIG_FILE names", hint="Correct that, or unset it.")
    from openstack.config.loader import CONFIG_FILES

    # openstacksdk puts the variable's file before all others
    candidates = [*([named] if named else []), *(CONFIG_FILES if files is None else files)]
    return next((Path(file) for file in candidates if Path(file).exists()), None)


def _searched(files: list[str] | None) -> str:
    """Where files were looked for, for a person."""
    from openstack.config.loader import CONFIG_FILES

    return f"None of these is there: {', '.join(dict.fromkeys(map(str, CONFIG_FILES if files is None else files)))}"


def _check(file: Path, name: str) -> None:
    said = yamlfile.load(file)
    if not isinstance(said, dict) or not isinstance(said.get("clouds"), dict):
        raise InputError(
            f"{file}: `clouds` is not a mapping of names to clouds", hint="clouds: {NAME: {auth: {auth_url: ...}}}"
        )
    if name not in said["clouds"]:
        return
    cloud = said["clouds"][name]
    if not isinstance(cloud, dict):
        raise _wrong(file, name, "it is not a mapping; give it at least auth: {auth_url: ...}")
    wrong = [f"{field}: {what}" for field, what in _problems(cloud)]
    if wrong:
        raise _wrong(file, name, "\n".join(wrong))


def _problems(cloud: dict[str, Any]) -> list[tuple[str, str]]:
    """(field, what is wrong with it)."""
    found = []
    auth = cloud.get("auth", {})
    if not isinstance(auth, dict):
        found.append(("auth", "give a mapping, as in auth: {auth_url: ..., username: ..., password: ...}"))
    else:
        found += [
            (f"auth.{key}", "give a text, in quotes when it looks like a number")
            for key, value in auth.items()
            if not isinstance(value, str | bool | None)
        ]
    timeout = cloud.get("api_timeout")
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int | float) or timeout <= 0):
        found.append(("api_timeout", "give a number of seconds above 0"))
    for key in ("cacert", "cert", "key"):
        if isinstance(cloud.get(key), str) and not Path(cloud[key]).expanduser().exists():
            found.append((key, f"there is no {cloud[key]}"))
    return found
