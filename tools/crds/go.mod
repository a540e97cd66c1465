module shipway.invalid/tools/crds

go 1.26

// Only the custom resource definitions in these modules are read; nothing of them is compiled.
require (
	github.com/aws/karpenter-provider-aws v1.14.0
	github.com/cloudnative-pg/cloudnative-pg v1.30.0
	github.com/envoyproxy/gateway v1.9.1
	github.com/kedacore/keda/v2 v2.21.0
	github.com/prometheus-operator/prometheus-operator v0.85.0
	github.com/sigstore/policy-controller v0.13.1
	sigs.k8s.io/gateway-api v1.6.3
	sigs.k8s.io/secrets-store-csi-driver v1.5.3
)
