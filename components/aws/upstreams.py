"""Whose images ECR copies when they are first pulled."""

__all__ = ["UPSTREAMS"]

# Upstreams that take no credentials, by the prefix of their copies: nodes that lose the Internet still start pods.
UPSTREAMS = {"ecr-public": "public.ecr.aws", "kubernetes": "registry.k8s.io", "quay": "quay.io"}
