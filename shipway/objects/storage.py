"""Objects below a folder of a bucket in a store that speaks S3.

Records are written once, under their own name, by whoever comes first; segments of logs are written again as they grow;
what a process remembers is written over what it read or wrote last, and over nothing else.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

from shipway.contract.errors import Fatal, SpecError

__all__ = ["Entry", "ObjectStorage"]

CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS = 2, 5
# What the store answers when an object of that name is there, or is being made at this moment.
_TAKEN = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_ABSENT = frozenset({"NoSuchKey", "404"})
# Made twice: a store that takes the second does not know conditional writes.
_PROBE = "written-once"


class Entry(NamedTuple):
    """One object of a list: its name below the folder, and what changes when it is written again."""

    name: str
    tag: str


class ObjectStorage:
    """The objects below a folder of a bucket.

    Args:
        url: such as s3://bucket/folder.
        client: of boto3; by default one whose credentials come from where pods and people have them.
        endpoint_url: of a store that is not AWS's; by default what the environment's variables say.

    Raises:
        SpecError: for another address, or when the machine's own settings, such as AWS_PROFILE, name what is not there.
    """

    def __init__(self, url: str, client: Any = None, endpoint_url: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme != "s3" or not parts.netloc:
            raise SpecError("the object store", "url", url, "s3://BUCKET/FOLDER")
        self._bucket, self._prefix = parts.netloc, parts.path.strip("/")
        self._client = client if client is not None else _client(url, endpoint_url)

    def names(self) -> list[str]:
        """Returns the names of all objects."""
        return sorted(entry.name for entry in self.entries())

    def entries(self, below: str = "", after: str = "") -> list[Entry]:
        """Returns the objects whose name begins with `below`, in the order of their names.

        Args:
            below: such as a folder's name with a slash.
            after: names up to this one, in alphabetical order, are passed over.
        """
        more = {"StartAfter": self._key(after)} if after else {}
        return [
            Entry(str(one["Key"]).removeprefix(self._folder), str(one.get("ETag", "")))
            for page in self._pages(below, more)
            for one in page.get("Contents", [])
        ]

    def folders(self) -> list[str]:
        """Returns the names of the folders directly below this one."""
        return [
            str(one["Prefix"]).removeprefix(self._folder).rstrip("/")
            for page in self._pages("", {"Delimiter": "/"})
            for one in page.get("CommonPrefixes", [])
        ]

    def write(self, name: str, content: bytes) -> None:
        """Writes an object, whether there is one of that name or not."""
        self._ask("put_object", name, Body=content)

    def read(self, name: str) -> bytes:
        """Returns an object's bytes."""
        return cast(bytes, self._ask("get_object", name, reads=True)["Body"])

    def read_entry(self, name: str) -> tuple[bytes, Entry]:
        """Returns an object's bytes, and what `replace` takes to write over these and no others."""
        answer = self._ask("get_object", name, reads=True)
        return cast(bytes, answer["Body"]), Entry(name, str(answer["ETag"]))

    def replace(self, entry: Entry, content: bytes) -> Entry:
        """Writes an object over what `entry` says, and returns what it is then.

        Args:
            entry: as it was read or written last; without a tag, there must be no object of that name.
            content: its new bytes.

        Raises:
            FileExistsError: when somebody else has written it since.
        """
        condition: dict[str, Any] = {"IfMatch": entry.tag} if entry.tag else {"IfNoneMatch": "*"}
        answer = self._ask("put_object", entry.name, Body=content, **condition)
        return Entry(entry.name, str(answer["ETag"]))

    def create(self, name: str, content: bytes) -> bool:
        """Writes an object, if there is none of that name."""
        try:
            self._ask("put_object", name, Body=content, IfNoneMatch="*")
        except FileExistsError:
            return False
        return True

    def where(self, name: str) -> str:
        """Returns an object's address."""
        return f"s3://{self._bucket}/{self._key(name)}"

    def check(self) -> None:
        """Makes sure that the store refuses to write an object twice.

        Raises:
            Fatal: when it does not, so that two writers could overwrite each other's entries.
            OSError: when it does not answer.
        """
        self.create(_PROBE, b"")
        if self.create(_PROBE, b""):
            raise Fatal(f"{self.where('')}: the object store ignores If-None-Match, so entries could be overwritten")

    def check_replacing(self) -> None:
        """Makes sure that the store refuses to write over what somebody else has written.

        Raises:
            Fatal: when it does not, so that two writers could lose each other's work.
            OSError: when it does not answer.
        """
        self.write(_PROBE, b"")
        try:
            self.replace(Entry(_PROBE, '"of nothing"'), b"")
        except FileExistsError:
            return
        raise Fatal(f"{self.where('')}: the object store ignores If-Match, so what one process kept another could lose")

    @property
    def _folder(self) -> str:
        return f"{self._prefix}/" if self._prefix else ""

    def _pages(self, below: str, more: dict[str, Any]) -> Iterator[dict[str, Any]]:
        asked: dict[str, Any] = {"Prefix": f"{self._folder}{below}", **more}
        while True:
            page = self._ask("list_objects_v2", **asked)
            yield page
            if not page.get("IsTruncated"):
                return
            asked["ContinuationToken"] = page["NextContinuationToken"]

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    def _ask(self, operation: str, name: str | None = None, *, reads: bool = False, **more: Any) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError  # pyright: ignore[reportMissingTypeStubs]

        where = {"Bucket": self._bucket} if name is None else {"Bucket": self._bucket, "Key": self._key(name)}
        try:
            answer = cast(dict[str, Any], getattr(self._client, operation)(**where, **more))
            return {**answer, "Body": answer["Body"].read()} if reads else answer
        except ClientError as error:
            code = str(cast(Any, error).response.get("Error", {}).get("Code", ""))
            if code in _TAKEN:
                raise FileExistsError(self.where(name or "")) from None
            if code in _ABSENT:
                raise FileNotFoundError(self.where(name or "")) from None
            raise OSError(0, f"the object store answered {code}", self.where(name or "")) from None
        except BotoCoreError as error:
            raise OSError(0, f"the object store does not answer ({error})", self.where(name or "")) from None


def _client(url: str, endpoint_url: str | None) -> Any:
    # Only a cluster needs it, and only there it is installed.
    import boto3  # pyright: ignore[reportMissingTypeStubs]
    from botocore.config import Config  # pyright: ignore[reportMissingTypeStubs]
    from botocore.exceptions import BotoCoreError  # pyright: ignore[reportMissingTypeStubs]

    config = Config(
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=READ_TIMEOUT_SECONDS,
        retries={"total_max_attempts": 1},
        # Stores that are not AWS's may refuse checksums they do not know.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    try:
        return cast(Any, boto3).client("s3", config=config, endpoint_url=endpoint_url)
    except (BotoCoreError, ValueError) as error:
        # A profile, a region or an address that variables or ~/.aws name.
        expected = "settings of AWS by which it can be reached: look at AWS_PROFILE, AWS_ENDPOINT_URL and ~/.aws"
        raise SpecError("the object store", url, str(error), expected) from None
