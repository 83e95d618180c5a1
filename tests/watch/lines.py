"""Lines as services write them, for tests."""

REQUEST = "req-b0bf378c-589b-4bee-9d1b-0a0b3c95b45d"
GLOBAL = "req-11111111-2222-3333-4444-555555555555"
TIME = "2026-10-05 14:42:27.282"


def line(
    message: str,
    level: str = "ERROR",
    logger: str = "nova.compute.manager",
    context: str = f"{REQUEST} u1 p1 - - -",
    time: str = TIME,
    pid: int = 7,
) -> str:
    return f"{time} {pid} {level} {logger} [{context}] {message}"


def traceback(*lines: str, logger: str = "nova.compute.manager", time: str = TIME, pid: int = 7) -> list[str]:
    """As oslo.log writes it: each line with a head of its own, and the word ERROR."""
    return [f"{time} {pid} ERROR {logger} {text}" for text in ("Traceback (most recent call last):", *lines)]


FRAMES = (
    '  File "/v/lib/python3.11/site-packages/nova/compute/manager.py", line 10, in spawn',
    "    self.driver.spawn()",
    '  File "/v/lib/python3.11/site-packages/oslo_utils/excutils.py", line 20, in __exit__',
    "    raise self.value",
    "nova.exception.NovaException: no room",
)
