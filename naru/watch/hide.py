"""Secrets in texts of logs: tokens and passwords, taken out before anything is kept."""

import re

BLOT = "***"
_TOKEN = re.compile(r"gAAAAA[\w=-]{10,}|\beyJ[\w-]{10,}\.[\w-]+\.[\w-]+")
_NAMED = re.compile(
    r"(?i)((?:x-(?:auth|subject|service)-token|[\w-]*password|passwd|[\w-]*secret|auth_token|token_id|credentials?)"
    r"[\"']?\s*(?:[:=]|=>)\s*(?:u?[\"'])?)(?!\s)([^\s\"',}&]+)"
)
_URL = re.compile(r"(\w+://[^\s:/@]+:)[^\s@/]+@")


def hidden(text: str) -> str:
    """The text without what lets somebody in: Fernet and JSON Web tokens, what is named a password, secret or token,
    passwords in URLs."""
    return _URL.sub(rf"\1{BLOT}@", _NAMED.sub(rf"\1{BLOT}", _TOKEN.sub(BLOT, text)))
