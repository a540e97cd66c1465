"""What AWS would answer when something is made, as far as the program reads it; the rest is what was asked for."""

from collections.abc import Mapping
from typing import Any

__all__ = ["HANDOVER", "computed"]

ACCOUNT, REGION = "111122223333", "us-east-1"

# What the stack of a platform tells the stack of its models.
HANDOVER = {
    "cluster_endpoint": "https://0123456789ABCDEF.gr7.us-east-1.eks.amazonaws.com",
    "cluster_certificate_authority": "Y2VydGlmaWNhdGU=",
    "data_key": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/data",
    "feast_secret": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:feast",
    "online_store_secret": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:online-store",
}


def computed(token: str, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the outputs of a resource that are none of its inputs; nothing for what is not AWS's."""
    package, module, kind = (token.split(":") * 3)[:3]
    if token == "pulumi:pulumi:StackReference":
        return {"outputs": {"handover": HANDOVER}}
    if package != "aws":
        return {}
    service = module.partition("/")[0]
    own = {
        "arn": f"arn:aws:{service}:{REGION}:{ACCOUNT}:{name}",
        "name": inputs.get("name", name),
        "latestVersion": 1,
        "allocationId": f"eipalloc-{name}",
        "url": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}",
        "keyId": f"key-{name}",
    }
    return {**own, **_of_kind(kind, name, inputs)}


def _of_kind(kind: str, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    if kind == "Cluster":
        return {
            "endpoint": HANDOVER["cluster_endpoint"],
            "certificateAuthority": {"data": HANDOVER["cluster_certificate_authority"]},
            "vpcConfig": {**inputs["vpcConfig"], "clusterSecurityGroupId": "sg-nodes"},
        }
    if kind == "Instance":
        secret = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:rds!{name}"
        return {
            "address": f"{name}.rds.example.com",
            "masterUserSecrets": [{"secretArn": secret, "secretStatus": "active", "kmsKeyId": "key"}],
        }
    if kind == "ReplicationGroup":
        return {"primaryEndpointAddress": f"{name}.cache.example.com"}
    if kind == "Certificate":
        option = {
            "domainName": inputs["domainName"],
            "resourceRecordName": f"_proof.{inputs['domainName']}",
            "resourceRecordType": "CNAME",
            "resourceRecordValue": "_proof.acm-validations.aws",
        }
        return {"domainValidationOptions": [option]}
    return {}
