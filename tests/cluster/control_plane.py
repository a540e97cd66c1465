"""A real Kubernetes control plane on loopback: etcd, API server, controllers, scheduler, and nodes without machines."""

import json
import os
import secrets
import shutil
import ssl
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx
import yaml

from tests.cluster.certificates import Authority, make_signing_key
from tests.shipway.delivery.stack import PROJECT, wait_until

__all__ = ["ControlPlane", "find_programs"]

READY_SECONDS = 60.0
STOP_SECONDS = 20.0
# user -> groups; the scheduler's own role is among those every cluster has.
USERS = {
    "admin": "system:masters",
    "system:kube-controller-manager": "system:masters",
    "system:kube-scheduler": "",
    "kwok": "system:masters",
}


def find_programs() -> Path:
    """Returns the folder of the control plane's programs as `make setup-cluster` leaves it."""
    places = [str(PROJECT / ".shipway" / "bin"), os.environ.get("PATH", "")]
    found = shutil.which("kube-apiserver", path=os.pathsep.join(places))
    assert found, "no kube-apiserver in .shipway/bin or on PATH; run `make setup-cluster`"
    return Path(found).parent


@dataclass
class ControlPlane:
    """One control plane in a folder of its own.

    Args:
        folder: where its data, keys and logs lie.
        base_port: the API server's; the five after it are the others'.
        programs: the folder of the programs.
        stages: kwok's stages: how pods and nodes without machines come to be ready.
    """

    folder: Path
    base_port: int
    programs: Path
    stages: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict[str, subprocess.Popen[bytes]])

    @property
    def url(self) -> str:
        """Where the API server answers."""
        return f"https://127.0.0.1:{self.base_port}"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's access."""
        return self._access("admin")

    def start(self) -> None:
        """Returns when the API answers, a default service account exists and every process lives."""
        self._make_keys()
        self._start_etcd()
        # The controllers end when there is no API yet, which later looks like rollouts that hang.
        self.start_api()
        self._start_controllers()
        wait_until(lambda: self._exists("serviceaccount", "default"), "the default service account", READY_SECONDS)
        self.alive()

    def alive(self) -> None:
        """Raises an AssertionError naming a process that ended, with its last words."""
        for name, process in self.processes.items():
            log = (self.folder / f"{name}.log").read_text(errors="replace")[-800:]
            assert process.poll() is None, f"{name} ended: {log}"

    def stop(self, *names: str) -> None:
        """Ends the named processes, or all, those that depend on others first."""
        for name in names or tuple(reversed(self.processes)):
            process = self.processes.pop(name, None)
            if process is None:
                continue
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def kill(self, name: str) -> None:
        """Ends a process as the loss of its machine would."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def start_api(self) -> None:
        """Starts the API server, also again, and returns when it answers."""
        self._start_api()
        wait_until(self._answers, "the API server is ready", READY_SECONDS)

    def kubectl(self, *arguments: str, document: object = None, check: bool = True) -> str:
        """Returns what kubectl printed; `document` goes in as its standard input.

        Raises:
            AssertionError: with what kubectl said, where it failed and `check` is on.
        """
        done = subprocess.run(
            [self.programs / "kubectl", "--kubeconfig", self.kubeconfig, *arguments],
            input=None if document is None else json.dumps(document),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0 or not check, f"kubectl {' '.join(arguments)}: {done.stderr.strip()}"
        return done.stdout if done.returncode == 0 else done.stderr

    def get(self, *arguments: str) -> dict[str, Any]:
        """Returns an object, or a list of them, as kubectl reads it."""
        return cast(dict[str, Any], json.loads(self.kubectl("get", *arguments, "-o", "json")))

    def apply(self, *documents: dict[str, Any], dry_run: bool = False) -> str:
        """Applies objects on the server's side, strictly: an unknown field is an error."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(documents)}
        options = ["--server-side", "--validate=strict", *(["--dry-run=server"] if dry_run else [])]
        return self.kubectl("apply", *options, "-f", "-", document=listed)

    def _exists(self, kind: str, name: str) -> bool:
        return not self.kubectl("get", kind, name, check=False).startswith("Error")

    def _answers(self) -> bool:
        assert self.processes["kube-apiserver"].poll() is None, (self.folder / "kube-apiserver.log").read_text()[-800:]
        try:
            verify = ssl.create_default_context(cafile=self._authority.certificate)
            return httpx.get(f"{self.url}/readyz", verify=verify, trust_env=False, timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def _make_keys(self) -> None:
        keys = self.folder / "keys"
        self._authority = Authority(keys)
        hosts = ["127.0.0.1", "10.96.0.1", "localhost", "kubernetes.default.svc"]
        self._serving = self._authority.server("kube-apiserver", hosts)
        self._proxy = self._authority.client("front-proxy-client")
        self._signer, self._verifier = make_signing_key(keys, "service-accounts")
        tokens = {user: secrets.token_hex(16) for user in USERS}
        lines = [f'{token},{user},{number},"{USERS[user]}"' for number, (user, token) in enumerate(tokens.items())]
        self._tokens = keys / "tokens.csv"
        self._tokens.touch(0o600)
        self._tokens.write_text("\n".join(lines) + "\n", encoding="utf-8")
        for user, token in tokens.items():
            path = self._access(user)
            path.touch(0o600)
            path.write_text(yaml.safe_dump(self._kubeconfig(user, token)), encoding="utf-8")

    def _access(self, user: str) -> Path:
        return self.folder / f"{user.rpartition(':')[2]}.kubeconfig"

    def _kubeconfig(self, user: str, token: str) -> dict[str, Any]:
        cluster = {"server": self.url, "certificate-authority": str(self._authority.certificate)}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
            "current-context": "test",
        }

    def _start(self, program: str, /, **options: object) -> None:
        """Starts a program with `--key=value` for each option, underscores as dashes."""
        flags = [f"--{key.replace('_', '-')}={value}" for key, value in options.items()]
        with (self.folder / f"{program}.log").open("ab") as log:
            self.processes[program] = subprocess.Popen(
                [self.programs / program, *flags], stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )

    def _start_etcd(self) -> None:
        client, peer = (f"http://127.0.0.1:{self.base_port + number}" for number in (1, 2))
        self._start(
            "etcd",
            name="test",
            data_dir=self.folder / "etcd",
            listen_client_urls=client,
            advertise_client_urls=client,
            listen_peer_urls=peer,
            initial_advertise_peer_urls=peer,
            initial_cluster=f"test={peer}",
            unsafe_no_fsync="true",
            log_level="warn",
        )

    def _start_api(self) -> None:
        keys = self.folder / "keys"
        self._start(
            "kube-apiserver",
            etcd_servers=f"http://127.0.0.1:{self.base_port + 1}",
            bind_address="127.0.0.1",
            secure_port=self.base_port,
            tls_cert_file=self._serving[0],
            tls_private_key_file=self._serving[1],
            cert_dir=keys,
            token_auth_file=self._tokens,
            anonymous_auth="true",
            authorization_mode="RBAC",
            service_account_issuer="https://kubernetes.default.svc",
            service_account_key_file=self._verifier,
            service_account_signing_key_file=self._signer,
            service_cluster_ip_range="10.96.0.0/16",
            endpoint_reconciler_type="none",
            allow_privileged="true",
            profiling="false",
            client_ca_file=self._authority.certificate,
            requestheader_client_ca_file=self._authority.certificate,
            requestheader_allowed_names="front-proxy-client",
            requestheader_username_headers="X-Remote-User",
            requestheader_group_headers="X-Remote-Group",
            requestheader_extra_headers_prefix="X-Remote-Extra-",
            proxy_client_cert_file=self._proxy[0],
            proxy_client_key_file=self._proxy[1],
        )

    def _start_controllers(self) -> None:
        for number, name in ((3, "kube-controller-manager"), (4, "kube-scheduler")):
            access = self._access(f"system:{name}")
            more: dict[str, object] = {}
            if name == "kube-controller-manager":
                more = {
                    "use_service_account_credentials": "false",
                    "service_account_private_key_file": self._signer,
                    "root_ca_file": self._authority.certificate,
                    "horizontal_pod_autoscaler_sync_period": "5s",
                }
            self._start(
                name,
                kubeconfig=access,
                authentication_kubeconfig=access,
                authorization_kubeconfig=access,
                bind_address="127.0.0.1",
                secure_port=self.base_port + number,
                cert_dir=self.folder / name,
                leader_elect="false",
                profiling="false",
                **more,
            )
        self._start(
            "kwok",
            kubeconfig=self._access("kwok"),
            manage_all_nodes="true",
            node_lease_duration_seconds=40,
            cidr="10.244.0.0/16",
            node_ip="127.0.0.1",
            server_address=f"127.0.0.1:{self.base_port + 5}",
            node_port=self.base_port + 5,
            config=self.stages,
        )
