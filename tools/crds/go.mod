module shipway.invalid/tools/crds

go 1.26

// Only the custom resource definitions in these modules are read; nothing of them is compiled.
require (
	github.com/prometheus-operator/prometheus-operator v0.85.0
	sigs.k8s.io/gateway-api v1.6.3
)
