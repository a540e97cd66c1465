"""Bodies that are no JSON object in UTF-8, or not one that holds rows."""

import gzip
import json
import pickle
import zlib

from tests.shipway.serving.bad.kinds import BIG, GOOD, JSON_WORDS, Kind, body, raw
from tests.shipway.serving.doubles import ROW

__all__ = ["DOCUMENTS"]

TEXT = GOOD.decode()


def syntax(content: bytes, rule: str = "json") -> Kind:
    """Returns a kind that is refused as no JSON object."""
    return Kind(content, rule=rule, expected=JSON_WORDS, error="the body is not a JSON object in UTF-8")


def envelope(content: bytes, field: str, rule: str, expected: str) -> Kind:
    """Returns a kind whose JSON is right and whose outer object is not."""
    return Kind(content, field, rule, expected, error="of the schema")


SYNTAX: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "json"),
    "spaces": (b"  \n", "json"),
    "broken JSON": (b'{"rows": [', "json"),
    "trailing comma in the object": (b'{"rows": [],}', "json"),
    "trailing comma in the list": (GOOD.replace(b"]}]}", b"]},]}"), "json"),
    "trailing garbage": (GOOD + b"x", "json"),
    "trailing NUL": (GOOD + b"\0", "json"),
    "leading NUL": (b"\0" + GOOD, "json"),
    "two documents": (GOOD + GOOD, "json"),
    "a document a line": (GOOD + b"\n" + GOOD + b"\n", "json"),
    "single quotes": (b"{'rows': []}", "json"),
    "keys without quotes": (b"{rows: []}", "json"),
    "a comment": (GOOD + b"// all", "json"),
    "a comment inside": (GOOD.replace(b"{", b"{/* rows */", 1), "json"),
    "a colon too few": (b'{"rows" []}', "json"),
    "a colon too many": (b'{"rows":: []}', "json"),
    "an equals sign": (b'{"rows"= []}', "json"),
    "a bracket too many": (GOOD + b"]", "json"),
    "the wrong bracket": (GOOD[:-1] + b"]", "json"),
    "undefined": (raw("amount", "undefined"), "json"),
    "None": (raw("amount", "None"), "json"),
    "True": (raw("amount", "True"), "json"),
    "nan in small letters": (raw("amount", "nan"), "json"),
    "inf": (raw("amount", "inf"), "json"),
    "a plus sign": (raw("amount", "+1"), "json"),
    "a leading zero": (raw("amount", "01"), "json"),
    "a leading point": (raw("amount", ".5"), "json"),
    "a trailing point": (raw("amount", "1."), "json"),
    "two points": (raw("amount", "1.2.3"), "json"),
    "a decimal comma": (raw("amount", "1,5"), "json"),
    "an underscore in a number": (raw("amount", "1_000"), "json"),
    "hexadecimal": (raw("amount", "0x1F"), "json"),
    "an empty exponent": (raw("amount", "1e"), "json"),
    "two signs": (raw("amount", "--1"), "json"),
    "a dash": (raw("amount", "-"), "json"),
    "full-width digits": (raw("amount", "\uff11"), "json"),
    "a text that does not end": (raw("who", '"N1'), "json"),
    "a newline in a text": (raw("who", '"a\nb"'), "json"),
    "a tab in a text": (raw("who", '"a\tb"'), "json"),
    "control character": (raw("who", '"\x01"'), "json"),
    "a NUL in a text": (raw("who", '"a\0b"'), "json"),
    "an escape that is none": (raw("who", '"\\x41"'), "json"),
    "half an escape": (raw("who", '"\\u12"'), "json"),
    "an escape of no digits": (raw("who", '"\\uzzzz"'), "json"),
    "half a surrogate": (raw("who", '"\\ud800"'), "unicode"),
    "the other half": (raw("who", '"\\udfff"'), "unicode"),
    "surrogates in the wrong order": (raw("who", '"\\ude00\\ud83d"'), "unicode"),
    "half a surrogate in capitals": (raw("who", '"\\uD800"'), "unicode"),
    "half a surrogate in a key": (GOOD.replace(b'"who"', b'"\\ud800"'), "unicode"),
    "form body": (b"amount=1&count=2", "json"),
    "many parts": (b'--x\r\ncontent-disposition: form-data; name="rows"\r\n\r\n[]\r\n--x--\r\n', "json"),
    "XML": (b"<?xml version='1.0'?><rows/>", "json"),
    "an XML bomb": (b'<!DOCTYPE a [<!ENTITY b "bb">]><a>&b;</a>', "json"),
    "HTML": (b"<html><script>alert(1)</script></html>", "json"),
    "YAML": (b"rows:\n  - amount: 1\n", "json"),
    "CSV": (b"amount,count\n1,2\n", "json"),
    "base64": (b"eyJyb3dzIjogW119", "json"),
    "a JSON text with JSON inside": (json.dumps(TEXT).encode(), "type"),
    "byte order mark": (b"\xef\xbb\xbf" + GOOD, "json"),
    "a byte order mark inside": (GOOD.replace(b"{", b"{\xef\xbb\xbf", 1), "json"),
    "a space that is none": (GOOD.replace(b": ", b":\xc2\xa0", 1), "json"),
    "a line separator": (GOOD.replace(b": ", b":\xe2\x80\xa8", 1), "json"),
    "not UTF-8": (b'{"rows": "\xff"}', "utf-8"),
    "latin-1": (TEXT.replace("red", "r\xe9d").encode("latin-1"), "utf-8"),
    "UTF-8 cut in a character": (raw("who", b'"\xe2\x82"'), "utf-8"),
    "a NUL in two bytes": (raw("who", b'"\xc0\x80"'), "utf-8"),
    "a slash in two bytes": (raw("who", b'"\xc0\xaf"'), "utf-8"),
    "a surrogate in UTF-8": (raw("who", b'"\xed\xa0\x80"'), "utf-8"),
    "past the last character": (raw("who", b'"\xf4\x90\x80\x80"'), "utf-8"),
    "UTF-16": (TEXT.encode("utf-16"), "utf-8"),
    "UTF-16 without a mark": (TEXT.encode("utf-16-le"), "json"),
    "UTF-16 the other way": (TEXT.encode("utf-16-be"), "json"),
    "UTF-32": (TEXT.encode("utf-32"), "utf-8"),
    "UTF-7": (b"+AHs-+ACI-rows+ACI-", "json"),
    "EBCDIC": (TEXT.encode("cp500"), "utf-8"),
    "gzip": (gzip.compress(GOOD, mtime=0), "utf-8"),
    "deflate": (zlib.compress(GOOD), "utf-8"),
    "a zip": (b"PK\x03\x04" + GOOD, "json"),
    "a pickle": (pickle.dumps({"rows": []}), "utf-8"),
    "a picture": (b"\x89PNG\r\n\x1a\n", "utf-8"),
    "message pack": (b"\x81\xa4rows\x90", "utf-8"),
    "a protocol buffer": (b"\x08\x96\x01", "utf-8"),
    "random bytes": (bytes(range(128, 256)), "utf-8"),
    "NULs alone": (b"\0" * 1000, "json"),
    "deep arrays": (b"[" * 100_000, "depth"),
    "deep objects": (b'{"a":' * 20_000, "depth"),
    "deep by turns": (b'[{"a":' * 20_000, "depth"),
    "deep and whole": (b"[" * 20_000 + b"]" * 20_000, "depth"),
    "deep in a field": (raw("amount", "[" * 100_000 + "]" * 100_000), "depth"),
    "deep in rows": (b'{"rows": ' + b"[" * 20_000 + b"]" * 20_000 + b"}", "depth"),
    "array at the top": (b"[]", "type"),
    "the rows at the top": (json.dumps([ROW]).encode(), "type"),
    "number at the top": (b"1", "type"),
    "text at the top": (b'"rows"', "type"),
    "null at the top": (b"null", "type"),
    "true at the top": (b"true", "type"),
    "NaN at the top": (b"NaN", "type"),
    "Infinity at the top": (b"-Infinity", "type"),
    "a huge number at the top": (b"9" * 10_000, "type"),
    # Wherever a body is cut, it is no document.
    **{f"cut after {size} bytes": (GOOD[:size], "json") for size in range(1, len(GOOD) - 1, 12)},
}

