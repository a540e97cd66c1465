"""ImageRegistry: ECR repositories whose images' tags never move, and copies of what the charts pull."""

import json

import pulumi
from pulumi_aws import ecr

from components.aws.tags import keeps_data, kept, tags
from components.aws.upstreams import UPSTREAMS
from shipway.contract.environment import EnvironmentSpec

__all__ = ["ImageRegistry", "model_repository"]

# The platform's own images, and what models' are built on; a model's repository comes with the model.
_IMAGES = {
    **{image: f"platform/{image}" for image in ("delivery", "feast", "mlflow", "retraining")},
    "base": "models/shipway/base",
}
_UNTAGGED_DAYS = 14
# What lies beside an image is found under a tag of the image's digest, and signing anew, with another key or one more,
# writes that tag again. Every other tag stays where it is.
_BESIDE_AN_IMAGE = "sha256-*"


class ImageRegistry(pulumi.ComponentResource):
    """The repositories of the platform's images, and the rules that copy others when they are first pulled."""

    def __init__(
        self, name: str, environment: EnvironmentSpec, key_arn: pulumi.Input[str], opts: pulumi.ResourceOptions
    ) -> None:
        super().__init__("shipway:aws:ImageRegistry", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        for image, path in _IMAGES.items():
            _repository(f"{name}-{image}", path, environment, key_arn, child)
        for prefix, upstream in UPSTREAMS.items():
            ecr.PullThroughCacheRule(
                f"{name}-{prefix}",
                ecr_repository_prefix=f"shipway-{environment.name}/{prefix}",
                upstream_registry_url=upstream,
                opts=child,
            )
        self.register_outputs({})


def model_repository(
    environment: EnvironmentSpec, model: str, key_arn: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> ecr.Repository:
    """Returns the repository of one model's images; its name is what a release is looked up under."""
    return _repository(f"{model}-images", f"models/{model}", environment, key_arn, opts)


def _repository(
    name: str, path: str, environment: EnvironmentSpec, key_arn: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> ecr.Repository:
    repository = ecr.Repository(
        name,
        name=f"shipway-{environment.name}/{path}",
        image_tag_mutability="IMMUTABLE_WITH_EXCLUSION",
        image_tag_mutability_exclusion_filters=[
            ecr.RepositoryImageTagMutabilityExclusionFilterArgs(filter=_BESIDE_AN_IMAGE, filter_type="WILDCARD")
        ],
        image_scanning_configuration=ecr.RepositoryImageScanningConfigurationArgs(scan_on_push=True),
        encryption_configurations=[
            ecr.RepositoryEncryptionConfigurationArgs(encryption_type="KMS", kms_key=key_arn),
        ],
        force_delete=not keeps_data(environment),
        tags=tags(environment),
        opts=kept(environment, opts),
    )
    ecr.LifecyclePolicy(f"{name}-lifecycle", repository=repository.name, policy=_LIFECYCLE, opts=opts)
    return repository


# Only what no tag names goes: the image of a bundle keeps its tag, so a rollback finds it however old it is. Signatures
# and SBOMs go with the image they refer to.
_LIFECYCLE = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1,
                "description": f"untagged for {_UNTAGGED_DAYS} days",
                "selection": {
                    "tagStatus": "untagged",
                    "countType": "sinceImagePushed",
                    "countUnit": "days",
                    "countNumber": _UNTAGGED_DAYS,
                },
                "action": {"type": "expire"},
            }
        ]
    }
)
