"""Access: which account the program works in, and how it gets to the cluster that it made there."""

import json

import pulumi
from pulumi_aws import Provider as AwsProvider
from pulumi_aws import ProviderDefaultTagsArgs
from pulumi_kubernetes import Provider as KubernetesProvider

from components.aws.account import Account
from components.aws.tags import tags
from shipway.contract.cluster import cluster_name
from shipway.contract.environment import EnvironmentSpec
from shipway.contract.kubernetes import KubernetesSpec

__all__ = ["aws_provider", "cluster_provider"]


def aws_provider(name: str, environment: EnvironmentSpec, parent: pulumi.Resource | None) -> AwsProvider:
    """Returns the provider of everything in the account; with credentials of another account nothing happens."""
    account = Account.of(environment)
    return AwsProvider(
        name,
        region=account.region,
        allowed_account_ids=[account.id],
        # Also on what has no tags of its own in the program, such as a network interface.
        default_tags=ProviderDefaultTagsArgs(tags=tags(environment)),
        opts=pulumi.ResourceOptions(parent=parent),
    )


def cluster_provider(
    name: str,
    environment: EnvironmentSpec,
    cluster: KubernetesSpec,
    *,
    endpoint: pulumi.Input[str],
    certificate_authority: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> KubernetesProvider:
    """Returns the provider of everything in the cluster, whose token is fetched anew each time and kept nowhere."""
    told = pulumi.Output.all(endpoint, certificate_authority)
    return KubernetesProvider(
        name,
        kubeconfig=told.apply(lambda found: _kubeconfig(environment, found[0], found[1])),
        # Known before the cluster is: an endpoint that is not would replace everything in it.
        cluster_identifier=cluster.cluster_identifier,
        # A changed ConfigMap would otherwise be deleted and made anew under the pods that read it.
        enable_config_map_mutable=True,
        opts=opts,
    )


def _kubeconfig(environment: EnvironmentSpec, endpoint: str, certificate_authority: str) -> str:
    account, name = Account.of(environment), cluster_name(environment)
    token = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "aws",
        "args": ["eks", "get-token", "--cluster-name", name, "--region", account.region],
        "interactiveMode": "Never",
    }
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": name,
                    "cluster": {"server": endpoint, "certificate-authority-data": certificate_authority},
                }
            ],
            "users": [{"name": name, "user": {"exec": token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        }
    )
