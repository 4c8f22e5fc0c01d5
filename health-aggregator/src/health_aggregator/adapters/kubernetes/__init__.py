"""What the Kubernetes API tells: pods and EndpointSlices, followed by watch."""
