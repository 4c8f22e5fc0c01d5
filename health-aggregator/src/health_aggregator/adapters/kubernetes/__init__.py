"""Pods and EndpointSlices, followed by the Kubernetes API's watch."""