KEYS = (
    *("", " ", "Rows", "rows ", "rows\u200b", "row", "inputs", "instances", "data", "labels", "parameters"),
    *("__proto__", "constructor", "__class__", "$where", "rows[]", "rows.0", "x-event-time", "a" * 5000, "a\u0000b"),
)
ROWS = "a list of 1 to 1000 rows"
UNIT = "1 to 200 printable characters"

ENVELOPES: dict[str, Kind] = {
    "no rows": envelope(b"{}", "rows", "missing", ROWS),
    "null rows": envelope(b'{"rows": null}', "rows", "type", ROWS),
    "rows an object": envelope(b'{"rows": {}}', "rows", "type", ROWS),
    "rows a row": envelope(json.dumps({"rows": ROW}).encode(), "rows", "type", ROWS),
    "rows a text": envelope(b'{"rows": "all"}', "rows", "type", ROWS),
    "rows a number": envelope(b'{"rows": 1}', "rows", "type", ROWS),
    "rows true": envelope(b'{"rows": true}', "rows", "type", ROWS),
    "rows NaN": envelope(b'{"rows": NaN}', "rows", "type", ROWS),
    "zero rows": envelope(b'{"rows": []}', "rows", "length", "1 to 1000 rows"),
    "too many rows": envelope(b'{"rows": [' + b"1," * 1000 + b"1]}", "rows", "length", "1 to 1000 rows"),
    "a hundred thousand rows": envelope(b'{"rows": [' + b"1," * 99_999 + b"1]}", "rows", "length", "1 to 1000 rows"),
    "duplicate rows": envelope(GOOD[:-1] + b', "rows": []}', "rows", "duplicate", "each key once"),
    "duplicate rows, both of them good": envelope(GOOD[:-1] + b", " + GOOD[1:], "rows", "duplicate", "each key once"),
    "duplicate unit id": envelope(b'{"unit_id": "a", "unit_id": "a", ' + GOOD[1:], "unit_id", "duplicate", "once"),
    "duplicate by another spelling": envelope(GOOD[:-1] + b', "r\\u006fws": []}', "rows", "duplicate", "each key once"),
    **{
        f"extra key {key[:20]!r}": envelope(
            json.dumps({key: 1, "rows": [ROW]}).encode(), key[:100], "unknown", "only rows and unit_id"
        )
        for key in KEYS
    },
    **{
        f"unit id {name}": envelope(json.dumps({"unit_id": unit, "rows": [ROW]}).encode(), "unit_id", "unit_id", UNIT)
        for name, unit in {
            "a number": 7,
            "a fraction": 7.5,
            "true": True,
            "a list": ["a"],
            "an object": {"id": "a"},
            "empty": "",
            "long": "x" * 201,
            "very long": "x" * 100_000,
            "with a newline": "a\nb",
            "with a header behind it": "a\r\nx-slot: green",
            "with a NUL": "a\0b",
            "with an escape sequence": "\x1b[31mred",
            "with a bell": "a\x07",
            "with a line separator": "a\u2028b",
            "written from right to left": "a\u202eb",
            "of nothing to see": "\u200b",
            "in private use": "\ue000",
        }.items()
    },
    "row a number": Kind(b'{"rows": [1]}', "", "type", "an object", 0),
    "row null": Kind(b'{"rows": [null]}', "", "type", "an object", 0),
    "row a list": Kind(b'{"rows": [[]]}', "", "type", "an object", 0),
    "row a list of values": Kind(json.dumps({"rows": [list(ROW.values())]}).encode(), "", "type", "an object", 0),
    "row a text": Kind(b'{"rows": ["amount"]}', "", "type", "an object", 0),
    "row true": Kind(b'{"rows": [true]}', "", "type", "an object", 0),
    "row NaN": Kind(b'{"rows": [NaN]}', "", "type", "an object", 0),
    "row empty": Kind(b'{"rows": [{}]}', "amount", "missing", "a value", 0),
    "the second row bad": Kind(json.dumps({"rows": [ROW, ROW | {"count": -1}]}).encode(), "count", "range", "0", 1),
    "the last of many rows bad": Kind(json.dumps({"rows": [ROW] * 99 + [{}]}).encode(), "amount", "missing", "", 99),
    "a body over the limit": Kind(
        body(who="x" * BIG), "", "size", f"at most {BIG} bytes", status=413, error=f"larger than {BIG} bytes"
    ),
    "a body of spaces over the limit": Kind(
        b" " * (BIG + 1), "", "size", f"at most {BIG} bytes", status=413, error=f"larger than {BIG} bytes"
    ),
    "a body of brackets over the limit": Kind(
        b"[" * (BIG + 1), "", "size", f"at most {BIG} bytes", status=413, error=f"larger than {BIG} bytes"
    ),
}

DOCUMENTS: dict[str, Kind] = {**{name: syntax(*what) for name, what in SYNTAX.items()}, **ENVELOPES}
