"""One secret out of a file of many, as kolla-ansible's passwords.yml: `naru site secret FILE NAME`, for a site's
`{command: ...}`."""

import shlex
import shutil
import subprocess
from pathlib import Path

from naru import yamlfile
from naru.errors import InputError, NaruError

VAULT = "$ANSIBLE_VAULT"
SECONDS = 30.0


def command(file: Path, name: str) -> str:
    """The command line that prints the secret."""
    return shlex.join(["naru", "site", "secret", str(file), name])


def read(file: Path, name: str) -> str:
    """The value of a name in a YAML file. One that Ansible's vault encrypted is opened by ansible-vault, which finds
    its password as it does otherwise (ANSIBLE_VAULT_PASSWORD_FILE, ansible.cfg). Raises InputError or NaruError; no
    message has a secret in it."""
    text = yamlfile.text_of(file)
    values = yamlfile.values(_opened(file) if text.startswith(VAULT) else text, file)
    if not isinstance(values, dict) or name not in values:
        raise InputError(f"{file}: there is no {name} in it")
    value = values[name]
    if value is None or isinstance(value, dict | list):
        raise InputError(f"{file}: {name} is no text", hint="kolla-genpwd fills in what is empty.")
    return str(value)


def _opened(file: Path) -> str:
    program = shutil.which("ansible-vault")
    if not program:
        raise InputError(f"{file} is encrypted, and ansible-vault is not installed", hint="pip install ansible-core")
    try:
        done = subprocess.run(
            [program, "view", str(file)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise NaruError(f"{file}: ansible-vault gives no answer within {SECONDS:g} s") from error
    if done.returncode:
        raise NaruError(
            f"{file}: ansible-vault cannot open it",
            detail=done.stderr.strip()[-500:],
            hint="Set ANSIBLE_VAULT_PASSWORD_FILE to the file with its password.",
        )
    return done.stdout
