"""Secrets as people have them, made anew from a seed: none of them is anybody's, and none is written down."""

import base64
import json
import random
import string
from collections.abc import Callable

__all__ = ["planted"]

_LETTERS_DIGITS = string.ascii_letters + string.digits


def planted(count: int = 200, seed: int = 5) -> list[str]:
    """Returns so many different secrets, each kind in turn; the same for the same seed."""
    draw = random.Random(seed)
    return [_KINDS[number % len(_KINDS)](draw) for number in range(count)]


def _text(draw: random.Random, letters: str, length: int) -> str:
    return "".join(draw.choices(letters, k=length))


def _access_key(draw: random.Random) -> str:
    return f"AK{'IA'}{_text(draw, string.ascii_uppercase + string.digits, 16)}"


def _secret_key(draw: random.Random) -> str:
    return _text(draw, _LETTERS_DIGITS + "+/", 40)


def _web_token(draw: random.Random) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    claims = part({"sub": _text(draw, string.digits, 12), "iat": draw.randrange(10**9)})
    return f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{claims}.{_text(draw, _LETTERS_DIGITS, 43)}"


def _private_key(draw: random.Random) -> str:
    lines = "\n".join(_text(draw, _LETTERS_DIGITS + "+/", 64) for _ in range(4))
    kind = f"{draw.choice(['RSA ', 'EC ', ''])}PRIVATE"
    return f"-----BEGIN {kind} KEY-----\n{lines}\n-----END {kind} KEY-----\n"


def _code_host_token(draw: random.Random) -> str:
    prefix = draw.choice(["gh" + "p_", "gh" + "o_", "github" + "_pat_", "gl" + "pat-"])
    return f"{prefix}{_text(draw, _LETTERS_DIGITS, 36)}"


def _chat_token(draw: random.Random) -> str:
    return f"xo{'xb'}-{_text(draw, string.digits, 12)}-{_text(draw, _LETTERS_DIGITS, 24)}"


def _address(draw: random.Random) -> str:
    scheme = draw.choice(["postgresql", "https", "redis", "amqps"])
    return (
        f"{scheme}://{draw.choice(['shipway', 'admin', ''])}:{_text(draw, _LETTERS_DIGITS, 14)}@db.example.com:5432/x"
    )


def _base64(draw: random.Random) -> str:
    return base64.b64encode(draw.randbytes(draw.choice([24, 32, 48]))).decode()


def _hexadecimal(draw: random.Random) -> str:
    return draw.randbytes(draw.choice([16, 20, 32])).hex()


def _hook(draw: random.Random) -> str:
    return f"https://hooks.example.com/services/T{_text(draw, string.digits, 8)}/{_text(draw, _LETTERS_DIGITS, 24)}"


_KINDS: tuple[Callable[[random.Random], str], ...] = (
    _access_key,
    _secret_key,
    _web_token,
    _private_key,
    _code_host_token,
    _chat_token,
    _address,
    _base64,
    _hexadecimal,
    _hook,
)
