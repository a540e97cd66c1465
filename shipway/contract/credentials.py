"""What looks like a credential, so that no document holds one and no message repeats one."""

import re
from itertools import pairwise

__all__ = ["credential_in", "holds_secret", "names_secret"]

# What the issuers of credentials make recognisable; an address with a password; a private key.
_FORMS: dict[str, re.Pattern[str]] = {
    "a private key": re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY"),
    "an access key of AWS": re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    "an address with a password": re.compile(r"://[^/\s:@]*:[^/\s@$]+@"),
    "an issuer's token": re.compile(
        r"\bgh[pousr]_\w{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{20,}|\bhf_\w{20,}|\bxox[abprs]-\w|\bsk-[\w-]{20,}"
    ),
    "a JSON web token": re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]+\."),
    # A digest says what it is, and a commit in an address follows what it is a commit of.
    "a key in hexadecimal": re.compile(
        r"(?<![0-9A-Za-z])(?<!sha256[:/])(?<!/blob/)(?<!/commit/)(?<!/tree/)(?:[0-9a-f]{32,}|[0-9A-F]{32,})(?![0-9A-Za-z])"
    ),
}
# Keys and certificates that everybody may know.
_PUBLIC = re.compile(r"-----BEGIN (PUBLIC KEY|CERTIFICATE)-----.*?-----END \1-----", re.DOTALL)
_RUN = re.compile(r"[\w+/=-]{20,}")
_SHORTEST_RUN = 20
# Small letters, capitals and digits follow each other so often only by chance: words in camel case stay below it.
_CHANGES_RATIO = 0.4

_WORDS = frozenset(
    {"apikey", "credential", "credentials", "passphrase", "passwd", "password", "pwd", "secret", "token"}
)
_PAIRS = frozenset({("access", "key"), ("api", "key"), ("private", "key"), ("signing", "key"), ("encryption", "key")})
# A name that ends so tells where a secret is, or how it is used, not the secret.
_HARMLESS = frozenset(
    {"arn", "class", "count", "dir", "file", "files", "length", "limit", "mount", "name", "path", "seconds", "ttl"}
)
_PATH = re.compile(r"(/[\w.-]+)+/?")


def credential_in(text: str) -> str:
    """Returns what kind of credential a text seems to hold, empty for none."""
    text = _PUBLIC.sub("", text)
    for kind, form in _FORMS.items():
        if form.search(text):
            return kind
    # In an address a slash ends a word; in base64 it is a digit.
    runs = _RUN.findall(text.replace("/", " ") if "://" in text else text)
    return "a random token" if any(_is_random(run) for run in runs) else ""


def names_secret(name: str) -> bool:
    """Returns whether something of this name would be a secret itself, not the place of one.

    >>> names_secret("dbPassword"), names_secret("password_file"), names_secret("tokenizer")
    (True, False, False)
    """
    words = [word for word in re.split(r"[^a-z0-9]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()) if word]
    if not words or words[-1] in _HARMLESS:
        return False
    return bool(_WORDS & set(words)) or bool(_PAIRS & set(pairwise(words)))


def holds_secret(name: str, value: str) -> bool:
    """Returns whether a value is a secret, by its own form or by its name."""
    # `$(NAME)` only refers to another variable, and a path only says where the secret is.
    if not value.strip() or value.startswith("$("):
        return False
    if credential_in(value):
        return True
    return not _PATH.fullmatch(value) and value.lower() not in ("true", "false") and names_secret(name)


def _is_random(run: str) -> bool:
    letters = re.sub(r"[\W_]", "", run)
    kinds = [0 if letter.isdigit() else 1 if letter.isupper() else 2 for letter in letters]
    if len(letters) < _SHORTEST_RUN or len(set(kinds)) < 3:
        return False
    changes = sum(before != after for before, after in pairwise(kinds))
    return changes >= _CHANGES_RATIO * (len(kinds) - 1)
